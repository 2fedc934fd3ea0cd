"""What training reads: images at the network's size, kept in memory as far as allowed, in batches made ahead."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.augmentation.augmenter import Augmenter
from lopore.contracts import Batch
from lopore.cores import available_cores
from lopore.errors import DataError, ImageError
from lopore.messages import plain
from lopore.preprocessing.pipeline import preprocess, read_for
from lopore.reading.regular_files import display_name
from lopore.record.preprocessing import Preprocessing

from .appearance import Appearance, spread
from .masks import read_mask

if TYPE_CHECKING:
    from lopore.reading.radiograph import Facts

CachedImage: TypeAlias = tuple[Pixels, NDArray[Any] | None]
AHEAD = 3
CHUNK = 4  # images a thread takes at a time


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

    files: one path an image. masks: for segmentation, the mask files of each (none of a sound one), and
    ``mask_labels``: the class numbers 1..K of each, by which ``read_mask`` understands its masks. classes: K.
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
        self.kept = min(len(self.files), cache_mb * 2**20 // each)
        self._store = np.empty((self.kept, *self.shape), self.dtype)
        self._mask_store = np.empty((self.kept if masks else 0, *record.size), np.uint8)
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
        if index < self.kept and self._filled[index]:
            return self._store[index], self._mask_store[index] if self._masks else None
        pixels, mask = self._read(index)
        if index < self.kept:
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
            return pixels, np.zeros(self.record.size, np.uint8)
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

    def appearance(self, numbers: Sequence[int]) -> dict[str, float]:
        """Grey level, contrast and sharpness of images, to notice films unlike them; see ``likeness.spread``."""
        return spread([Appearance.of(self[int(number)][0]) for number in numbers])


def _named(error: Exception, path: Path) -> DataError:
    text, shown = str(error), plain(path, 300)
    if isinstance(error, OSError):
        return DataError(f"{shown}: {error.strerror}")
    name = f"{display_name(path.name)} "
    return DataError(f"{shown} {text.removeprefix(name)}" if text.startswith(name) else f"{shown}: {text}")


def cut(order: NDArray[np.int64], batch_size: int, world: int = 1) -> list[NDArray[np.int64]]:
    """Batches of an epoch's order. A last one that would leave a process fewer than two images is dropped, since
    batch normalisation cannot learn from one (unless ``batch_size`` is 1, or it is the only one)."""
    parts = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    if len(parts) > 1 and len(parts[-1]) < min(2 * world, batch_size):
        parts.pop()
    return parts


def count_batches(rows: int, batch_size: int, world: int = 1) -> int:
    """How many batches ``cut`` makes."""
    return len(cut(np.zeros(rows, np.int64), batch_size, world))


def training_batches(
    images: SampleSource,
    labels: NDArray[Any],
    order: NDArray[np.int64],
    *,
    batch_size: int,
    epoch: int,
    augmenter: Augmenter,
    workers: int | None = None,
    place: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Batches of one training epoch, made ahead by threads; this process's share of each for ``place`` = (rank, world).

    labels: one row an image number. An image is augmented by its number and its occurrence in the epoch, so neither
    threads nor processes change what is seen.
    """
    rank, world = place
    turns = _occurrences(order)

    def make(number: int, position: int) -> CachedImage:
        pixels, mask = images[number]
        index = number + len(images) * int(turns[position])
        return augmenter(pixels, epoch=epoch, index=index, mask=mask)

    parts = cut(order, batch_size, world)
    starts = np.cumsum([0, *(len(part) for part in parts)])
    jobs = [
        _Job(part[rank::world], np.arange(start, start + len(part))[rank::world], len(part) if world > 1 else None)
        for part, start in zip(parts, starts, strict=False)
    ]
    same = isinstance(images, ImageCache) and not augmenter.changes
    for job, batch in zip(jobs, _made_ahead(images, jobs, labels, make, workers), strict=True):
        yield replace(batch, numbers=job.numbers) if same else batch


def evaluation_batches(
    images: SampleSource,
    numbers: NDArray[np.int64],
    *,
    batch_size: int,
    labels: NDArray[Any] | None = None,
    workers: int | None = None,
    change: Callable[[Pixels], Pixels] | None = None,
) -> Iterator[Batch]:
    """Batches in the given order, nothing dropped. change: applied to each whole batch (a view of it)."""
    jobs = [_Job(numbers[at : at + batch_size]) for at in range(0, len(numbers), batch_size)]
    made = _made_ahead(images, jobs, labels, lambda number, _: images[number], workers)
    for job, batch in zip(jobs, made, strict=True):
        if change is not None:
            yield replace(batch, pixels=change(batch.pixels))
        else:
            yield replace(batch, numbers=job.numbers) if isinstance(images, ImageCache) else batch


def _occurrences(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many times each entry came before in the order."""
    by_number = np.argsort(order, kind="stable")
    ordered = order[by_number]
    firsts = np.r_[True, ordered[1:] != ordered[:-1]] if len(order) else np.zeros(0, bool)
    since = np.arange(len(order)) - np.maximum.accumulate(np.where(firsts, np.arange(len(order)), 0))
    turns = np.empty(len(order), np.int64)
    turns[by_number] = since
    return turns


@dataclass(frozen=True)
class _Job:
    """One batch to be made: image numbers, their positions in the epoch, the whole batch's size for a share."""

    numbers: NDArray[np.int64]
    positions: NDArray[np.int64] | None = None
    whole: int | None = None


def _made_ahead(
    images: SampleSource,
    jobs: Sequence[_Job],
    labels: NDArray[Any] | None,
    make: Callable[[int, int], CachedImage],
    workers: int | None,
) -> Iterator[Batch]:
    """Batches in order, up to ``AHEAD`` of them in the making while one is used. workers 0: made when asked for."""
    threads = available_cores() if workers is None else workers
    if threads == 0:
        for job in jobs:
            yield _finish(*_begin(images, job, make, None), job, labels)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="lopore-batches")
    begun: deque[tuple[_Job, tuple[_Room, list[Future[None]]]]] = deque()
    try:
        for job in jobs:
            begun.append((job, _begin(images, job, make, pool)))
            if len(begun) > AHEAD:
                first, work = begun.popleft()
                yield _finish(*work, first, labels)
        while begun:
            first, work = begun.popleft()
            yield _finish(*work, first, labels)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(
    images: SampleSource, job: _Job, make: Callable[[int, int], CachedImage], pool: ThreadPoolExecutor | None
) -> tuple[_Room, list[Future[None]]]:
    count = len(job.numbers)
    room = _Room(
        np.empty((count, *images.shape), images.dtype),
        np.empty((count, *images.record.size), np.uint8) if images.has_masks else None,
    )

    def fill(rows: range) -> None:
        for row in rows:
            position = int(job.positions[row]) if job.positions is not None else 0
            pixels, mask = make(int(job.numbers[row]), position)
            room.pixels[row] = pixels
            if room.masks is not None and mask is not None:
                room.masks[row] = mask

    if pool is None:
        fill(range(count))
        return room, []
    return room, [pool.submit(fill, range(at, min(at + CHUNK, count))) for at in range(0, count, CHUNK)]


def _finish(room: _Room, work: list[Future[None]], job: _Job, labels: NDArray[Any] | None) -> Batch:
    for part in work:
        part.result()
    if room.masks is not None and labels is not None:
        return Batch(room.pixels, room.masks.astype(np.int64), job.whole)
    return Batch(room.pixels, None if labels is None else labels[job.numbers], job.whole)
