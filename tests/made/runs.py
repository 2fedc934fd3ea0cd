"""Little runs: made films of welds, and a framework of one NumPy layer that learns them in a moment."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from lopore.config.experiment import Experiment, load_experiment
from lopore.progress import Progress
from lopore.training.run import TrainResult, train
from made.plugins import SOFTMAX

SIDES = ("train", "train", "train", "train", "val", "test")
COLUMNS = ("path", "labels", "group", "family", "split", "fold", "sha256", "pixel_hash")


def write_welds(folder: Path, side: int = 40, welds: int = 24) -> None:
    """Two films of each weld, every second one with a pore, and ``films.csv`` with a split and three folds by weld."""
    rng = np.random.default_rng(5)
    (folder / "films").mkdir()
    rows: list[tuple[object, ...]] = []
    for weld in range(welds):
        base = rng.normal(120, 12, (side, side))
        if weld % 2:
            y, x = rng.integers(8, side - 8, 2)
            base[y - 4 : y + 4, x - 4 : x + 4] -= 45
        for shot in range(2):
            pixels = np.clip(base + rng.normal(0, 3, base.shape), 0, 255).astype(np.uint8)
            name, number = f"films/{weld:02d}-{shot}.png", weld * 2 + shot
            cv2.imwrite(str(folder / name), pixels)
            about = "pore" if weld % 2 else "ok", f"weld {weld}", f"F{weld}", SIDES[weld // 2 % 6], weld // 2 % 3
            rows.append((name, *about, f"{number:064x}", f"{number:032x}"))
    with (folder / "films.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])


def config(folder: Path, **changes: Any) -> Experiment:
    """``little.yaml`` over ``films.csv``, written and read; ``a__b`` stands for the key ``a.b``."""
    data: dict[str, Any] = {
        "name": "little", "trainer": "softmax", "task": "binary",
        "data": {"manifest": "films.csv", "positive": "pore", "workers": 1},
        "preprocessing": {"size": 32}, "model": {"backbone": "cells"},
        "training": {"epochs": 6, "batch_size": 8, "optimizer": {"learning_rate": 0.3}}, "exports": [],
    }  # fmt: skip
    for key, value in changes.items():
        at = data
        *parents, last = key.split("__")
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
    (folder / "little.yaml").write_text(yaml.safe_dump(data))
    return load_experiment(folder / "little.yaml")


def run(experiment: Experiment, **options: Any) -> TrainResult:
    return train(experiment, progress=Progress(quiet=True), **options)


def edit_manifest(folder: Path, change: Callable[[list[dict[str, str]]], object]) -> None:
    with (folder / "films.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    change(rows)
    with (folder / "films.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def weights_of(result: TrainResult) -> bytes:
    assert result.model_folder is not None
    return (result.model_folder / "softmax.npy").read_bytes()


def log_of(run_folder: Path) -> list[dict[str, str]]:
    with (run_folder / "training_log.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


class Listen(Progress):
    """Keeps what a run says."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


class StopAt(Progress):
    """Breaks a run off at the line that begins with the last of ``starts``, after lines that begin with the others."""

    def __init__(self, *starts: str) -> None:
        super().__init__(quiet=True)
        self.starts = list(starts)

    def line(self, text: str) -> None:
        if self.starts and text.startswith(self.starts[0]):
            self.starts.pop(0)
            if not self.starts:
                raise KeyboardInterrupt


def train_command(folder: Path, *words: str) -> list[str]:
    """``lopore train`` with the config of ``folder``, for a process of its own."""
    return [sys.executable, "-m", "lopore", "train", "--config", str(folder / "little.yaml"), "--json", *words]


def with_softmax(slowly: float = 0) -> dict[str, str]:
    """An environment with the one-layer framework and no other. slowly: seconds that it waits in each batch."""
    path = os.pathsep.join([str(SOFTMAX), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "SOFTMAX_SLOWLY": str(slowly), "LOPORE_BLOCK": "lopore-torch,lopore-tf"}
