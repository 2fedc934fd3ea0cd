"""A whole film as a network sees it: at the scale, the grey window and with the enhancements of its record.

The order is read, enhance as the user asks, scale to the record's ``mm_per_pixel``, window to its depth, enhance as the
record asks; where the record is deeper than the film, scaling follows the window, so that means keep their fractions.
Training draws its tiles here and inference covers the film from here, so both see the same pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.errors import ConfigError
from lopore.record.preprocessing import Preprocessing

from .enhancement_chain import Chain
from .film_chain import enhanced_layer
from .film_layers import BLOCK_PIXELS, Layer, ScaledLayer, TableLayer, blocks
from .lookup_tables import histogram
from .pipeline import percentiles_of, stretch_table

if TYPE_CHECKING:
    from lopore.reading.film_source import FilmSource

MOST_SCALE = 8.0
"""Films are made at most this much finer or coarser: beyond it one of the two pitches is wrong."""


class FilmInput:
    """``shape`` (height, width) at the network's scale; ``read`` gives windows of it.

    to_film: from network pixels to the film's pixels. factor: network pixels in one pixel of the film.
    notes: what a careful reader should know, such as that no pitch is known.
    """

    def __init__(
        self,
        source: FilmSource,
        record: Preprocessing,
        chain: Chain | None = None,
        *,
        pitch_mm: float | None = None,
        factor: float | None = None,
    ) -> None:
        """pitch_mm: of a film pixel, instead of what the film states. factor: instead of the ratio of the pitches.

        Raises ConfigError for a film and record that do not fit, and for enhancements that move pixels.
        """
        self.source, self.record = source, record
        self.pitch_mm = pitch_mm if pitch_mm is not None else source.pixel_pitch_mm
        self.factor, scale_note = _factor(self.pitch_mm, record.mm_per_pixel, factor, source.name)
        height, width = source.shape
        self.shape = max(1, round(height * self.factor)), max(1, round(width * self.factor))
        self.to_film = Affine(xx=width / self.shape[1], yy=height / self.shape[0])
        layer: Layer = source
        notes = [scale_note] if scale_note else []
        if chain is not None and chain.steps:
            layer, more = enhanced_layer(layer, chain)
            notes += more
        self._as_asked = layer
        layer, own = self._scaled_and_windowed(layer), Chain.parse(record.enhance, for_model=True)
        if own.steps:
            layer, more = enhanced_layer(layer, own)
            notes += more
        self._layer, self.notes = layer, tuple(notes)
        self.chain_data = chain.as_data() if chain else []
        self._chain = chain

    def scaled(self, times: float) -> FilmInput:
        """The same film so many times finer (above 1) or coarser for the network."""
        factor = self.factor * times
        return FilmInput(self.source, self.record, self._chain, pitch_mm=self.pitch_mm, factor=factor)

    @property
    def mm_per_pixel(self) -> float | None:
        """Size of a network pixel on the film, where the film's pitch is known."""
        return None if self.pitch_mm is None else self.pitch_mm / self.factor

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        """(height, width, channels) of the record's depth; what lies beyond the film is mirrored at its edge."""
        rows, columns = _inside(top, height, self.shape[0]), _inside(left, width, self.shape[1])
        pixels = self._layer.read(rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0])
        if (rows, columns) != ((top, top + height), (left, left + width)):
            down = _mirrored(np.arange(top, top + height), self.shape[0]) - rows[0]
            across = _mirrored(np.arange(left, left + width), self.shape[1]) - columns[0]
            pixels = pixels[down[:, None], across[None, :]]
        if self.record.channels == 3:
            return np.repeat(pixels[:, :, None], 3, axis=2)
        return pixels[:, :, None]

    def coarse(self, factor: float) -> Pixels:
        """The whole film (h, w) after the user's own steps, ``factor`` (1 or more) times smaller; of its depth."""
        layer: Layer = self._as_asked
        height, width = (max(1, round(length / factor)) for length in layer.shape)
        if (height, width) != layer.shape:
            layer = ScaledLayer(layer, (height, width))
        parts = [layer.read(*part) for part in blocks(layer.shape, max(1, round(BLOCK_PIXELS / factor**2)))]
        return np.concatenate(parts, axis=0 if height >= width else 1)

    def _scaled_and_windowed(self, layer: Layer) -> Layer:
        target = np.dtype(f"uint{self.record.depth}")
        table = _window_table(layer, self.source, self.record, target)
        deepens = target.itemsize > layer.dtype.itemsize
        if table is not None and deepens:
            layer = TableLayer(layer, table)
        if self.shape != layer.shape:
            layer = ScaledLayer(layer, self.shape)
        return layer if table is None or deepens else TableLayer(layer, table)


def _factor(pitch: float | None, wanted: float | None, given: float | None, name: str) -> tuple[float, str]:
    if given is not None:
        return given, f"scaled by {given:g} as asked"
    if wanted is None:
        return 1.0, "the model states no scale in mm: the film is taken at its own pixels"
    if pitch is None:
        return 1.0, (
            f"the size of the film's pixels is not known and the model learned at {wanted:g} mm a pixel: the film is "
            "taken at its own pixels"
        )
    factor = pitch / wanted
    if not 1 / MOST_SCALE <= factor <= MOST_SCALE:
        raise ConfigError(
            f"{name} has {pitch:g} mm a pixel and the model learned at {wanted:g}: over {MOST_SCALE:g} times apart, "
            "one of them is wrong; give the pitch with --mm-per-pixel"
        )
    return (1.0 if abs(factor - 1) < 1e-3 else factor), ""


def _window_table(layer: Layer, source: FilmSource, record: Preprocessing, target: np.dtype[Any]) -> Pixels | None:
    """The table that brings the film's grey values to the record's depth, None where nothing changes."""
    window, deep = record.window, layer.dtype == np.uint16
    if window.mode == "full":
        if layer.dtype == target:
            return None
        if not deep:
            return np.arange(256, dtype=np.uint16) * np.uint16(257)
        raise ConfigError(
            f"{source.name} has 16 bits and the model takes 8: a plain cut would erase faint defects; such films need "
            "a model trained with preprocessing.window.mode percentile, fixed or tags, or with depth 16"
        )
    low, high = window.low, window.high
    if window.mode == "tags" and source.window is not None:
        low, high = source.window
    elif window.mode != "fixed":
        counts = sum(histogram(layer.read(*part)) for part in blocks(layer.shape))
        low, high = percentiles_of(np.asarray(counts), window.low, window.high)
    return stretch_table(layer.dtype, low, high, target)


def _mirrored(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Places beyond 0..length - 1 mirrored at the first and the last, as often as needed."""
    if length == 1:
        return np.zeros_like(places)
    period = 2 * (length - 1)
    turned = np.abs(places) % period
    return np.asarray(np.where(turned >= length, period - turned, turned), np.int64)


def _inside(begin: int, count: int, length: int) -> tuple[int, int]:
    """The part of a line that the places from ``begin`` on need, mirrored ones included."""
    if begin >= 0 and begin + count <= length:
        return begin, begin + count
    needed = _mirrored(np.arange(begin, begin + count), length)
    return int(needed.min()), int(needed.max()) + 1
