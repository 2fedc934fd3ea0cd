"""Work on a large picture part by part, on as many cores as OpenCV may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2

T = TypeVar("T")


def spans(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Neighbouring (begin, end) of at most ``step`` that cover 0..length."""
    for begin in range(0, length, step):
        yield begin, min(begin + step, length)


def run(work: Callable[[T], None], parts: Iterable[T]) -> None:
    """Call ``work`` for each part; on several cores where ``cv2.getNumThreads()`` allows, as OpenCV itself would."""
    threads, jobs = cv2.getNumThreads(), list(parts)
    if threads < 2 or len(jobs) < 2:
        for job in jobs:
            work(job)
        return
    with ThreadPoolExecutor(min(threads, len(jobs))) as pool:
        for _ in pool.map(work, jobs):
            pass
