"""Work on a large image part by part, on as many cores as OpenCV may use."""

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
    jobs = list(parts)
    queue = iter(jobs)

    def work_off() -> None:
        for job in queue:
            work(job)

    helpers = min(cv2.getNumThreads(), len(jobs)) - 1
    if helpers < 1:
        work_off()
        return
    with ThreadPoolExecutor(helpers) as pool:
        waiting = [pool.submit(work_off) for _ in range(helpers)]
        work_off()  # this thread is awake already
    for helper in waiting:
        helper.result()
