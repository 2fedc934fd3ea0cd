"""What every plugin promises, whatever it offers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from lopore.plugins.entries import noun_of
from lopore.plugins.import_cost import ImportCost
from lopore.plugins.problems import one_line
from lopore.plugins.process_guard import Changes
from lopore.plugins.registry import KINDS, Registry

from .check import NotJudged, require
from .process import require_none
from .workshop import Workshop

FRAMEWORKS = (
    "torch", "torchvision", "timm", "tensorflow", "keras", "jax", "onnxruntime", "onnx", "cv2", "sklearn", "skimage",
    "scipy", "pandas", "matplotlib", "streamlit",
)  # fmt: skip
PROBE = """
import importlib, json, sys
import numpy.random
from lopore import contracts
from lopore.plugins.import_cost import measured_import
from lopore.plugins.registry import Registry
from lopore.plugins.process_guard import preserve_state
asleep = set(sys.modules)
with preserve_state("import") as changes:
    with measured_import() as cost:
        plugin = importlib.import_module(sys.argv[2])
    Registry.from_plugins({sys.argv[2]: plugin})
woken = [name for name in sys.argv[3:] if name in sys.modules and name not in asleep]
facts = {"woken": woken, "seconds": cost.seconds, "waited": cost.waited}
facts |= {"changed": changes.names, "threads": changes.threads}
with open(sys.argv[1], "w", encoding="utf-8") as told:
    json.dump(facts, told)
"""
PluginCheck = Callable[[Any, str, Workshop], None]


def checks() -> Iterator[PluginCheck]:
    """The promises of a plugin as a whole."""
    yield from (
        registers_without_problems,
        wakes_no_framework,
        imports_in_silence,
        imports_quickly,
        leaves_the_process_as_it_was,
        summaries_are_one_line,
        presets_are_valid,
    )


def registers_without_problems(plugin: Any, source: str, workshop: Workshop) -> None:
    """It is imported, speaks this contract, registers, lists what it offers, and gives every name once."""
    registry = Registry.from_plugins({source: plugin})
    require(not registry.problems, "; ".join(str(problem) for problem in registry.problems))
    require(any(len(getattr(registry, kind)) for kind in KINDS), "it offers nothing; implement one of the hooks")


@dataclass(frozen=True)
class Import:
    """What a fresh Python saw of a plugin's import and hooks."""

    woken: list[str]
    seconds: float
    waited: float
    changed: list[str]
    threads: int
    printed: str


def _imported(plugin: Any, workshop: Workshop) -> Import:
    if not isinstance(plugin, ModuleType):
        raise NotJudged("the plugin is an object, and a fresh Python can only import a module")
    return workshop.once("import", lambda: _in_fresh_python(plugin.__name__, workshop.folder("import") / "told.json"))


def _in_fresh_python(module: str, report: Path) -> Import:
    paths = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.run(
        [sys.executable, "-c", PROBE, str(report), module, *FRAMEWORKS],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    last = (process.stderr.strip().splitlines() or [""])[-1]
    if process.returncode and "No module named" in last and module in last:
        raise NotJudged(f"{module} cannot be imported by its name, so a fresh Python cannot try it")
    require(report.is_file(), f"a fresh Python cannot import it (status {process.returncode}): {last}")
    return Import(**json.loads(report.read_text(encoding="utf-8")), printed=process.stdout + process.stderr)


def wakes_no_framework(plugin: Any, source: str, workshop: Workshop) -> None:
    """A fresh Python that imports it and asks its hooks holds no framework: they are imported when used."""
    woken = _imported(plugin, workshop).woken
    require(not woken, f"importing it wakes {', '.join(woken)}; import them inside the functions that use them")


def imports_in_silence(plugin: Any, source: str, workshop: Workshop) -> None:
    """Its import prints nothing and warns of nothing: the terminal belongs to the command that a user runs."""
    printed = _imported(plugin, workshop).printed
    require(not printed, f"importing it prints {len(printed)} letters: {one_line(printed)[:80]!r}")


def imports_quickly(plugin: Any, source: str, workshop: Workshop) -> None:
    """Its import takes under two seconds of processor time and waits for nothing, since every command waits for it."""
    found = _imported(plugin, workshop)
    complaint = ImportCost(found.seconds, found.waited).complaint
    require(not complaint, complaint)


def leaves_the_process_as_it_was(plugin: Any, source: str, workshop: Workshop) -> None:
    """Its import changes no random state, directory, locale, environment or warning filter, and starts no thread."""
    found = _imported(plugin, workshop)
    require_none(Changes(found.changed, found.threads))


def summaries_are_one_line(plugin: Any, source: str, workshop: Workshop) -> None:
    """Every entry says what it is in one line of at most 120 letters."""
    for kind in KINDS:
        for key, entry in getattr(workshop.registry, kind).items():
            text = entry.summary
            said = isinstance(text, str) and 0 < len(text.strip()) <= 120 and "\n" not in text
            require(said, f"{noun_of(kind)} {key} has summary {text!r}; write one line of at most 120 letters")


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
