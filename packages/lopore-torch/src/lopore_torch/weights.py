"""Pretrained weights: where they come from, under timm's names."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lopore.contracts import NetworkRequest
from lopore.errors import ModelError
from lopore.models.pretrained import offline_file, own_file

State = dict[str, Tensor]
_TIED_BYTES = 1 << 20


@dataclass(frozen=True)
class Pretrained:
    """Weights of a three-channel timm network under timm's names, with the mean and std they were trained with."""

    state: State
    mean: tuple[float, ...]
    std: tuple[float, ...]


def read_tensors(path: Path) -> Any:
    """What ``torch.save`` wrote, as plain data only; ModelError in one line for anything else.

    Sizes are those of the file: a compressed archive, or tensors that repeat a few stored numbers, could stand for any
    amount of memory and are refused.
    """
    try:
        _refuse_packed(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's notices on odd pickles; what it cannot read safely it refuses
            data = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from None
    except ModelError:
        raise
    except Exception as error:  # torch raises pickle, zip, runtime and value errors for foreign or broken files
        raise ModelError(f"{path} holds no plain torch tensors ({_first_line(error)}); it was not opened") from None
    _refuse_repeated(data, path)
    return data


def _refuse_packed(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return  # the format before torch 1.6, whose numbers lie in the file as they are
    with zipfile.ZipFile(path) as archive:
        packed = [one.filename for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED]
        size = sum(one.file_size for one in archive.infolist())
    if packed or size > path.stat().st_size:
        what = f"{packed[0][:80]!r} in {path} is compressed" if packed else f"members of {path} share their bytes"
        raise ModelError(f"{what}, which torch.save never writes; it was not opened")


def _refuse_repeated(data: Any, path: Path) -> None:
    """ModelError where tensors are together much larger than what is stored of them; some networks tie two weights."""
    waiting, storages, size = [data], dict[int, int](), 0
    while waiting:
        one = waiting.pop()
        if isinstance(one, Tensor):
            size += one.numel() * one.element_size()
            storages[one.untyped_storage().data_ptr()] = one.untyped_storage().nbytes()
        elif isinstance(one, dict | list | tuple):
            waiting.extend(one.values() if isinstance(one, dict) else one)
    if size > 2 * sum(storages.values()) + _TIED_BYTES:
        raise ModelError(f"the tensors of {path} are {size} bytes, more numbers than the file holds; it was not opened")


def write_tensors(data: Any, path: Path) -> None:
    """``torch.save`` by way of memory: its own writer tells a full disk as a RuntimeError about file positions.

    Raises OSError where the disk says no.
    """
    stream = io.BytesIO()
    torch.save(data, stream)
    path.write_bytes(stream.getbuffer())


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]


def find_pretrained(request: NetworkRequest, timm_name: str) -> Pretrained | None:
    """Weights for ``request.pretrained``; None for "none". ConfigError or ModelError says what to do instead."""
    if request.pretrained == "none":
        return None
    if request.pretrained == "offline":
        return _from_package(timm_name)
    if request.pretrained == "hub":
        return _from_hub(timm_name)
    return _from_file(own_file(request), timm_name)


def _reference(timm_name: str) -> tuple[Any, State]:
    import timm

    model = timm.create_model(timm_name, pretrained=False)
    return model, model.state_dict()


def _own_statistics(timm_name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    import timm

    config = timm.models.get_pretrained_cfg(timm_name)
    if config is None:
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return tuple(config.mean), tuple(config.std)


def _from_package(timm_name: str) -> Pretrained:
    path, package = offline_file(timm_name, "lopore-torch[offline]")
    return Pretrained(pair_by_position(read_tensors(path), timm_name, path), package.mean, package.std)


def pair_by_position(foreign: Mapping[str, Tensor], timm_name: str, path: Path) -> State:
    """A state dict that differs from timm's only in its names, under timm's names; counts and shapes are checked."""
    _, reference = _reference(timm_name)
    pairs = list(zip(reference.items(), foreign.items(), strict=False))
    if len(reference) != len(foreign) or any(own.shape != theirs.shape for (_, own), (_, theirs) in pairs):
        raise ModelError(f"{path} does not hold the {len(reference)} tensors of {timm_name}; check backbone and file")
    return {name: theirs for (name, _), (_, theirs) in pairs}


def _from_hub(timm_name: str) -> Pretrained:
    import timm

    try:
        model: Any = timm.create_model(timm_name, pretrained=True)
    except Exception as error:  # hub clients raise many kinds when there is no network or no such entry
        raise ModelError(
            f"weights of '{timm_name}' did not come from timm's hub ({_first_line(error)}); "
            "check the network, or set model.pretrained to 'offline', 'none' or a file"
        ) from None
    return Pretrained(model.state_dict(), tuple(model.pretrained_cfg["mean"]), tuple(model.pretrained_cfg["std"]))


def _from_file(path: Path, timm_name: str) -> Pretrained:
    data = read_tensors(path)
    state = data.get("state_dict", data) if isinstance(data, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path} holds no state dict; save one with torch.save(network.state_dict(), path)")
    if "normalise.scale" in state:
        raise ModelError(
            f"{path} holds the weights of a model of lopore; name its folder, with lopore.json inside, in "
            "model.start_from"
        )
    _, reference = _reference(timm_name)
    if not set(state) >= set(reference) - set(_head_names(reference, timm_name)):
        state = pair_by_position(state, timm_name, path)
    mean, std = _own_statistics(timm_name)
    return Pretrained(dict(state), mean, std)


def _head_names(state: Mapping[str, Tensor], timm_name: str) -> list[str]:
    import timm

    config = timm.models.get_pretrained_cfg(timm_name)
    heads = prefixes(config.classifier if config else "fc")
    return [name for name in state if name.startswith(heads)]


def prefixes(names: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """timm's one or several layer names as prefixes of parameter names."""
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names or ()))
