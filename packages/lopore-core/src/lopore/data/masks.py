"""Pixel masks as class numbers: one rule for training, evaluation and the checks, whatever a mask's values are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import IGNORE
from lopore.errors import DataError
from lopore.preprocessing.geometry import Geometry

from .mask_files import MaskFile, read_mask_file

MOST_NUMBERS = 32
"""Values up to here beside 255 are numbers, and 255 is the ring around them that nobody was sure of."""
_EXTREME = 32  # grey values so near to 0 or the top are ringing of a lossy step, not a level of their own
_MOST_LEVELS = 16


def read_mask(paths: Sequence[Path], geometry: Geometry, labels: Sequence[int], classes: int) -> NDArray[np.uint8]:
    """Class numbers (h, w) uint8 over the network's input: 0 is background, 1..K the classes, IGNORE not known.

    paths: one mask of the image or several, whose marks are added up. labels: class numbers of the image, empty for a
    sound one. classes: K. See ``numbers_of`` for what the values mean. A pixel of the input belongs to the class that
    covers at least half of it, and is not known where neither a class nor the background does.
    Raises DataError where the size does not fit, or the values do not fit the image's classes.
    """
    return onto_input(numbers_of([read_sized(path, geometry.original) for path in paths], labels, classes), geometry)


def read_sized(path: Path, shape: tuple[int, int]) -> MaskFile:
    """The mask at ``path``; DataError where it has another (height, width) than its image."""
    mask = read_mask_file(path)
    if mask.numbers.shape != shape:
        raise DataError(
            f"mask {mask.name} is {mask.numbers.shape[1]} x {mask.numbers.shape[0]} px, its image "
            f"{shape[1]} x {shape[0]}; they must be equal"
        )
    return mask


def numbers_of(masks: Sequence[MaskFile], labels: Sequence[int], classes: int) -> NDArray[np.uint8]:
    """Class numbers (H, W) uint8 of the masks of one image, at its own size; 0 background, IGNORE not known.

    255 beside numbers up to 32 is not known (the ring of Pascal VOC). Of an image with several classes the values are
    the class numbers themselves. A mask of one value marks the image's one class, whatever the value is, since each
    set numbers its classes its own way. Grey edges are cut at half. Numbers that are no class numbers (objects counted)
    all mark the image's one class; several levels of grey, several colours, and numbers of other classes than the
    image's are refused with the values met.
    """
    found = np.zeros(masks[0].numbers.shape, np.uint8)
    for mask in masks:
        fresh = _numbers(mask, tuple(labels), classes)
        found = np.where((fresh > 0) & ((found == 0) | (found == IGNORE)), fresh, found)
    return found


def _numbers(mask: MaskFile, labels: tuple[int, ...], classes: int) -> NDArray[np.uint8]:
    values = mask.numbers
    present = [int(value) for value in np.unique(values) if value]
    unknown = np.zeros(values.shape, np.bool_)
    if mask.coding != "lossy" and (void := _void(present, classes)):
        unknown = values == void
        present.remove(void)
        values = np.where(unknown, 0, values)
    if not present:
        return np.where(unknown, IGNORE, 0).astype(np.uint8)
    if not labels:
        raise DataError(f"mask {mask.name} marks a defect, and its image has no class with masks; mend mask or labels")
    if len(labels) > 1 or _are_class_numbers(mask, present, classes):
        numbers = _as_class_numbers(mask, present, values, labels, classes)
    else:
        numbers = np.where(_marked(mask, present, values), labels[0], 0).astype(np.uint8)
    numbers[unknown] = IGNORE
    return numbers


def _void(present: list[int], classes: int) -> int:
    """The value that stands for 'not known': the greatest of its depth beside small numbers; 0 where none does."""
    others = [value for value in present if value not in (255, 65535)]
    small = bool(others) and max(others) <= max(MOST_NUMBERS, classes)
    return present[-1] if small and len(others) + 1 == len(present) else 0


def _are_class_numbers(mask: MaskFile, present: list[int], classes: int) -> bool:
    return mask.coding in ("grey", "palette") and len(present) > 1 and present[-1] <= classes


def _as_class_numbers(
    mask: MaskFile, present: list[int], values: NDArray[np.generic], labels: tuple[int, ...], classes: int
) -> NDArray[np.uint8]:
    met = listed(present)
    if mask.coding == "colours":
        raise DataError(
            f"mask {mask.name} marks by colours, its image has several classes; give numbers 0 to {classes}"
        )
    if mask.coding == "lossy" or present[-1] > classes:
        raise DataError(
            f"mask {mask.name} holds {met}, but its image has several classes; give class numbers 0 to {classes}"
        )
    foreign = sorted(set(present) - set(labels))
    if foreign:
        raise DataError(
            f"mask {mask.name} holds the class numbers {met}, its image is labelled with class "
            f"{listed(sorted(labels))} alone; label the others too, or mark by one value"
        )
    return values.astype(np.uint8)


def _marked(mask: MaskFile, present: list[int], values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a mask of an image with one class marks it."""
    if len(present) == 1:
        return np.asarray(values != 0)
    if mask.coding == "colours":
        raise DataError(
            f"mask {mask.name} marks by {len(present)} colours, and its image has one class; mark it by one colour"
        )
    if mask.coding != "lossy" and max(present[:-1]) <= MOST_NUMBERS < present[-1] and _fill_areas(values, present[:-1]):
        raise DataError(
            f"mask {mask.name} holds the numbers {listed(present[:-1])} and {present[-1]}, which may be the mark or a "
            "ring that is not known; the ring is 255"
        )
    top = 255 if present[-1] <= 255 else 65535
    if present[-1] <= MOST_NUMBERS and mask.coding != "lossy":
        return np.asarray(values != 0)
    half = (top + 1) // 2
    if present[-1] < half or (mask.coding != "lossy" and _levels(values, present, top)):
        raise DataError(
            f"mask {mask.name} holds several levels ({listed(present)}), and its image one class; mark it by one value"
        )
    return np.asarray(np.greater_equal(values, half))


