"""Pretrained weights without torch: where they come from, under timm's names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import NetworkRequest
from lopore.errors import ModelError
from lopore.models.pretrained import offline_file, own_file

from .architectures import ARCHITECTURES

State = Mapping[str, NDArray[Any]]
Shape = tuple[int, ...]
MAX_CONFIG_BYTES = 1 << 20
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class Pretrained:
    """Weights of a three-channel timm network under timm's names, with the mean and std they were trained with."""

    state: State
    mean: tuple[float, ...]
    std: tuple[float, ...]


def find_pretrained(request: NetworkRequest, name: str, shapes: Mapping[str, Shape]) -> Pretrained | None:
    """Weights for ``request.pretrained``; None for "none". ConfigError or ModelError says what to do instead.

    shapes: timm's names and shapes of the colour network, in order.
    """
    if request.pretrained == "none":
        return None
    if request.pretrained == "offline":
        return _from_package(name, shapes)
    if request.pretrained == "hub":
        return _from_hub(name)
    return _from_file(own_file(request), name, shapes)


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """The state dict of a ``.safetensors`` or a ``torch.save`` file; ModelError in one line for anything else."""
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    from .pickles import read_state_dict

    return read_state_dict(path)


def _read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        loaded: dict[str, NDArray[Any]] = load_file(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror or error}); check path and permissions") from None
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path} is no safetensors file ({_one_line(error)}); get the file again") from None
    return loaded


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _from_package(name: str, shapes: Mapping[str, Shape]) -> Pretrained:
    path, package = offline_file(name, "lopore-tf[offline]")
    return Pretrained(pair_by_position(read_tensors(path), name, path, shapes), package.mean, package.std)


def pair_by_position(foreign: State, name: str, path: Path, shapes: Mapping[str, Shape]) -> dict[str, NDArray[Any]]:
    """A state dict that differs from timm's only in its names, under timm's names; counts and shapes are checked."""
    floats = [array for key, array in foreign.items() if array.ndim or not key.endswith(_COUNTER)]
    fits = len(floats) == len(shapes) and all(
        array.shape == shape for array, shape in zip(floats, shapes.values(), strict=True)
    )
    if not fits:
        raise ModelError(f"{path} does not hold the {len(shapes)} tensors of {name}; check backbone and file")
    return dict(zip(shapes, floats, strict=True))


def _from_hub(name: str) -> Pretrained:
    repository = ARCHITECTURES[name].hub
    try:
        from huggingface_hub import hf_hub_download

        weights = Path(hf_hub_download(repository, "model.safetensors"))
        config = Path(hf_hub_download(repository, "config.json"))
    except Exception as error:  # hub clients raise many kinds when there is no network or no such entry
        raise ModelError(
            f"weights of '{name}' did not come from {repository} ({_one_line(error)}); "
            "check the network, or set model.pretrained to 'offline', 'none' or a file"
        ) from None
    mean, std = published_statistics(config)
    return Pretrained(_read_safetensors(weights), mean, std)


def published_statistics(config: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """mean and std from the ``config.json`` that timm publishes beside weights; ModelError where it has none."""
    try:
        if config.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError("too large")
        data = json.loads(config.read_text(encoding="utf-8"))
        settings = data.get("pretrained_cfg", data)
        mean, std = (tuple(float(value) for value in settings[key]) for key in ("mean", "std"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{config} states no mean and std ({_one_line(error)}); get the file again") from None
    if len(mean) != 3 or len(std) != 3 or not np.isfinite([*mean, *std]).all() or min(std) <= 0:
        raise ModelError(f"{config} states mean {mean} and std {std}; three numbers each are needed")
    return mean, std


def _from_file(path: Path, name: str, shapes: Mapping[str, Shape]) -> Pretrained:
    state, architecture = read_tensors(path), ARCHITECTURES[name]
    head = f"{architecture.classifier}."
    if not set(state) >= {key for key in shapes if not key.startswith(head)}:
        state = pair_by_position(state, name, path, shapes)
    return Pretrained(state, architecture.mean, architecture.std)
