"""Indications against ground truth: which marks are hit, which calls are false, how far sizes are off.

Truth is marks drawn in a mask or as boxes, or places along the film (cells of sections). What lies where nothing is
known is neither a hit nor a false call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.indications.indication import Box, Indication

TOLERANCE_PX = 4
"""A call that comes so near to a mark of a mask is not false: masks are drawn by hand."""
CELL_MARGIN_MM = 3.0
"""How far beyond its cell of a section a mark may be called."""


@dataclass(frozen=True)
class TruthMark:
    """A mark that is there. length, diameter: in px of the film; mm where known. class_name: empty where not told."""

    id: int
    class_name: str = ""
    length_px: float | None = None
    diameter_px: float | None = None
    length_mm: float | None = None


@dataclass(frozen=True)
class Call:
    """One indication against the truth. hits: ids of the marks it meets. false: none is met, where all is known."""

    score: float
    hits: tuple[int, ...]
    false: bool
    class_name: str = ""
    length_px: float | None = None
    length_mm: float | None = None


@dataclass(frozen=True)
class FilmMatches:
    """One film's calls and marks. known_mm: length of film over which false calls count, None without a pitch."""

    film: str
    calls: tuple[Call, ...]
    marks: tuple[TruthMark, ...]
    known_mm: float | None = None


def match_mask(
    film: str,
    indications: Sequence[Indication],
    mask: NDArray[np.bool_],
    *,
    known: Box | None = None,
    tolerance_px: int = TOLERANCE_PX,
    pitch_mm: float | None = None,
) -> FilmMatches:
    """Calls against a mask (H, W) of the film's size: a mark is a connected region of it.

    A mark is hit by every indication whose outline meets it. A call is false where its outline meets no mark made wider
    by ``tolerance_px`` and its centre lies in ``known`` (left, top, right, bottom; None: everywhere).
    """
    import cv2

    drawn = mask.astype(np.uint8)
    _, found, table, _ = cv2.connectedComponentsWithStats(drawn, connectivity=8)
    labels, stats = np.asarray(found, np.int32), np.asarray(table, np.int32)
    wide = cv2.dilate(drawn, np.ones((2 * tolerance_px + 1,) * 2, np.uint8))
    calls = []
    for item in indications:
        (left, top), own = _drawn(item, mask.shape)
        there = (slice(top, top + own.shape[0]), slice(left, left + own.shape[1]))
        met = np.unique(labels[there][own])
        near = bool(wide[there][own].any())
        calls.append(_call(item, tuple(int(number) for number in met if number), near, known))
    marks = tuple(_mark_of(number, labels, stats, pitch_mm) for number in range(1, len(stats)))
    return FilmMatches(film, tuple(calls), marks, _known_mm(known, mask.shape, pitch_mm))


def match_boxes(
    film: str,
    indications: Sequence[Indication],
    boxes: Sequence[Box],
    *,
    classes: Sequence[str] = (),
    known: Box | None = None,
    least_iou: float = 0.0,
    pitch_mm: float | None = None,
    shape: tuple[int, int] = (0, 0),
) -> FilmMatches:
    """Calls against boxes: a mark is hit by an indication whose box meets it with an IoU over ``least_iou``."""
    truth = np.array(boxes, np.float64).reshape(-1, 4)
    calls = []
    for item in indications:
        shared = _iou(np.array(item.box), truth)
        calls.append(
            _call(item, tuple(np.flatnonzero(shared > least_iou) + 1), bool((shared > least_iou).any()), known)
        )
    names = list(classes) or [""] * len(truth)
    marks = tuple(
        _sized(number, name, float(max(box[2] - box[0], box[3] - box[1])), pitch_mm)
        for number, (box, name) in enumerate(zip(truth, names, strict=True), start=1)
    )
    return FilmMatches(film, tuple(calls), marks, _known_mm(known, shape, pitch_mm))


@dataclass(frozen=True)
class Cell:
    """Truth of a section: a mark begins within ``begin`` to ``end`` mm along the film and is ``length_mm`` long."""

    begin: float
    end: float
    class_name: str = ""
    length_mm: float | None = None


def match_cells(
    film: str, indications: Sequence[Indication], cells: Sequence[Cell], *, length_mm: float,
    margin_mm: float = CELL_MARGIN_MM,
) -> FilmMatches:  # fmt: skip
    """Calls against places along the film: a mark is hit where an indication's stretch meets its cell's.

    A mark longer than its cell reaches on from where the cell begins. Where several marks share a cell one call hits
    all: which one was seen is not known. indications: with mm. length_mm: of the film.
    """
    ranges = [(cell.begin - margin_mm, max(cell.end, cell.begin + (cell.length_mm or 0)) + margin_mm) for cell in cells]
    calls = []
    for item in indications:
        if item.position_mm is None:
            raise ValueError(f"indication {item.id} has no place in mm; match it by mask or box")
        pitch = (item.position_mm[0] / item.centre[0]) if item.centre[0] else 0.0
        first, last = item.box[0] * pitch, item.box[2] * pitch
        met = tuple(number for number, (a, b) in enumerate(ranges, start=1) if first <= b and last >= a)
        calls.append(_call(item, met, bool(met), None))
    marks = tuple(
        TruthMark(number, cell.class_name, length_mm=cell.length_mm) for number, cell in enumerate(cells, start=1)
    )
    return FilmMatches(film, tuple(calls), marks, length_mm)


