"""The command line as a user meets it: a process of its own, and films with a known answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from made.commands import lopore as run_lopore
from made.plugins import SOFTMAX, on_path
from made.runs import write_welds

from lopore.reading.encode import write_radiograph
from lopore.record.folder import ModelFolder

Run = Callable[..., subprocess.CompletedProcess[str]]
Invoke = Callable[..., Result]


@pytest.fixture
def lopore(tmp_path: Path) -> Run:
    """``lopore ARGUMENTS`` in a process that stands in tmp_path; ``before`` is a command that starts it."""

    def run(
        *arguments: object, before: tuple[str, ...] = (), preexec: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*before, sys.executable, "-m", "lopore", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "LOPORE_MODELS": "", **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=preexec,
        )

    return run


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """``lopore ARGUMENTS`` in this process, standing in tmp_path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    return partial(run_lopore, catch_exceptions=False)


@pytest.fixture
def films(tmp_path: Path, model_folder: ModelFolder) -> Path:
    """Twelve made films in class folders; ``bright`` is a model in models/final that knows the bright ones as pores."""
    folder, rng = tmp_path / "films", np.random.default_rng(1)
    for name, level in (("pore", 190), ("no_defect", 60)):
        for number in range(6):
            pixels = np.clip(rng.normal(level, 8, (40, 48)), 0, 255).astype(np.uint8)
            write_radiograph(pixels, folder / name / f"{name}{number}.png")
    return folder


@pytest.fixture
def softmax() -> Iterator[None]:
    """The one-layer framework, installed for one test."""
    with on_path(SOFTMAX):
        yield


@pytest.fixture
def welds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """48 made films of 24 welds in two classes, with a split by weld, in the working directory."""
    monkeypatch.chdir(tmp_path)
    write_welds(tmp_path)
    return tmp_path
