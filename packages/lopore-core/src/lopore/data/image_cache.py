"""Images at the network's size, kept in memory as far as allowed; what batches are cut from."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import IGNORE, Pixels
from lopore.errors import DataError, ImageError
from lopore.messages import plain
from lopore.preprocessing.pipeline import preprocess, read_for
from lopore.reading.regular_files import display_name
from lopore.record.preprocessing import Preprocessing

from .appearance import Appearance
from .masks import read_mask

if TYPE_CHECKING:
    from lopore.reading.radiograph import Facts

CachedImage: TypeAlias = tuple[Pixels, NDArray[Any] | None]


@dataclass(frozen=True)
class _Room:
    """Where the images of one batch are put together."""

    pixels: Pixels
    masks: NDArray[np.uint8] | None


class SampleSource(Protocol):
    """Preprocessed samples by number, safe for several threads: whole images (``ImageCache``) or tiles of films."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(h, w, C)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def record(self) -> Preprocessing: ...

    @property
    def has_masks(self) -> bool: ...

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> tuple[Pixels, NDArray[np.uint8] | None]:
        """Pixels (h, w, C), and class numbers (h, w) where there are masks."""
        ...


class ImageCache:
    """Preprocessed images by number; each is read once and kept while ``cache_mb`` has room, else read again.

    files: one path an image. masks: where maps are learned, the mask files of each (none of a sound one), and
    ``mask_labels``: the class numbers 1..K of each, by which ``read_mask`` understands its masks; of an image with
    numbers and no mask no pixel is known. classes: K.
    Safe for use by several threads. ``reads`` counts decoded files; ``headers`` holds what ``check`` read.
    """

    def __init__(
        self,
        files: Sequence[Path],
        record: Preprocessing,
        *,
        masks: Sequence[Sequence[Path]] | None = None,
        mask_labels: Sequence[Sequence[int]] = (),
        classes: int = 0,
        cache_mb: int = 2048,
    ) -> None:
        self.files, self.record, self.reads = tuple(files), record, 0
        self._masks, self._mask_labels, self._classes = masks, tuple(mask_labels), classes
        self.shape = (*record.size, record.channels)
        self.dtype = np.dtype(np.uint8 if record.depth == 8 else np.uint16)
        pixels = int(np.prod(self.shape)) * self.dtype.itemsize
        each = pixels + (record.size[0] * record.size[1] if masks else 0)
        self.capacity = min(len(self.files), cache_mb * 2**20 // each)
        self._store = np.empty((self.capacity, *self.shape), self.dtype)
        self._mask_store = np.empty((self.capacity if masks else 0, *record.size), np.uint8)
        self._filled = np.zeros(len(self.files), bool)
        self._count = threading.Lock()
        self.headers: dict[int, Facts] = {}

    def __len__(self) -> int:
        return len(self.files)

    @property
    def has_masks(self) -> bool:
        return self._masks is not None

    def __getitem__(self, index: int) -> tuple[Pixels, NDArray[np.uint8] | None]:
        """Image (h, w, C) and mask (h, w) of class numbers, or None. ImageError or DataError naming the file."""
        if index < self.capacity and self._filled[index]:
            return self._store[index], self._mask_store[index] if self._masks else None
        pixels, mask = self._read(index)
        if index < self.capacity:
            self._store[index] = pixels
            if mask is not None:
                self._mask_store[index] = mask
            self._filled[index] = True
        return pixels, mask

    def _read(self, index: int) -> tuple[Pixels, NDArray[np.uint8] | None]:
        path = self.files[index]
        with self._count:
            self.reads += 1
        try:
            pixels, geometry = preprocess(read_for(self.record, path), self.record)
        except MemoryError:
            raise
        except ImageError as error:
            raise _named(error, path) from error
        if self._masks is None:
            return pixels, None
        sources = self._masks[index]
        if not sources:
            unknown = len(self._mask_labels) > 0 and len(self._mask_labels[index]) > 0
            return pixels, np.full(self.record.size, IGNORE if unknown else 0, np.uint8)
        return pixels, read_mask(sources, geometry, self._mask_labels[index], self._classes)

    def check(self, numbers: Iterable[int]) -> None:
        """Look at every file's header before work begins; DataError names the first bad one and counts them."""
        from lopore.reading.radiograph import describe

        bad: list[str] = []
        for number in numbers:
            try:
                self.headers[number] = describe(self.files[number])
            except (ImageError, OSError) as error:
                bad.append(str(_named(error, self.files[number])))
            masks = self._masks[number] if self._masks else ()
            bad += [f"mask {plain(mask)} is missing" for mask in masks if not mask.is_file()]
        if bad:
            more = f" ({len(bad)} files are so)" if len(bad) > 1 else ""
            raise DataError(f"{bad[0]}{more}; `lopore data check` lists all, mend or leave them out and index again")

    def appearances(self, numbers: Sequence[int]) -> list[Appearance]:
        """How images look to the network, to notice films unlike them."""
        return [Appearance.of(self[int(number)][0]) for number in numbers]


def _named(error: Exception, path: Path) -> DataError:
    text, shown = str(error), plain(path, 300)
    if isinstance(error, OSError):
        return DataError(f"{shown}: {error.strerror}")
    name = f"{display_name(path.name)} "
    return DataError(f"{shown} {text.removeprefix(name)}" if text.startswith(name) else f"{shown}: {text}")
