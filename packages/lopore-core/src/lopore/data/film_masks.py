"""Films that are learned from: pixels and masks at the network's scale, and the marks on them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import IGNORE, Pixels
from lopore.errors import DataError, ImageError
from lopore.messages import plain
from lopore.preprocessing.film_input import FilmInput
from lopore.preprocessing.geometry import Geometry
from lopore.reading.radiograph import Facts, describe
from lopore.reading.windows import open_film
from lopore.record.preprocessing import Preprocessing

from .masks import read_mask

COARSE = 4
"""Pixels from one place to the next, of those from which one on the known part of a film is chosen."""


@dataclass(frozen=True, eq=False)
class Mark:
    """One connected component of a film's mask: its film, class 1..K and pixels (M, 2) of row and column."""

    film: int
    class_number: int
    pixels: NDArray[np.int32]


@dataclass(frozen=True)
class FilmFile:
    """What is learned from one film: the file, its masks (none of a sound one), the numbers 1..K of its classes, by
    which ``masks.read_mask`` understands them, and mm a pixel where the manifest states them. With classes and no mask
    no pixel is known."""

    path: Path
    masks: tuple[Path, ...]
    labels: tuple[int, ...]
    mm_per_pixel: float | None


@dataclass(frozen=True)
class _Scale:
    """Where a film lies at the network's scale: its own (height, width), that of the network, and the way back."""

    original: tuple[int, int]
    shape: tuple[int, int]
    to_film: Affine


class Films:
    """Films by number. Masks are held whole at a byte a pixel; pixels are while ``cache_mb`` has room, else read anew.

    Safe for use by several threads.
    """

    def __init__(self, files: Sequence[FilmFile], record: Preprocessing, classes: int, cache_mb: int = 2048) -> None:
        self.files, self.record, self.classes = tuple(files), record, classes
        self._room = cache_mb * 2**20
        self._scales: dict[int, _Scale] = {}
        self._pixels: dict[int, Pixels] = {}
        self._masks: dict[int, NDArray[np.uint8]] = {}
        self._marks: dict[int, list[Mark]] = {}
        self._known: dict[int, NDArray[np.int32]] = {}
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self.files)

    @contextmanager
    def input(self, number: int) -> Iterator[FilmInput]:
        """The film at the network's scale, open; DataError that names the file where it cannot be read."""
        one = self.files[number]
        try:
            with open_film(one.path, mm_per_pixel=one.mm_per_pixel) as source:
                yield FilmInput(source, self.record)
        except (ImageError, OSError) as error:
            raise DataError(f"{plain(one.path, 300)}: {error}") from error

    def _scale(self, number: int) -> _Scale:
        with self._lock:
            if number not in self._scales:
                with self.input(number) as film:
                    self._scales[number] = _Scale(film.source.shape, film.shape, film.to_film)
            return self._scales[number]

    def facts(self, number: int) -> Facts:
        """What the header of a film's file says; DataError that names the file."""
        try:
            return describe(self.files[number].path)
        except (ImageError, OSError) as error:
            raise DataError(f"{plain(self.files[number].path, 300)}: {error}") from error

    def shape(self, number: int) -> tuple[int, int]:
        """(height, width) at the network's scale."""
        return self._scale(number).shape

    def to_film(self, number: int) -> Affine:
        """From pixels of the network's scale to pixels of the film."""
        return self._scale(number).to_film

    def mask(self, number: int) -> NDArray[np.uint8]:
        """(height, width): 0 background, 1..K the classes, IGNORE where it is not known. Read-only."""
        with self._lock:
            if number not in self._masks:
                self._masks[number] = self._read_mask(number)
            return self._masks[number]

    def _read_mask(self, number: int) -> NDArray[np.uint8]:
        one, scale = self.files[number], self._scale(number)
        if not one.masks:
            return np.full(scale.shape, IGNORE if one.labels else 0, np.uint8)
        geometry = Geometry(scale.original, scale.shape, scale.to_film.inverse())
        return read_mask(one.masks, geometry, one.labels, self.classes)

    def marks(self, number: int) -> list[Mark]:
        """The connected components of each class, 8 neighbours."""
        with self._lock:
            if number not in self._marks:
                self._marks[number] = _marks_of(self.mask(number), number)
            return self._marks[number]

    def known(self, number: int) -> NDArray[np.int32]:
        """(M, 2) row and column of pixels that are known, one in ``COARSE`` each way; all where that would be none."""
        with self._lock:
            if number not in self._known:
                known = self.mask(number) != IGNORE
                places = np.argwhere(known[COARSE // 2 :: COARSE, COARSE // 2 :: COARSE]) * COARSE + COARSE // 2
                self._known[number] = (places if len(places) else np.argwhere(known)).astype(np.int32)
            return self._known[number]

    def read_mask(self, number: int, top: int, left: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """The mask (h, w) of a window; IGNORE beyond the film."""
        height, width = self.shape(number)
        mask = np.full(size, IGNORE, np.uint8)
        y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + size[0], height), min(left + size[1], width)
        if y0 < y1 and x0 < x1:
            mask[y0 - top : y1 - top, x0 - left : x1 - left] = self.mask(number)[y0:y1, x0:x1]
        return mask

    def read(self, number: int, top: int, left: int, size: tuple[int, int]) -> tuple[Pixels, NDArray[np.uint8]]:
        """Pixels (h, w, C) and mask (h, w) of a window; beyond the film pixels are mirrored and the mask is IGNORE."""
        mask, pixels = self.read_mask(number, top, left, size), self._all_pixels(number)
        inside = pixels is not None and min(top, left) >= 0
        if pixels is not None and inside and top + size[0] <= pixels.shape[0] and left + size[1] <= pixels.shape[1]:
            return pixels[top : top + size[0], left : left + size[1]], mask
        with self.input(number) as film:
            return film.read(top, left, *size), mask

    def _all_pixels(self, number: int) -> Pixels | None:
        """All pixels of a film, mirrored beyond its end up to a whole number of tiles, where there is room for them."""
        with self._lock:
            if number not in self._pixels:
                padded = [-(-a // b) * b for a, b in zip(self.shape(number), self.record.size, strict=True)]
                bytes_needed = padded[0] * padded[1] * self.record.channels * self.record.depth // 8
                if bytes_needed > self._room:
                    return None
                self._room -= bytes_needed
                with self.input(number) as film:
                    self._pixels[number] = film.read(0, 0, *padded)
            return self._pixels[number]


def _marks_of(mask: NDArray[np.uint8], film: int) -> list[Mark]:
    import cv2

    marks: list[Mark] = []
    for number in np.unique(mask[(mask > 0) & (mask != IGNORE)]).tolist():
        count, labels = cv2.connectedComponents((mask == number).astype(np.uint8), connectivity=8)
        places = np.argwhere(labels > 0).astype(np.int32)
        owners = labels[places[:, 0], places[:, 1]]
        order = np.argsort(owners, kind="stable")
        ends = np.cumsum(np.bincount(owners, minlength=count)[1:])
        marks += [Mark(film, number, pixels) for pixels in np.split(places[order], ends[:-1])]
    return marks
