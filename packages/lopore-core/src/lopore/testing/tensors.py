"""Arrays as tensors of a framework and back, so that one check judges losses of any."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .check import NotJudged

Floats = NDArray[np.float64]
MODULES = {"torch": "torch", "tf": "tensorflow"}
STEP = 1e-3
"""Of the differences that stand for a gradient in a framework that is not known here; logits are in float32."""


def tensor(framework: str, array: NDArray[Any]) -> Any:
    """The array in the framework's own type; a NumPy array for a framework that is not known here.

    NotJudged where the framework is not installed.
    """
    library = _library(framework)
    if library is None:
        return array.copy()
    return library.from_numpy(array.copy()) if framework == "torch" else library.constant(array)


def _library(framework: str) -> Any:
    """The module of a framework that is known here, else None."""
    module = MODULES.get(framework)
    if module is None:
        return None
    if find_spec(module) is None:
        raise NotJudged(f"{module} is not installed")
    return import_module(module)


def numbers(result: Any) -> Floats:
    """What a framework's function gave, as float64."""
    return np.asarray(result.detach() if hasattr(result, "detach") else result, np.float64)


def gradient(framework: str, function: Callable[[Any], Any], at: NDArray[np.float32]) -> Floats:
    """Slope of the sum of ``function``, (N,) losses, in each number of ``at`` (N, ...); where the framework is unknown
    by differences, image by image."""
    if framework == "torch":
        logits = tensor(framework, at).requires_grad_(True)
        total = function(logits).sum()
        if not total.requires_grad:
            return np.zeros(at.shape)
        total.backward()
        return np.zeros(at.shape) if logits.grad is None else numbers(logits.grad)
    if framework == "tf":
        tf: Any = _library(framework)
        logits = tensor(framework, at)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total = tf.reduce_sum(function(logits))
        found = tape.gradient(total, logits)
        return np.zeros(at.shape) if found is None else numbers(found)
    slopes = np.zeros(at.shape)
    for index in np.ndindex(at.shape[1:]):
        ends = []
        for sign in (1, -1):
            moved = at.astype(np.float64)
            moved[(slice(None), *index)] += sign * STEP
            ends.append(numbers(function(tensor(framework, moved))))
        with np.errstate(invalid="ignore"):  # infinity less infinity: what is no number is for the caller to say
            slopes[(slice(None), *index)] = (ends[0] - ends[1]) / (2 * STEP)
    return slopes
