"""From a radiograph to what a network takes: one record, one resize, one geometry, the same everywhere."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .contracts import Affine, PixelBatch, Pixels
from .errors import ConfigError, ModelError
from .resampling import resize
from .tables import apply_table, histogram

if TYPE_CHECKING:
    from .enhance import Chain
    from .radiograph import Radiograph

__all__ = [
    "Geometry",
    "Preprocessing",
    "Step",
    "Window",
    "percentile_limits",
    "place",
    "preprocess",
    "read_for",
    "resize",
    "round_to",
    "stretch_between",
    "to_batch",
    "to_depth",
]

Step = dict[str, Any]
"""One step of an enhancement chain: ``{"name": ..., **parameters}``."""


class Window(BaseModel):
    """Which grey values of a deep image fill the network's range.

    full: the whole range of the type. percentile: of the picture's own values. fixed: ``low`` and ``high`` as grey
    values of the file. tags: the DICOM window where the file has one, else percentile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mode: Literal["full", "percentile", "fixed", "tags"] = "full"
    low: float = Field(0.5, description="Percentile, or grey value for 'fixed'")
    high: float = Field(99.5, description="Percentile, or grey value for 'fixed'")

    @model_validator(mode="after")
    def _low_is_under_high(self) -> Window:
        if self.low >= self.high:
            raise ValueError(f"window low {self.low} is not under high {self.high}")
        if self.mode in ("percentile", "tags") and not 0 <= self.low < self.high <= 100:
            raise ValueError(f"percentiles {self.low} and {self.high} are outside 0..100")
        return self


