"""Every image of a set read once, on all cores: checksum, size, depth, grey range, fingerprint; bad files apart."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from lopore.arrays import Pixels
from lopore.cores import available_cores
from lopore.data.near_duplicates.fingerprints import Fingerprint, fingerprint
from lopore.errors import LoporeError

MIN_SIDE = 8
"""Pixels; a smaller image shows no weld, whatever it is called."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress: TypeAlias = Callable[[int, int], None]
"""Called with (done, total)."""
Stage: TypeAlias = Callable[[str], Progress]
"""Gives the progress call for a named stage of the work."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Scanned:
    """What one reading of a file tells.

    sha256: of the file. pixel_hash: 32 hex digits of the decoded grey pixels, equal for the same image in another
    coding. depth: bits a value in the file. low, high: grey values at 1 and 99 % of a sample. mm_per_pixel: as the file
    states it. mean: grey level of the sample, 0 to 1 of its depth. format: "png", "dicom" and so on. polarity: "film",
    "detector", or "unknown" where the file does not say. notes: the reader's own. fingerprint: None unless asked for.
    """

    sha256: str
    pixel_hash: str
    width: int
    height: int
    depth: int
    low: float
    high: float
    mean: float
    format: str
    polarity: str
    mm_per_pixel: float | None
    notes: tuple[str, ...]
    fingerprint: Fingerprint | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is no usable image; the reason goes on after its name: "is empty; export it again"."""

    reason: str


def silent(stage: str) -> Progress:
    """The stage that tells nobody."""
    del stage
    return _no_progress


def _no_progress(done: int, total: int) -> None:
    del done, total


def scan(
    files: Sequence[Path], *, fingerprints: bool = True, threads: int | None = None, progress: Progress | None = None
) -> list[Scanned | Unreadable]:
    """Read all ``files``, in order; nothing but the facts is kept, so memory stays at a few images (16 KiB a file).

    threads: default is the cores this process may use, at most 8.
    """
    done: list[Scanned | Unreadable] = []
    for found in in_order(files, lambda file: _scan_one(file, fingerprints), threads):
        done.append(found)
        if progress:
            progress(len(done), len(files))
    return done


def facts_of(one: Scanned) -> dict[str, Any]:
    """What a reading fills into a manifest's row."""
    return {
        "sha256": one.sha256,
        "pixel_hash": one.pixel_hash,
        "phash": one.fingerprint.phash if one.fingerprint else "",
        "polarity": one.polarity if one.polarity != "unknown" else "",
        "depth": one.depth,
        "width": one.width,
        "height": one.height,
    }


def pixel_hash(pixels: Pixels) -> str:
    """32 hex digits of shape, type and values of an image."""
    digest = hashlib.blake2b(f"{pixels.shape} {pixels.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def in_order(items: Iterable[Item], read: Callable[[Item], Result], threads: int | None = None) -> Iterator[Result]:
    """``pool.map`` with a short queue: Ctrl-C stops at once, not after the whole set.

    threads: default is the cores this process may use, at most 8.
    """
    threads = threads or min(8, available_cores())
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(read, item))
                if len(waiting) > 4 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _scan_one(file: Path, with_fingerprint: bool) -> Scanned | Unreadable:
    from lopore.reading.radiograph import read_radiograph

    try:
        radiograph = read_radiograph(file, channels=1)
    except LoporeError as error:
        if file.is_symlink() and not file.exists():
            return Unreadable("is a link to a file that is not there; mend or remove it")
        return Unreadable(" ".join(str(error).split()).removeprefix(f"{file.name} "))
    except MemoryError:
        return Unreadable("does not fit in memory; lower LOPORE_MAX_PIXELS or tile it")
    pixels = radiograph.pixels
    if min(pixels.shape) < MIN_SIDE:
        size = f"{pixels.shape[1]} x {pixels.shape[0]} px"
        return Unreadable(f"is {size}; at least {MIN_SIDE} x {MIN_SIDE} are needed")
    step = max(1, int((pixels.size / 65_536) ** 0.5))
    sample = pixels[::step, ::step]
    low, high = np.percentile(sample, (1, 99))
    return Scanned(
        sha256=radiograph.source.sha256,
        pixel_hash=pixel_hash(pixels),
        width=pixels.shape[1],
        height=pixels.shape[0],
        depth=radiograph.source.file_depth,
        low=float(low),
        high=float(high),
        mean=float(sample.mean()) / float(np.iinfo(pixels.dtype).max),
        format=radiograph.source.format,
        polarity=radiograph.polarity,
        mm_per_pixel=radiograph.pixel_pitch_mm,
        notes=radiograph.notes,
        fingerprint=fingerprint(pixels) if with_fingerprint else None,
    )
