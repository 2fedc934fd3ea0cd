"""Where a film is cut: around marks, along a seam, and away from both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import IGNORE

from .annotations.mark import AnnotatedImage

Window = tuple[int, int, int, int]
"""(left, top, width, height) in px of the film."""
LEAST = 8
"""Pixels a side: the smallest image that lopore reads."""
TRIES = 200
"""Random places that are looked at for each sound crop."""


@dataclass(frozen=True)
class Region:
    """A box (left, top, right, bottom) in px of the film, and the class in it; empty where the film says it."""

    box: tuple[int, int, int, int]
    class_name: str = ""


def regions_of_mask(numbers: NDArray[np.uint8], classes: Sequence[str]) -> list[Region]:
    """A region for each connected part of each class number, 1 for the first of ``classes``."""
    import cv2

    found = []
    for number, name in enumerate(classes, start=1):
        count, _, parts, _ = cv2.connectedComponentsWithStats((numbers == number).astype(np.uint8), connectivity=8)
        boxes = [tuple(int(value) for value in parts[part, :4]) for part in range(1, count)]
        found += [Region((left, top, left + width, top + height), name) for left, top, width, height in boxes]
    return found


def regions_of_marks(image: AnnotatedImage) -> list[Region]:
    """A region for each mark of an annotation file that is to be judged."""
    found = []
    for mark in image.marks:
        left, top, right, bottom = mark.box
        if not mark.ignore:
            box = (math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
            found.append(Region(box, mark.class_name))
    return found


def windows_around(region: Region, shape: tuple[int, int], size: int | None, margin: int) -> Iterator[Window]:
    """The crop around a region of a film (height, width), ``margin`` px wider on each side.

    size: side of square crops; the region is in the middle as far as the film reaches, a longer one gets several that
    cover it. None: the crop is as large as the region and its margin.
    """
    left, top, right, bottom = region.box
    if size is None:
        left, right = _widened(left - margin, right + margin, shape[1])
        top, bottom = _widened(top - margin, bottom + margin, shape[0])
        if right > left and bottom > top:
            yield left, top, right - left, bottom - top
        return
    wide, tall = min(size, shape[1]), min(size, shape[0])
    for y in _starts(top - margin, bottom + margin, tall, shape[0]):
        for x in _starts(left - margin, right + margin, wide, shape[1]):
            yield x, y, wide, tall


def _widened(first: int, last: int, end: int) -> tuple[int, int]:
    """First to last inside 0 to ``end``, at least LEAST px long where there is room."""
    lacking = max(0, LEAST - (last - first))
    first = max(0, min(first - lacking // 2, end - LEAST))
    return first, min(end, max(last + lacking - lacking // 2, first + LEAST))


def _starts(first: int, last: int, length: int, end: int) -> list[int]:
    """Where pieces of ``length`` begin that cover first to last in the middle of them, inside 0 to ``end``."""
    first, last = max(0, first), min(end, last)
    count = max(1, -(-(last - first) // length))
    begin = (first + last - count * length) / 2
    starts = [min(max(0, round(begin + number * length)), end - length) for number in range(count)]
    return list(dict.fromkeys(starts))


def sound_windows(
    shape: tuple[int, int], size: int, marks: Sequence[Region], unknown: NDArray[np.bool_] | None, count: int, seed: int
) -> list[Window]:
    """At most ``count`` square places that touch no mark, no pixel that is not known, and not each other.

    unknown: (H, W), or None where all is known. Equal seeds give equal places; fewer come where there is no more room.
    """
    if size > min(shape):
        return []
    rng = np.random.default_rng(seed)
    taken = [region.box for region in marks]
    found: list[Window] = []
    for _ in range(TRIES * count):
        if len(found) == count:
            break
        left, top = int(rng.integers(0, shape[1] - size + 1)), int(rng.integers(0, shape[0] - size + 1))
        box = (left, top, left + size, top + size)
        if any(_touch(box, other) for other in taken):
            continue
        if unknown is not None and unknown[top : top + size, left : left + size].any():
            continue
        taken.append(box)
        found.append((left, top, size, size))
    return found


def _touch(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def classes_in(
    window: Window, marks: Sequence[Region], numbers: NDArray[np.uint8] | None, names: Sequence[str]
) -> set[str]:
    """The classes that a crop shows: those of its mask's pixels, else those of marks whose middle lies in it."""
    left, top, width, height = window
    if numbers is not None:
        part = np.unique(numbers[top : top + height, left : left + width])
        return {names[int(number) - 1] for number in part if 0 < number < IGNORE and number <= len(names)}
    inside = set()
    for mark in marks:
        x, y = (mark.box[0] + mark.box[2]) / 2, (mark.box[1] + mark.box[3]) / 2
        if left <= x < left + width and top <= y < top + height:
            inside.add(mark.class_name)
    return inside
