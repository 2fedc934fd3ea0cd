"""Modules that say "No Streamlit in here" are importable without it, and every module that could say so does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lopore_app

ROOT = Path(lopore_app.__file__).parent
PROMISE = "No Streamlit in here."
BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "streamlit":
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Block())
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def _promising() -> list[str]:
    found = []
    for path in ROOT.rglob("*.py"):
        if PROMISE in path.read_text(encoding="utf-8").split('"""')[1]:
            found.append(".".join(("lopore_app", *path.relative_to(ROOT).with_suffix("").parts)))
    return sorted(found)


def test_modules_that_promise_it_are_importable_where_streamlit_is_blocked() -> None:
    names = _promising()
    assert {"lopore_app.inspection.session", "lopore_app.review.prediction_log", "lopore_app.viewer.pixels"} <= set(
        names
    )
    done = subprocess.run([sys.executable, "-c", BLOCKED, *names], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_module_that_needs_streamlit_is_refused_by_the_block() -> None:
    command = [sys.executable, "-c", BLOCKED, "lopore_app.inspection.workbench"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "streamlit is blocked" in done.stderr


def test_pages_are_layout_alone() -> None:
    for page in (ROOT / "app_pages").glob("*.py"):
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 100, page.name
