"""Plugin modules with one promise broken: what a plugin does as a whole."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

MODULE = """
from lopore.contracts import Enhancer, NoParams
from lopore.hookspecs import hookimpl
{extra}
LOPORE_API = {api}

@hookimpl
def lopore_enhancers():
    {within}
    yield Enhancer(name="same", summary={summary!r}, params=NoParams, apply=lambda pixels, params: pixels.copy(),
                   presets={presets!r})
"""
SLOW = 0.4
"""Seconds from which on the tests call an import slow."""
BUSY = f"import time\nuntil = time.thread_time() + {SLOW + 0.2}\nwhile time.thread_time() < until: pass"
MODULE_FAULTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "another API": ({"api": 2}, {"registers_without_problems"}),
    "nothing is offered": ({"within": "return"}, {"registers_without_problems"}),
    "a misspelt hook": ({"extra": "@hookimpl\ndef lopore_enhancer(): ..."}, {"registers_without_problems"}),
    "a framework is imported": ({"extra": "import scipy"}, {"wakes_no_framework"}),
    "a hook imports a framework": ({"within": "import scipy"}, {"wakes_no_framework"}),
    "a megabyte is printed": ({"extra": "print('x' * 1_000_000)"}, {"imports_in_silence"}),
    "a warning at import": ({"extra": "import warnings; warnings.warn('old')"}, {"imports_in_silence"}),
    "a slow import": ({"extra": BUSY}, {"imports_quickly"}),
    "an import that waits": ({"extra": f"import time; time.sleep({5 * SLOW + 0.2})"}, {"imports_quickly"}),
    "NumPy is seeded at import": (
        {"extra": "import numpy; numpy.random.seed(0)"}, {"leaves_the_process_as_it_was"}
    ),
    "a thread at import": (
        {"extra": "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"},
        {"leaves_the_process_as_it_was"},
    ),
    "a summary of two lines": ({"summary": "One.\nTwo."}, {"summaries_are_one_line"}),
    "a preset of nothing": ({"presets": {"Both": [{"name": "nobody-has-this"}]}}, {"presets_are_valid"}),
    "a preset with a typo": ({"presets": {"Both": [{"name": "same", "cilp": 1}]}}, {"presets_are_valid"}),
}  # fmt: skip


@functools.cache
def _modules() -> Path:
    """A folder on the path for the modules; it goes away with the process."""
    folder = Path(_KEPT.name)
    sys.path.insert(0, str(folder))
    return folder


_KEPT = tempfile.TemporaryDirectory(prefix="lopore-faults-")


def source(**change: Any) -> str:
    """The text of a plugin module with one enhancer; ``change`` breaks a part of it."""
    return MODULE.format(**{"extra": "", "api": 1, "within": "", "summary": "As it was", "presets": {}, **change})


def module_of(name: str, **change: Any) -> Any:
    """A plugin module as source text, written and imported."""
    (_modules() / f"{name}.py").write_text(source(**change), encoding="utf-8")
    importlib.invalidate_caches()
    return importlib.import_module(name)
