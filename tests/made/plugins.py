"""Plugins as an installer leaves them: a module, its metadata and its entry points in a folder for the path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SOFTMAX = Path(__file__).parents[2] / "packages" / "lopore-core" / "tests" / "softmax_plugin"
"""A folder for the path with lopore-softmax, a framework of one NumPy layer, in it."""

HEAD = """
from lopore.contracts import (
    AugmentationStep, Backbone, Callback, Enhancer, Explainer, Exporter, LossTerm, Metric, NoParams, Params, Predictor,
    StepParams, Trainer,
)
from lopore.hookspecs import hookimpl
import numpy as np
LOPORE_API = 1
"""
SOUND = (
    HEAD
    + """
@hookimpl
def lopore_enhancers():
    yield Enhancer(name="{name}", summary="As it was", params=NoParams, apply=lambda pixels, params: pixels.copy())
"""
)
"""A plugin without fault, once its enhancer has a ``name``."""


def install(site: Path, name: str, code: str, points: str | None = None) -> None:
    """The distribution ``name`` 1.0 of one module of that name; ``points`` is written in place of its entry points."""
    module = name.replace("-", "_")
    info = write_metadata(site, {"name": name, "version": "1.0", "entry-points": {"lopore": {module: module}}})
    (site / f"{module}.py").write_text(code, encoding="utf-8")
    if points is not None:
        (info / "entry_points.txt").write_text(points, encoding="utf-8")


def write_metadata(site: Path, project: Mapping[str, Any]) -> Path:
    """The ``dist-info`` folder of a pyproject's ``[project]`` in ``site``."""
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    needs = "".join(f"Requires-Dist: {need}\n" for need in project.get("dependencies", ()))
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head + needs, encoding="utf-8")
    points = "".join(f"{name} = {target}\n" for name, target in project["entry-points"]["lopore"].items())
    (info / "entry_points.txt").write_text(f"[lopore]\n{points}", encoding="utf-8")
    return info


@contextmanager
def on_path(site: Path) -> Iterator[None]:
    """This process finds what is installed in ``site``, and knows nothing of it afterwards."""
    from lopore.plugins.registry import discover

    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    discover.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "/").parent == site:
                del sys.modules[name]
        discover.cache_clear()
