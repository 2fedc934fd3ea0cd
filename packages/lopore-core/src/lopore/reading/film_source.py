"""An open film: its facts, and any window of its pixels without the rest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from lopore.arrays import Pixels
from lopore.errors import ImageError

from .film_sidecar import check_pitch
from .film_windows import DecodedOnce, Windows
from .positioned_file import PositionedFile
from .radiograph import Polarity

GIVEN = "given by the user"


@dataclass(frozen=True, kw_only=True)
class FilmFacts:
    """What is known of a film before any pixel is read.

    name: plain text, for display. path: None for arrays. page: from 1, of ``pages``. shape: (height, width), upright.
    dtype: uint8 or uint16. file_depth: bits a value in the file. pixel_pitch_mm: None where it is not known.
    pitch_source: where the pitch came from, for a person. polarity, window, notes: as of ``Radiograph``.
    """

    name: str
    path: Path | None
    format: str
    page: int = 1
    pages: int = 1
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    file_depth: int
    pixel_pitch_mm: float | None = None
    pitch_source: str | None = None
    polarity: Polarity = "unknown"
    window: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


class FilmSource:
    """A film that is read in windows; ``open_film`` and ``ArrayFilm`` make one. Its facts are those of ``FilmFacts``.

    Reading is safe from several threads. A context manager closes it.
    """

    def __init__(
        self, facts: FilmFacts, windows: Windows, *, file: PositionedFile | None = None, orientation: int = 1
    ) -> None:
        self.facts, self._windows, self._file, self._orientation = facts, windows, file, orientation
        self._closed = False

    @property
    def name(self) -> str:
        """Plain text of bounded length, for display."""
        return self.facts.name

    @property
    def path(self) -> Path | None:
        """The film's file; None for an array."""
        return self.facts.path

    @property
    def format(self) -> str:
        """tiff, dicom, png, jpeg, bmp or array."""
        return self.facts.format

    @property
    def page(self) -> int:
        """Which page or frame, from 1."""
        return self.facts.page

    @property
    def pages(self) -> int:
        """How many pages or frames the file holds."""
        return self.facts.pages

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the upright film."""
        return self.facts.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 or uint16: what ``read`` gives."""
        return self.facts.dtype

    @property
    def file_depth(self) -> int:
        """Bits a value in the file."""
        return self.facts.file_depth

    @property
    def pixel_pitch_mm(self) -> float | None:
        """Size of a pixel in mm; None where it is not known."""
        return self.facts.pixel_pitch_mm

    @property
    def pitch_source(self) -> str | None:
        """Where the pitch came from, for a person; None with an unknown pitch."""
        return self.facts.pitch_source

    @property
    def polarity(self) -> Polarity:
        """film: brighter is less radiation; detector: brighter is more; unknown: the file does not say."""
        return self.facts.polarity

    @property
    def window(self) -> tuple[float, float] | None:
        """(low, high) of the DICOM display window in grey values of ``read``, or None."""
        return self.facts.window

    @property
    def notes(self) -> tuple[str, ...]:
        """What a careful reader should know."""
        return self.facts.notes

    @cached_property
    def sha256(self) -> str:
        """Of the file, 64 hex digits; of type, shape and values for an array. Computed when first asked for."""
        return self._file.sha256() if self._file is not None else self._sha256_of_values()

    def _sha256_of_values(self) -> str:
        digest = hashlib.sha256(f"{self.dtype} {self.shape}".encode())
        for top in range(0, self.shape[0], 256):
            digest.update(self.read(top, 0, min(256, self.shape[0] - top), self.shape[1]).data)
        return digest.hexdigest()

    def read(self, y0: int, x0: int, height: int, width: int) -> Pixels:
        """(height, width) grey values in the film's own depth, in memory of their own; greater is brighter.

        y0, x0: first row and column of the upright film. Raises ValueError for a window that is not wholly on the film
        and for a closed film, ImageError for a damaged part.
        """
        if self._closed:
            raise ValueError(f"{self.name} is closed")
        high, wide = self.shape
        if not (y0 >= 0 and x0 >= 0 and 1 <= height <= high - y0 and 1 <= width <= wide - x0):
            raise ValueError(
                f"a window of {height} x {width} px at row {y0}, column {x0} is not on {self.name}, {high} x {wide} px"
            )
        from .orientation import stored_window, upright

        orientation = self._orientation
        stored = (wide, high) if orientation >= 5 else (high, wide)
        window = self._windows.read(*stored_window(orientation, stored, (int(y0), int(x0), int(height), int(width))))
        return np.array(upright(np.ascontiguousarray(window), orientation), self.dtype, order="C")

    def close(self) -> None:
        """Let go of the file and of what was kept in memory; a second call does nothing."""
        self._closed = True
        self._windows.close()
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ArrayFilm(FilmSource):
    """A film in memory, or in a mapped array: (H, W) uint8 or uint16. Raises ImageError for other arrays."""

    def __init__(
        self,
        pixels: Pixels,
        *,
        name: str = "array",
        pixel_pitch_mm: float | None = None,
        pitch_source: str | None = None,
        polarity: Polarity = "unknown",
        window: tuple[float, float] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        if pixels.ndim != 2 or not pixels.size or pixels.dtype not in (np.uint8, np.uint16):
            raise ImageError(f"{pixels.dtype} {pixels.shape} is no film; allowed are (H, W) of 8 or 16 bits")
        if pixel_pitch_mm is not None:
            pixel_pitch_mm, pitch_source = check_pitch(pixel_pitch_mm), pitch_source or GIVEN
        facts = FilmFacts(
            name=name, path=None, format="array", shape=(pixels.shape[0], pixels.shape[1]), dtype=pixels.dtype,
            file_depth=8 * pixels.dtype.itemsize, pixel_pitch_mm=pixel_pitch_mm, pitch_source=pitch_source,
            polarity=polarity, window=window, notes=notes,
        )  # fmt: skip
        super().__init__(facts, DecodedOnce(pixels, spill=False))
