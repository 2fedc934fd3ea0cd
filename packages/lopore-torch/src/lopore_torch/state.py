"""The full state of a training run on disk, and the random states that belong to it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lopore.errors import ModelError

from .weights import read_tensors, write_tensors

STATE_FILE = "learner.pt"
PARTS = ("network", "averaged", "optimizer", "rate", "scaler", "plan", "trials", "step", "random")


def random_states() -> dict[str, Any]:
    """States of Python's, NumPy's and torch's generators (every GPU included) as plain data and tensors."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": list(random.getstate()),
        "numpy": [kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: Mapping[str, Any]) -> None:
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def write_state(folder: Path, parts: Mapping[str, Any], names: Sequence[str] = PARTS) -> None:
    """Write every part of a run's state into ``folder``; KeyError for a part that is left out."""
    write_tensors({name: parts[name] for name in names}, folder / STATE_FILE)


def read_state(folder: Path, names: Sequence[str] = PARTS) -> dict[str, Any]:
    """The parts that ``write_state`` wrote; ModelError where one is missing or the file is no plain data."""
    data = read_tensors(folder / STATE_FILE)
    missing = [name for name in names if not isinstance(data, dict) or name not in data]
    if missing:
        raise ModelError(
            f"{folder / STATE_FILE} lacks {', '.join(missing)}; resume from an older checkpoint or start anew"
        )
    return dict(data)