def _levels(values: NDArray[np.generic], present: list[int], top: int) -> bool:
    """Whether a value between 0 and the top fills areas of its own, as no soft edge does."""
    between = [value for value in present if _EXTREME * top / 255 < value < top - _EXTREME * top / 255]
    return len(between) <= _MOST_LEVELS and _fill_areas(values, between)


def _fill_areas(values: NDArray[np.generic], wanted: Sequence[int]) -> bool:
    """Whether one of the values fills 3 x 3 px anywhere."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    return any(cv2.erode((values == value).astype(np.uint8), kernel, borderValue=0).any() for value in wanted)


def listed(values: Sequence[int]) -> str:
    """Values for a message: ``1, 2 and 255``; the first and last of many."""
    if len(values) > 6:
        return f"{values[0]}, {values[1]}, {values[2]} ... {values[-1]} ({len(values)} values)"
    return " and ".join(part for part in (", ".join(map(str, values[:-1])), str(values[-1])) if part)


def onto_input(numbers: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """The number that covers at least half of each pixel of the input; (H, W) in, (h, w) out.

    A pixel without such a number is background, or IGNORE where part of it is not known.
    """
    import cv2

    height, width = geometry.size
    move = geometry.to_input
    fine = max(1, math.ceil(1 / math.sqrt(max(abs(move.xx * move.yy - move.xy * move.yx), 1e-6))))
    fine = min(fine + 1, 16)
    fit = Affine(x0=0.5, y0=0.5).then(move).then(Affine(xx=fine, yy=fine)).then(Affine(x0=-0.5, y0=-0.5))
    matrix = np.array([[fit.xx, fit.xy, fit.x0], [fit.yx, fit.yy, fit.y0]], np.float64)
    drawn = np.asarray(cv2.warpAffine(numbers, matrix, (width * fine, height * fine), flags=cv2.INTER_NEAREST))
    found = np.zeros((height, width), np.uint8)
    present = np.unique(drawn).tolist()
    if IGNORE in present:
        known = _share(drawn == 0, fine, geometry.size) >= 0.5
        found[~known & (_share(drawn == IGNORE, fine, geometry.size) > 0)] = IGNORE
    for number in present:
        if number:
            found[_share(drawn == number, fine, geometry.size) >= 0.5] = number
    return found


def _share(there: NDArray[np.bool_], fine: int, size: tuple[int, int]) -> NDArray[np.float64]:
    return np.asarray(there.reshape(size[0], fine, size[1], fine).mean(axis=(1, 3)))


def mark_of(paths: Sequence[Path], geometry: Geometry, labels: Sequence[int], classes: int) -> NDArray[np.bool_] | None:
    """Where the masks mark any defect, (h, w) bool over the network's input; None where nothing is marked.

    A mark smaller than a pixel of the input still marks one. Arguments and errors as of ``read_mask``.
    """
    import cv2

    numbers = numbers_of([read_sized(path, geometry.original) for path in paths], labels, classes)
    marked = ((numbers > 0) & (numbers != IGNORE)).astype(np.uint8)
    coarse = math.ceil(max(geometry.original[0] / geometry.size[0], geometry.original[1] / geometry.size[1]))
    kernel = np.ones((coarse, coarse), np.uint8)
    found = onto_input(np.asarray(cv2.dilate(marked, kernel), np.uint8), geometry) > 0
    return found if found.any() else None
