"""``lopore`` as a command: in this process, or several in one process of their own; and what a refusal looks like."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

_EACH = """
import json, sys
from click.testing import CliRunner
from lopore.cli import main
for arguments in json.load(open(sys.argv[1])):
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    print(json.dumps([done.exit_code, done.stdout, done.stderr]), flush=True)
"""


def lopore(*words: object, catch_exceptions: bool = True) -> Result:
    """``lopore WORDS`` in this process."""
    from lopore.cli import main

    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=catch_exceptions)


def in_one_process(place: Path, site: Path | str, commands: list[list[str]]) -> list[tuple[int, str, str]]:
    """Status, output and errors of commands that run in ``place`` one after the other in one process.

    What one leaves behind the next would meet. site: a folder, or several as PYTHONPATH takes them, with plugins.
    """
    asked = place / "commands.json"
    asked.write_text(json.dumps(commands), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _EACH, str(asked)], cwd=place, capture_output=True, text=True, timeout=120, check=True,
        env={**os.environ, "LOPORE_MODELS": "", "PYTHONPATH": str(site)},
    )  # fmt: skip
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def error_line(text: str) -> str:
    """The one line of standard error that tells of a failure; counts and notes of a command may stand beside it."""
    assert "Traceback" not in text, text
    lines = [line for line in text.splitlines() if line.startswith("lopore: ")]
    assert len(lines) == 1, text
    return lines[0]


def refused(result: Result, *told: str) -> None:
    """One clear line and nothing else on standard error, a non-zero status, no traceback."""
    assert result.exit_code not in (0, None)
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for text in told:
        assert text in lines[0], lines[0]
