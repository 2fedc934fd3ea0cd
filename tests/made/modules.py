"""Modules from files that stand in no package, and which modules a process has awake."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any


def module_at(path: Path) -> Any:
    """The module of a file, run once more at each call."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def awake_after(code: str, *names: str) -> set[str]:
    """Those of ``names`` that a new process has imported once it has run ``code``; AssertionError where that fails."""
    asked = f"{code}\nimport sys\nprint()\nprint(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stdout.splitlines()[-1].split())
