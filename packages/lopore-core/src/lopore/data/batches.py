"""What training reads: images at the network's size, kept in memory as far as allowed, in batches made ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.augmentation.augmenter import Augmenter
from lopore.contracts import Batch
from lopore.cores import available_cores

if TYPE_CHECKING:
    pass
from .image_cache import CachedImage, ImageCache, SampleSource, _Room

AHEAD = 3
CHUNK = 4  # images a thread takes at a time


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
    process_rank: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Batches of one training epoch, made ahead by threads; of each the share of ``process_rank``, (rank, world).

    labels: one row an image number. An image is augmented by its number and its occurrence in the epoch, so neither
    threads nor processes change what is seen.
    """
    rank, world = process_rank
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
    global_batch_size: int | None = None


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
        return Batch(room.pixels, room.masks.astype(np.int64), job.global_batch_size)
    return Batch(room.pixels, None if labels is None else labels[job.numbers], job.global_batch_size)
