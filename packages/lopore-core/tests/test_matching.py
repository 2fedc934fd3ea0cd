"""Indications against truth: hits, false calls, free-response points and sizing errors, counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lopore.indications.indication import Indication
from lopore.metrics.matching import Cell, match_boxes, match_cells, match_mask, sizing_errors_mm


def mark(number: int, box: tuple[float, float, float, float], peak: float) -> Indication:
    left, top, right, bottom = box
    made = Indication(
        id=number, class_name="pore", peak=peak, mean=peak, centre=((left + right) / 2, (top + bottom) / 2), box=box,
        contour=((left, top), (right, top), (right, bottom), (left, bottom)), area_px=(right - left) * (bottom - top),
        length_px=max(right - left, bottom - top), width_px=min(right - left, bottom - top),
        diameter_px=math.sqrt((right - left) * (bottom - top)), orientation_deg=0,
    )  # fmt: skip
    return made.in_mm(0.1)


CALLS = [
    mark(1, (10, 10, 20, 20), 0.9),  # on the first mark
    mark(2, (60, 10, 70, 20), 0.8),  # on nothing
    mark(3, (33, 10, 37, 14), 0.7),  # 3 px beside the second mark: neither
    mark(4, (90, 10, 96, 20), 0.6),  # beyond what is known
    mark(5, (31, 30, 39, 38), 0.5),  # on the third mark
]

KNOWN = np.arange(100)[None, :].repeat(50, axis=0) < 80  # the right end of the film was not looked at


def truth() -> np.ndarray:  # type: ignore[type-arg]
    mask = np.zeros((50, 100), np.bool_)
    mask[12:18, 12:18] = mask[10:20, 40:46] = mask[28:40, 30:40] = True
    return mask


def test_calls_against_a_mask_are_hits_false_or_neither() -> None:
    found = match_mask("a", CALLS, truth(), known=KNOWN, pitch_mm=0.1)
    assert [len(call.hits) for call in found.calls] == [1, 0, 0, 0, 1]
    assert [call.false for call in found.calls] == [False, True, False, False, False]
    assert len(found.marks) == 3
    assert found.known_mm == pytest.approx(8.0)


def test_an_outline_that_only_its_box_meets_does_not_hit() -> None:
    mask = np.zeros((40, 40), np.bool_)
    mask[30:34, 2:6] = True
    slanted = mark(1, (0, 0, 36, 36), 0.9).model_copy(
        update={"contour": ((0, 0), (4, 0), (36, 32), (36, 36), (32, 36))}
    )
    assert match_mask("a", [slanted], mask).calls[0].hits == ()


def test_boxes_are_hit_from_the_asked_overlap_on() -> None:
    boxes = [(10, 10, 20, 20), (65, 10, 75, 20)]
    met = match_boxes("a", CALLS[:2], boxes)
    assert [call.hits for call in met.calls] == [(1,), (2,)]
    strict = match_boxes("a", CALLS[:2], boxes, least_iou=0.5)
    assert [(call.hits, call.false) for call in strict.calls] == [((1,), False), ((), True)]


def test_sections_are_hit_by_their_place_along_the_film() -> None:
    cells = [Cell(0, 1.0, "pore", 0.5), Cell(20, 30, "lop", 25.0)]
    calls = [mark(1, (30, 10, 40, 20), 0.9), mark(2, (430, 10, 440, 20), 0.8), mark(3, (700, 10, 710, 20), 0.7)]
    found = match_cells("a", calls, cells, length_mm=100)
    assert [call.hits for call in found.calls] == [(1,), (2,), ()]
    assert [call.false for call in found.calls] == [False, False, True]


def test_sizes_are_compared_where_one_call_stands_for_one_mark() -> None:
    found = match_mask("a", CALLS, truth(), pitch_mm=0.1)
    pairs = sizing_errors_mm([found])
    assert pairs.shape == (2, 2)
    assert sorted(pairs[:, 1].tolist()) == pytest.approx([0.8, 1.0])
