"""What every plugin promises, whatever it offers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from lopore.registry import KINDS, Registry

from .check import NotJudged, require
from .workshop import Workshop

FRAMEWORKS = (
    "torch", "torchvision", "timm", "tensorflow", "keras", "jax", "onnxruntime", "onnx", "cv2", "sklearn", "skimage",
    "scipy", "pandas", "matplotlib", "albumentations", "streamlit",
)  # fmt: skip
PROBE = """
import importlib, sys
from lopore.registry import Registry
asleep = set(sys.modules)
plugin = importlib.import_module(sys.argv[1])
registry = Registry.from_plugins({sys.argv[1]: plugin})
print(" ".join(name for name in sys.argv[2:] if name in sys.modules and name not in asleep))
"""
PluginCheck = Callable[[Any, str, Workshop], None]


def checks() -> Iterator[PluginCheck]:
    """The promises of a plugin as a whole."""
    yield from (registers_without_problems, wakes_no_framework, summaries_are_one_line, presets_are_valid)


def registers_without_problems(plugin: Any, source: str, workshop: Workshop) -> None:
    """It is imported, speaks this contract, registers, lists what it offers, and gives every name once."""
    registry = Registry.from_plugins({source: plugin})
    require(not registry.problems, "; ".join(str(problem) for problem in registry.problems))
    require(any(len(getattr(registry, kind)) for kind in KINDS), "it offers nothing; implement one of the six hooks")


def wakes_no_framework(plugin: Any, source: str, workshop: Workshop) -> None:
    """A fresh Python that imports it and asks its hooks holds no framework: they are imported when used."""
    if not isinstance(plugin, ModuleType):
        raise NotJudged("the plugin is an object, and a fresh Python can only import a module")
    module = plugin.__name__
    paths = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.run(
        [sys.executable, "-c", PROBE, module, *FRAMEWORKS],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if process.returncode and "No module named" in process.stderr and module in process.stderr.splitlines()[-1]:
        raise NotJudged(f"{module} cannot be imported by its name, so a fresh Python cannot try it")
    require(process.returncode == 0, f"a fresh Python cannot import it: {process.stderr.strip().splitlines()[-1:]}")
    woken = process.stdout.split()
    require(not woken, f"importing it wakes {', '.join(woken)}; import them inside the functions that use them")


def summaries_are_one_line(plugin: Any, source: str, workshop: Workshop) -> None:
    """Every entry says what it is in one line of at most 120 letters."""
    for kind in KINDS:
        for key, entry in getattr(workshop.registry, kind).items():
            text = entry.summary
            said = isinstance(text, str) and 0 < len(text.strip()) <= 120 and "\n" not in text
            require(said, f"{kind[:-1]} {key} has summary {text!r}; write one line of at most 120 letters")


def presets_are_valid(plugin: Any, source: str, workshop: Workshop) -> None:
    """Every step of a preset names a known enhancer with parameters that it takes."""
    known = {enhancer.name: enhancer for enhancer in workshop.entries("enhancers")}
    for title, steps in workshop.registry.presets().items():
        for step in steps:
            name = str(step.get("name"))
            require(name in known, f"preset '{title}' names {name}, which is not installed")
            try:
                known[name].params.model_validate({key: value for key, value in step.items() if key != "name"})
            except ValidationError as error:
                first = error.errors()[0]
                raise AssertionError(f"preset '{title}', step {name}: {first['loc']}: {first['msg']}") from None
