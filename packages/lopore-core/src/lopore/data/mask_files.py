"""What a mask file holds: numbers a pixel, whether they stand in grey, in a palette or in colours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from lopore.arrays import Pixels
from lopore.errors import ImageError
from lopore.reading.headers import TRANSPARENT, Limits, sniff
from lopore.reading.orientation import to_channels, upright
from lopore.reading.palettes import palette_of, with_ramp
from lopore.reading.png import decode_png, png_header
from lopore.reading.radiograph import read_radiograph
from lopore.reading.regular_files import display_name, read_regular

Coding: TypeAlias = Literal["grey", "lossy", "palette", "colours"]
_MOST_COLOURS = 256
_VOC_VOID = (224, 224, 192)


@dataclass(frozen=True, eq=False)
class MaskFile:
    """One mask as its file holds it.

    numbers: (H, W) uint8 or uint16: grey values, palette indices, or for ``colours`` 0 for black and 1, 2 ... for the
    others in the order of their brightness. coding: where they come from; ``lossy`` is a JPEG, with blurred values.
    """

    name: str
    numbers: Pixels
    coding: Coding

    @property
    def values(self) -> dict[int, float]:
        """Value met -> share of the pixels, in the order of the values."""
        found, counts = np.unique(self.numbers, return_counts=True)
        return {int(value): float(count) / self.numbers.size for value, count in zip(found, counts, strict=True)}


def read_mask_file(path: Path) -> MaskFile:
    """The numbers of a mask file: palette files by index, colours that follow the VOC palette by their VOC number.

    A palette whose first entry is not black, while another is, names no numbers: its colours are taken instead. What is
    transparent is ground. Raises ImageError, in one line, for what is no image or is damaged.
    """
    name = display_name(path.name)
    content = read_regular(path, name, Limits.from_environment())
    palette = palette_of(content)
    if palette is not None and (palette[0] == (0, 0, 0) or (0, 0, 0) not in palette):
        return MaskFile(name, read_radiograph(with_ramp(content), channels=1, name=name).pixels, "palette")
    if sniff(content[:132]) == "jpeg":
        return MaskFile(name, read_radiograph(content, channels=1, name=name).pixels, "lossy")
    radiograph = read_radiograph(content, channels=3, name=name)
    colour = radiograph.pixels
    if any(note.startswith(TRANSPARENT) for note in radiograph.notes):
        colour = _on_black(content, name)
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return MaskFile(name, np.ascontiguousarray(red), "grey")
    return _from_colours(name, colour)


def _on_black(content: bytes, name: str) -> Pixels:
    """(h, w, 3) RGB of a partly transparent PNG, transparent parts black: a film is shown over white, a mask marks
    nothing there."""
    if sniff(content[:132]) != "png":
        raise ImageError(f"mask {name} is partly transparent; save it as PNG, or without transparency")
    header = png_header(content, name, complete=True)
    stored, _ = decode_png(content, replace(header, ground=(0, 0, 0)), name)
    return upright(to_channels(stored, 3), header.orientation)


def _from_colours(name: str, colour: Pixels) -> MaskFile:
    """Colours as numbers: VOC numbers where all are of the VOC palette, else 1, 2 ... from dark to bright."""
    key = (colour.astype(np.uint64) * np.array([1 << 32, 1 << 16, 1], np.uint64)).sum(axis=-1)
    found, inverse = np.unique(key, return_inverse=True)
    if len(found) > _MOST_COLOURS:
        grey = colour.max(axis=-1)
        return MaskFile(name, np.ascontiguousarray(grey), "grey")
    colours = [(int(one) >> 32, (int(one) >> 16) & 0xFFFF, int(one) & 0xFFFF) for one in found]
    numbers = _voc_numbers(colours)
    coding: Coding = "palette"
    if numbers is None:
        bright = sorted((sum(one), one) for one in colours if any(one))
        rank = {one: number for number, (_, one) in enumerate(bright, start=1)}
        numbers, coding = [rank.get(one, 0) for one in colours], "colours"
    table = np.array(numbers, np.uint16 if max(numbers) > 255 else np.uint8)
    return MaskFile(name, table[inverse.reshape(colour.shape[:2])], coding)


def _voc_numbers(colours: list[tuple[int, int, int]]) -> list[int] | None:
    """Class numbers 0 to 20, and 255 for the ring, where every colour is one of Pascal VOC's; else None."""
    known = {_voc_colour(number): number for number in range(21)} | {_VOC_VOID: 255}
    numbers = [known.get(one) for one in colours]
    return None if None in numbers else [number for number in numbers if number is not None]


def _voc_colour(number: int) -> tuple[int, int, int]:
    """The colour of a class number: its bits dealt to red, green and blue from the top (VOC development kit, 2012)."""
    parts = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            parts[channel] |= ((number >> (3 * bit + channel)) & 1) << (7 - bit)
    return parts[0], parts[1], parts[2]
