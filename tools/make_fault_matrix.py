"""Write docs/fault-matrix.md: seeded faults against the checks of the conformance kit; ``--check`` only compares."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "fault-matrix.md"
TESTS = Path(__file__).parents[1] / "packages" / "lopore-core" / "tests"
HEAD = """# Does the kit catch what it promises?

`lopore.testing` judges a plugin by {checks} checks. Each is tried on a plugin that keeps every promise, and on plugins
with one seeded fault: {faults} faults in all. A dot is a check that stayed green, a cross one that caught the fault.
The sound plugin is green in every column. The tests run the whole table and compare it with what is said here.

Write it anew with `python tools/make_fault_matrix.py`.
"""


def faults_of_the_tests() -> Any:
    """The seeded faults, which are no part of any package."""
    sys.path.insert(0, str(TESTS))
    return importlib.import_module("seeded_faults")


def page(seeded: Any) -> str:
    """The page as markdown, every cell found by running the kit."""
    checks = sum(len(seeded.promises(kind)) for kind in seeded.FAULTS)
    parts = [HEAD.format(checks=checks, faults=len(seeded.CASES))]
    return "\n".join([*parts, *(_section(seeded, kind) for kind in seeded.FAULTS)])


def _section(seeded: Any, kind: str) -> str:
    promises = seeded.promises(kind)
    lines = [f"## {kind.capitalize()}: {len(promises)} checks, {len(seeded.FAULTS[kind])} faults", ""]
    lines += [f"{number}. `{name}`: {promise}." for number, (name, promise) in enumerate(promises.items(), start=1)]
    lines += ["", f"| seeded fault | {' | '.join(str(number + 1) for number in range(len(promises)))} |"]
    lines.append(f"|---|{':-:|' * len(promises)}")
    lines.append(_row("none: the sound plugin", seeded.failed(seeded.sound(), kind), promises))
    lines += [_row(name, seeded.broken_by(kind, name), promises) for name in seeded.FAULTS[kind]]
    return "\n".join([*lines, ""])


def _row(name: str, broken: Any, promises: Any) -> str:
    return f"| {name} | {' | '.join('**x**' if promise in broken else '.' for promise in promises)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the file and write nothing")
    asked = parser.parse_args()
    text = page(faults_of_the_tests())
    if not asked.check:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is not what the kit finds; run python tools/make_fault_matrix.py")


if __name__ == "__main__":
    main()
