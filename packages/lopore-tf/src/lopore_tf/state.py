"""The full state of a training run on disk, as plain arrays and numbers, and weights by the names of their layers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ModelError

STATE_FILE, WEIGHTS_FILE = "learner.safetensors", "weights.safetensors"
PARTS = ("network", "averaged", "optimizer", "random", "rate", "scaler", "plan", "trials", "step")
Arrays = dict[str, NDArray[Any]]


def weights_of(network: Any) -> Arrays:
    """Weights and statistics of a Keras model by path, such as ``conv1/kernel``."""
    return {variable.path: np.asarray(variable.numpy()) for variable in network.weights}


def set_weights(network: Any, weights: Mapping[str, NDArray[Any]]) -> None:
    """The reverse; ValueError naming the first weight that is absent, one too many or of another shape."""
    paths = {variable.path for variable in network.weights}
    if paths != weights.keys():
        odd = sorted(paths ^ weights.keys())
        raise ValueError(f"{odd[0]} and {len(odd) - 1} more weights are not the same")
    for variable in network.weights:
        found = weights[variable.path]
        if tuple(found.shape) != tuple(variable.shape):
            raise ValueError(f"{variable.path} has shape {tuple(found.shape)}, here it is {tuple(variable.shape)}")
        variable.assign(found)


def random_states() -> tuple[Arrays, dict[str, Any]]:
    """States of NumPy's and Python's generators, as arrays and as plain data; TensorFlow's steps draw from neither."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    arrays: Arrays = {"numpy": np.asarray(keys, np.uint32), "python": np.asarray(internal, np.int64)}
    return arrays, {"numpy": [kind, position, has_gauss, cached], "python": [version, gauss]}


def set_random_states(arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
    kind, position, has_gauss, cached = values["numpy"]
    np.random.set_state((kind, arrays["numpy"], position, has_gauss, cached))
    version, gauss = values["python"]
    random.setstate((version, tuple(arrays["python"].tolist()), gauss))


def write_state(folder: Path, arrays: Mapping[str, Arrays | None], values: Mapping[str, Any]) -> None:
    """Write every part of a run's state into ``folder``: arrays by part and name, and plain data by part.

    A part may stand in both; None says that this run has none. KeyError for a part that is left out.
    """
    absent = [part for part in PARTS if part not in arrays and part not in values]
    if absent:
        raise KeyError(absent[0])
    flat = {f"{part}/{name}": array for part, group in arrays.items() for name, array in (group or {}).items()}
    parts = {part: None if group is None else sorted(group) for part, group in arrays.items()}
    write_arrays(folder / STATE_FILE, flat, {"arrays": json.dumps(parts), "told": json.dumps(dict(values))})


def read_state(folder: Path) -> tuple[dict[str, Arrays | None], dict[str, Any]]:
    """What ``write_state`` wrote; ModelError where a part is missing or the file is no plain data."""
    path = folder / STATE_FILE
    flat, about = read_arrays(path)
    try:
        parts, values = json.loads(about["arrays"]), json.loads(about["told"])
        arrays = {
            part: None if names is None else {name: flat[f"{part}/{name}"] for name in names}
            for part, names in parts.items()
        }
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise ModelError(f"{path} lacks {error}; resume from an older checkpoint or start anew") from None
    missing = [part for part in PARTS if part not in arrays and part not in values]
    if missing:
        raise ModelError(f"{path} lacks {', '.join(missing)}; resume from an older checkpoint or start anew")
    return arrays, values


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, str] | None = None) -> None:
    """Arrays by name as a safetensors file, with words about them; OSError where the disk says no.

    By way of memory: the library's own writer tells a full disk as an error of its own kind, without a number.
    """
    from safetensors.numpy import save

    path.write_bytes(save({name: np.asarray(array, order="C") for name, array in arrays.items()}, dict(about or {})))


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """The reverse; ModelError in one line for a file that is absent, broken or of another kind."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return {name: file.get_tensor(name) for name in _names(file)}, dict(file.metadata() or {})
    except OSError as error:
        why = error.strerror or "it is absent or not readable"
        raise ModelError(f"{path} cannot be read ({why}); check the path and its permissions") from None
    except SafetensorError as error:
        text = " ".join(str(error).split())[:120]
        raise ModelError(f"{path} holds no plain arrays ({text}); it was not opened") from None


def _names(file: Any) -> Iterable[str]:
    return list(file.keys())
