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
    """A mark that is there. length, diameter: in px of the film; mm where known. class_name: empty where not told.
    box: (left, top, right, bottom) in px, None where only the place along the film is known."""

    id: int
    class_name: str = ""
    length_px: float | None = None
    diameter_px: float | None = None
    length_mm: float | None = None
    diameter_mm: float | None = None
    box: Box | None = None


@dataclass(frozen=True)
class Call:
    """One indication against the truth. hits: ids of the marks it meets. false: none is met, where all is known.
    indication: its id on the film. overlaps: with each mark of ``hits`` the share of both together that both cover
    (IoU), of outlines or of boxes; empty where only a place along the film is known. box: of the indication, in px."""

    score: float
    hits: tuple[int, ...]
    false: bool
    class_name: str = ""
    length_px: float | None = None
    length_mm: float | None = None
    indication: int = 0
    overlaps: tuple[float, ...] = ()
    box: Box | None = None


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
    known: NDArray[np.bool_] | None = None,
    class_name: str = "",
    tolerance_px: int = TOLERANCE_PX,
    pitch_mm: float | None = None,
) -> FilmMatches:
    """Calls against a mask (H, W) of the film's size: a mark, of ``class_name``, is a connected region of it.

    A mark is hit by every indication whose outline meets it. A call is false where its outline meets no mark made wider
    by ``tolerance_px`` and its centre lies where ``known`` (H, W) is true; None: everywhere.
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
        met, counts = np.unique(labels[there][own], return_counts=True)
        met, counts = met[met > 0], counts[met > 0]
        near = bool(wide[there][own].any())
        overlaps = counts / (stats[met, 4] + own.sum() - counts)
        calls.append(_call(item, met.tolist(), near or not _inside(item, known), overlaps.tolist()))
    marks = tuple(_mark_of(number, labels, stats, pitch_mm, class_name) for number in range(1, len(stats)))
    return FilmMatches(film, tuple(calls), marks, _known_mm(mask.shape if known is None else _extent(known), pitch_mm))


def match_boxes(
    film: str,
    indications: Sequence[Indication],
    boxes: Sequence[Box],
    *,
    classes: Sequence[str] = (),
    least_iou: float = 0.0,
    pitch_mm: float | None = None,
    shape: tuple[int, int] = (0, 0),
) -> FilmMatches:
    """Calls against boxes: a mark is hit by an indication whose box meets it, with an IoU of ``least_iou`` or more."""
    truth = np.array(boxes, np.float64).reshape(-1, 4)
    calls = []
    for item in indications:
        shared = _iou(np.array(item.box), truth)
        met = (shared > 0) & (shared >= least_iou)
        calls.append(_call(item, (np.flatnonzero(met) + 1).tolist(), bool(met.any()), shared[met].tolist()))
    names = list(classes) or [""] * len(truth)
    marks = tuple(
        _sized(number, name, float(max(box[2] - box[0], box[3] - box[1])), pitch_mm, box=tuple(box.tolist()))
        for number, (box, name) in enumerate(zip(truth, names, strict=True), start=1)
    )
    return FilmMatches(film, tuple(calls), marks, _known_mm(shape, pitch_mm))


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
        calls.append(_call(item, met, bool(met)))
    marks = tuple(
        TruthMark(number, cell.class_name, length_mm=cell.length_mm) for number, cell in enumerate(cells, start=1)
    )
    return FilmMatches(film, tuple(calls), marks, length_mm)


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


def _call(item: Indication, hits: Sequence[int], excused: bool, overlaps: Sequence[float] = ()) -> Call:
    sizes = item.length_px, item.length_mm
    return Call(item.peak, tuple(hits), not excused, item.class_name, *sizes, item.id, tuple(overlaps), item.box)


def _inside(item: Indication, known: NDArray[np.bool_] | None) -> bool:
    if known is None:
        return True
    x, y = (int(value) for value in item.centre)
    return bool(known[min(max(y, 0), known.shape[0] - 1), min(max(x, 0), known.shape[1] - 1)])


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


def _mark_of(
    number: int, labels: NDArray[np.int32], stats: NDArray[np.int32], pitch_mm: float | None, name: str
) -> TruthMark:
    from lopore.indications.feret import feret_diameters

    left, top, width, height, area = stats[number].tolist()
    rows, columns = np.nonzero(labels[top : top + height, left : left + width] == number)
    length = feret_diameters(np.stack([columns, rows], axis=1).astype(np.float64)).length + 1
    box = float(left), float(top), float(left + width), float(top + height)
    return _sized(number, name, length, pitch_mm, box, diameter=2 * float(np.sqrt(area / np.pi)))


def _sized(
    number: int, name: str, length: float, pitch_mm: float | None, box: Box, diameter: float | None = None
) -> TruthMark:
    in_mm = [None if pitch_mm is None or value is None else value * pitch_mm for value in (length, diameter)]
    return TruthMark(number, name, length, diameter, in_mm[0], in_mm[1], box)


def _extent(known: NDArray[np.bool_]) -> tuple[int, int]:
    """Height and width of the smallest rectangle around what is known."""
    extents = [np.flatnonzero(known.any(axis=axis)) for axis in (1, 0)]
    high, wide = (int(extent[-1] - extent[0] + 1) if len(extent) else 0 for extent in extents)
    return high, wide


def _known_mm(shape: tuple[int, ...], pitch_mm: float | None) -> float | None:
    return None if pitch_mm is None else float(max(shape)) * pitch_mm or None