class Preprocessing(BaseModel):
    """The record that turns any radiograph into a network's input; it travels with the weights.

    The order is: read as ``channels``, window to ``depth`` bits, enhance, place (``resize``) at ``size``.
    mean, std: per channel of pixels scaled to 0..1, as the network's own graph applies them; None until a network
    with pretrained weights fills them in (then those of the weights, else 0.5 and 0.25).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channels: Literal[1, 3] = 1
    depth: Literal[8, 16] = 8
    window: Window = Window()
    enhance: tuple[Step, ...] = ()
    resize: Literal["stretch", "letterbox", "crop"] = "stretch"
    size: tuple[int, int] = Field((224, 224), description="Pixels a side, or [height, width]")
    decoder_scaling: bool = Field(
        False, description="JPEG only: let the decoder halve the picture while it stays larger than the network's input"
    )
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        size, steps = data.get("size"), data.get("enhance")
        if isinstance(size, int):
            data = {**data, "size": (size, size)}
        elif isinstance(size, (str, float)):
            raise ValueError(f"size is a number of pixels, or [height, width] (got {size!r:.60})")
        if isinstance(steps, list | tuple):
            data = {**data, "enhance": tuple({"name": step} if isinstance(step, str) else step for step in steps)}
        return data

    @model_validator(mode="after")
    def _is_possible(self) -> Preprocessing:
        if not all(8 <= side <= 4096 for side in self.size):
            raise ValueError(f"size {self.size} is outside 8..4096 px")
        if self.decoder_scaling and self.enhance:
            raise ValueError("decoder_scaling changes what an enhancement sees; use one of the two")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for {self.channels} channels")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std {self.std} must be positive")
        return self

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything that changes pixels on their way into the network."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Geometry:
    """Where the network's input lies on the original picture.

    original: (height, width) of the file's picture; size: (height, width) of the network's input.
    to_input: from original pixels to input pixels, corners at whole numbers (see ``Affine``).
    """

    original: tuple[int, int]
    size: tuple[int, int]
    to_input: Affine

    @property
    def to_original(self) -> Affine:
        return self.to_input.inverse()

    def map_to_original(self, values: NDArray[np.floating[Any]], fill: float = 0.0) -> NDArray[np.float32]:
        """A map over the input, ``(h, w)`` at any resolution, drawn over the original picture by bilinear sampling.

        Returns (H, W) float32 on the same scale; ``fill`` where the network saw nothing (outside a crop).
        """
        import cv2

        height, width = values.shape
        scale = Affine(xx=width / self.size[1], yy=height / self.size[0])
        move = self.to_input.then(scale)
        # cv2 puts (0, 0) on the centre of the first pixel, Affine on its corner.
        centre = Affine(x0=0.5, y0=0.5).then(move).then(Affine(x0=-0.5, y0=-0.5))
        matrix = np.array([[centre.xx, centre.xy, centre.x0], [centre.yx, centre.yy, centre.y0]], np.float64)
        out_height, out_width = self.original
        source = np.ascontiguousarray(values, np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        drawn = cv2.warpAffine(source, matrix, (out_width, out_height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(self._blank_outside(drawn, fill), np.float32)

    def _blank_outside(self, drawn: NDArray[Any], fill: float) -> NDArray[Any]:
        rows, columns = np.arange(self.original[0])[:, None] + 0.5, np.arange(self.original[1])[None, :] + 0.5
        m = self.to_input
        # Without a turn x hangs on the column alone and y on the row: lines, not two arrays of the picture's size.
        x = m.xx * columns + (m.xy * rows if m.xy else 0.0) + m.x0
        y = (m.yx * columns if m.yx else 0.0) + m.yy * rows + m.y0
        inside = (x >= 0) & (x <= self.size[1]) & (y >= 0) & (y <= self.size[0])
        return np.where(inside, drawn, np.float32(fill))


def round_to(values: NDArray[np.float32], dtype: np.dtype[Any]) -> Pixels:
    """Round half to even and clip into an unsigned type."""
    return np.rint(np.clip(values, 0, np.iinfo(dtype).max)).astype(dtype)


def _rounded(values: NDArray[np.float32], dtype: np.dtype[Any]) -> Pixels:
    """``round_to`` of values that a resize gave: weighted means cannot leave the range of their type."""
    if dtype == np.uint8:
        import cv2

        return cv2.convertScaleAbs(values).reshape(values.shape)  # the same rounding in a quarter of the time
    return np.rint(values, out=values).astype(dtype)


def place(
    pixels: Pixels, mode: Literal["stretch", "letterbox", "crop"], size: tuple[int, int]
) -> tuple[Pixels, Affine]:
    """Put a picture onto the network's input.

    stretch: both sides to ``size``. letterbox: the longer side fits, the rest is the picture's median grey.
    crop: the shorter side fits, the middle is kept. Same depth out. Returns the pixels and the move from the source.
    """
    height, width = pixels.shape[:2]
    if (height, width) == tuple(size):
        return pixels, Affine()
    if mode == "stretch":
        move = Affine(xx=size[1] / width, yy=size[0] / height)
        return _rounded(resize(pixels, size), pixels.dtype), move
    if mode == "crop":
        side = min(height / size[0], width / size[1])
        x0, y0 = (width - size[1] * side) / 2, (height - size[0] * side) / 2
        cut = resize(pixels, size, (x0, y0, x0 + size[1] * side, y0 + size[0] * side))
        return _rounded(cut, pixels.dtype), Affine(xx=1 / side, x0=-x0 / side, yy=1 / side, y0=-y0 / side)
    return _letterbox(pixels, size)


def _letterbox(pixels: Pixels, size: tuple[int, int]) -> tuple[Pixels, Affine]:
    height, width = pixels.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    fill = np.median(pixels[:: max(1, height // 64), :: max(1, width // 64)], axis=(0, 1))
    canvas = np.empty((*size, *pixels.shape[2:]), pixels.dtype)
    canvas[...] = fill.astype(pixels.dtype)
    canvas[top : top + inner[0], left : left + inner[1]] = _rounded(resize(pixels, inner), pixels.dtype)
    return canvas, Affine(xx=inner[1] / width, x0=float(left), yy=inner[0] / height, y0=float(top))


def to_depth(radiograph: Radiograph, record: Preprocessing) -> Pixels:
    """Grey values of the file brought to the record's depth through its window; the one declared narrowing.

    'full' maps the type's whole range: 8 to 16 bit times 257; 16 to 8 bit is refused (ConfigError), since it would
    erase what a film's narrow band holds: choose a percentile, fixed or tags window.
    """
    pixels = radiograph.pixels
    target = np.dtype(np.uint8 if record.depth == 8 else np.uint16)
    if record.window.mode == "full":
        if pixels.dtype == target:
            return pixels
        if target == np.uint16:
            return pixels.astype(np.uint16) * np.uint16(257)
        raise ConfigError(
            f"{radiograph.source.name} has 16 bits and the model takes 8: a plain cut would erase faint defects; such "
            "films need a model trained with preprocessing.window.mode percentile, fixed or tags, or with depth 16"
        )
    low, high = _window_limits(radiograph, record.window)
    return stretch_between(pixels, low, high, target)


def _window_limits(radiograph: Radiograph, window: Window) -> tuple[float, float]:
    if window.mode == "fixed":
        return window.low, window.high
    if window.mode == "tags" and radiograph.window is not None:
        return radiograph.window
    return percentile_limits(radiograph.pixels, window.low, window.high)


def percentile_limits(pixels: Pixels, low: float, high: float) -> tuple[float, float]:
    """Grey values at two percentiles, exact, by the histogram of uint8 or uint16; high is above low by at least 1."""
    cumulated = np.cumsum(histogram(pixels))
    total = cumulated[-1]
    bottom = int(np.searchsorted(cumulated, max(total * (low / 100), 1), side="left"))
    top = int(np.searchsorted(cumulated, total * (high / 100), side="left"))
    return float(bottom), float(max(top, bottom + 1))


def stretch_between(pixels: Pixels, low: float, high: float, target: np.dtype[Any]) -> Pixels:
    """Grey values low..high spread over the whole of ``target`` (uint8 or uint16) by one table; beyond is clipped."""
    levels = np.arange(int(np.iinfo(pixels.dtype).max) + 1, dtype=np.float64)
    scaled = (levels - low) / (high - low) * np.iinfo(target).max
    table = np.rint(np.clip(scaled, 0, np.iinfo(target).max)).astype(target)
    return apply_table(pixels, table)


def read_for(record: Preprocessing, source: Path | bytes, **options: Any) -> Radiograph:
    """``read_radiograph`` with the channels and decoder scaling that the record asks for."""
    from .radiograph import read_radiograph

    reduce_to = record.size if record.decoder_scaling else None
    return read_radiograph(source, channels=record.channels, reduce_to=reduce_to, **options)


def preprocess(radiograph: Radiograph, record: Preprocessing) -> tuple[Pixels, Geometry]:
    """What the network sees of one radiograph, and where that lies on it.

    Returns (h, w, C) uint8 or uint16 of the record's size, channels and depth, and the Geometry.
    Raises ConfigError where the radiograph's channels or depth do not fit the record.
    """
    pixels = to_depth(radiograph, record)
    move = radiograph.to_original.inverse()
    if record.enhance:
        pixels, motion = _chain(json.dumps(record.enhance)).apply(pixels)
        move = move.then(motion)
    placed, placing = place(pixels, record.resize, record.size)
    placed = _with_channels(placed, record.channels, radiograph.source.name)
    return placed, Geometry(radiograph.original_shape, record.size, move.then(placing))


@lru_cache(maxsize=64)
def _chain(steps: str) -> Chain:
    from .enhance import Chain

    return Chain.parse(json.loads(steps), for_model=True)


def _with_channels(pixels: Pixels, channels: int, name: str) -> Pixels:
    if channels == 3:
        return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.ndim == 3:
        raise ConfigError(f"{name} was read in colour and the model takes grey; read it with channels=1")
    return pixels[:, :, None]


def check_batch(batch: PixelBatch, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
    """ModelError where a batch is not (N, H, W, C) of ``shape`` and ``dtype``: for a network that would take others.

    A convolution takes any size, and normalisation any depth: the answer would be a number that means nothing.
    """
    if batch.ndim != 4 or batch.shape[1:] != shape or batch.dtype != dtype:
        raise ModelError(
            f"the model takes pixels {dtype} (N, {', '.join(map(str, shape))}), not {batch.dtype} {batch.shape}"
        )


def to_batch(pictures: list[Pixels]) -> PixelBatch:
    """(N, H, W, C) from preprocessed pictures of one record."""
    return np.stack(pictures)