@dataclass(frozen=True)
class FrocPoint:
    """At calls of ``threshold`` or more: the share of marks hit, false calls a film and per 100 mm of known film."""

    threshold: float
    hits: float
    false_per_film: float
    false_per_100_mm: float | None


def froc_points(films: Sequence[FilmMatches], *, least_px: float = 0.0) -> list[FrocPoint]:
    """The free-response curve over films, one point a distinct score, the highest first.

    least_px: only marks of at least this diameter (length where no diameter is known) count; calls that meet smaller
    ones are still not false.
    """
    counted = {(item.film, mark.id) for item in films for mark in item.marks if _size(mark) >= least_px}
    events = sorted(
        ((call.score, item.film, call) for item in films for call in item.calls), key=lambda event: -event[0]
    )
    total = [item.known_mm for item in films]
    known = sum(length for length in total if length is not None) if all(total) else None
    found: set[tuple[str, int]] = set()
    false, points = 0, []
    for place, (score, film, call) in enumerate(events):
        found |= {(film, number) for number in call.hits if (film, number) in counted}
        false += call.false
        if place + 1 == len(events) or events[place + 1][0] != score:
            share = len(found) / len(counted) if counted else float("nan")
            points.append(FrocPoint(score, share, false / len(films), 100 * false / known if known else None))
    return points


def hits_at(points: Sequence[FrocPoint], false_per_film: float) -> float:
    """The share of marks hit at no more than so many false calls a film; 0 where no threshold is that strict."""
    return max((point.hits for point in points if point.false_per_film <= false_per_film), default=0.0)


def sizing_errors_mm(films: Iterable[FilmMatches]) -> NDArray[np.float64]:
    """(n, 2) true and found length in mm of the marks that one call alone hits and that it alone meets."""
    pairs = []
    for item in films:
        counts: dict[int, int] = {}
        for call in item.calls:
            for number in call.hits:
                counts[number] = counts.get(number, 0) + 1
        lengths = {mark.id: mark.length_mm for mark in item.marks}
        for call in item.calls:
            if len(call.hits) == 1 and counts[call.hits[0]] == 1:
                true = lengths[call.hits[0]]
                if true is not None and call.length_mm is not None:
                    pairs.append((true, call.length_mm))
    return np.array(pairs, np.float64).reshape(-1, 2)


def _size(mark: TruthMark) -> float:
    size = mark.diameter_px if mark.diameter_px is not None else mark.length_px
    return float("inf") if size is None else size


def _call(item: Indication, hits: tuple[int, ...], near: bool, known: Box | None) -> Call:
    x, y = item.centre
    inside = known is None or (known[0] <= x < known[2] and known[1] <= y < known[3])
    numbers = tuple(int(number) for number in hits)
    return Call(item.peak, numbers, inside and not near, item.class_name, item.length_px, item.length_mm)


def _drawn(item: Indication, shape: tuple[int, ...]) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    """The indication's pixels within its box, and where that begins, (x, y)."""
    import cv2

    left, top = max(int(item.box[0]), 0), max(int(item.box[1]), 0)
    right, bottom = min(int(np.ceil(item.box[2])), shape[1]), min(int(np.ceil(item.box[3])), shape[0])
    own = np.zeros((max(bottom - top, 1), max(right - left, 1)), np.uint8)
    points = np.rint((np.array(item.contour) - (left, top) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(own, [points], 1, shift=4)
    return (left, top), own.astype(np.bool_)


def _iou(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    own = np.prod(box[2:] - box[:2])
    both = own + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    return np.asarray(shared / np.maximum(both, 1e-12), np.float64)


def _mark_of(number: int, labels: NDArray[np.int32], stats: NDArray[np.int32], pitch_mm: float | None) -> TruthMark:
    from lopore.indications.feret import feret_diameters

    left, top, width, height, area = stats[number].tolist()
    rows, columns = np.nonzero(labels[top : top + height, left : left + width] == number)
    length = feret_diameters(np.stack([columns, rows], axis=1).astype(np.float64)).length + 1
    return _sized(number, "", length, pitch_mm, diameter=2 * float(np.sqrt(area / np.pi)))


def _sized(number: int, name: str, length: float, pitch_mm: float | None, diameter: float | None = None) -> TruthMark:
    return TruthMark(number, name, length, diameter, None if pitch_mm is None else length * pitch_mm)


def _known_mm(known: Box | None, shape: tuple[int, ...], pitch_mm: float | None) -> float | None:
    if pitch_mm is None:
        return None
    sides = (shape[1], shape[0]) if known is None else (known[2] - known[0], known[3] - known[1])
    return float(max(sides)) * pitch_mm or None
