"""Average precision of boxes or masks by COCO's rules, with intervals over images.

Lin and others, ECCV (2014): at each overlap from 0.50 to 0.95 detections are matched to marks from the highest score
down; AP is the mean precision at 101 recalls, over overlaps and classes. Crowd marks are ignored, as in COCO.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.record.interval import Interval

from .bootstrap import RESAMPLES, Floats, group_weights, ratio, with_bounds
from .statement import Facts

OVERLAPS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)
_MOST = 100
_CELLS = 20_000_000  # comparisons held at once


@dataclass(frozen=True)
class ImageOverlaps:
    """One class in one image. scores: (D,) of detections. iou: (D, G) with the marks; for crowd marks the share of the
    detection that lies in them. crowd: (G,) which marks are crowds and count neither way."""

    class_name: str
    scores: Floats
    iou: Floats
    crowd: NDArray[np.bool_]


class AveragePrecision(Facts):
    """AP over all overlaps, at 0.50 and at 0.75; None where no class has a mark."""

    ap: Interval
    ap50: Interval
    ap75: Interval


def box_overlaps(detections: Floats, marks: Floats, crowd: NDArray[np.bool_]) -> Floats:
    """(D, G) of boxes (x, y, width, height)."""
    if not len(detections) or not len(marks):
        return np.zeros((len(detections), len(marks)))
    a, b = (np.asarray(one, np.float64) for one in (detections, marks))
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    own, other = np.prod(a[:, 2:], axis=1)[:, None], np.prod(b[:, 2:], axis=1)[None, :]
    return np.asarray(shared / np.where(crowd[None, :], own, own + other - shared), np.float64)


def mask_overlaps(detections: NDArray[np.bool_], marks: NDArray[np.bool_], crowd: NDArray[np.bool_]) -> Floats:
    """(D, G) of masks (D, H, W) and (G, H, W) of one image."""
    if not len(detections) or not len(marks):
        return np.zeros((len(detections), len(marks)))
    a, b = (one.reshape(len(one), -1).astype(np.float32) for one in (detections, marks))
    shared = np.asarray(a @ b.T, np.float64)  # exact: whole numbers under 2 ** 24
    own, other = a.sum(axis=1, dtype=np.float64)[:, None], b.sum(axis=1, dtype=np.float64)[None, :]
    return np.asarray(shared / np.maximum(np.where(crowd[None, :], own, own + other - shared), 1.0), np.float64)


def average_precision(
    images: Sequence[Sequence[ImageOverlaps]],
    groups: Sequence[int] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> AveragePrecision:
    """AP of images, each with one entry for every class that has a mark or a detection in it.

    groups: film of each image, whole numbers from 0, every one occurring; None: each image by itself.
    """
    ids = np.arange(len(images)) if groups is None else np.asarray(groups, np.int64)
    names = sorted({one.class_name for image in images for one in image})
    if not names:
        nothing = Interval(value=None)
        return AveragePrecision(ap=nothing, ap50=nothing, ap75=nothing)
    tables = [_table(images, name) for name in names]
    value = _means(tables, np.ones((1, len(images))))
    draws = None
    if resamples and len(images) and int(ids.max()) > 0:
        draws = np.concatenate([_means(tables, weights) for weights in group_weights(ids, resamples, seed)])
    films = len(np.unique(ids))
    found = [with_bounds(float(value[0, k]), None if draws is None else draws[:, k], groups=films) for k in range(3)]
    return AveragePrecision(ap=found[0], ap50=found[1], ap75=found[2])


@dataclass(frozen=True)
class _Matches:
    """Detections of one class, the highest score first. image: (D,). hit, ignored: (T, D). marks: (N,) per image."""

    image: NDArray[np.int64]
    hit: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    marks: Floats


def _table(images: Sequence[Sequence[ImageOverlaps]], name: str) -> _Matches:
    scores, image, hits, ignored = [], [], [], []
    marks = np.zeros(len(images))
    for number, entries in enumerate(images):
        for one in entries:
            if one.class_name != name:
                continue
            order = np.argsort(-one.scores, kind="mergesort")[:_MOST]
            hit, skipped = _match(one.iou[order], one.crowd)
            scores.append(one.scores[order])
            image.append(np.full(len(order), number))
            hits.append(hit)
            ignored.append(skipped)
            marks[number] += int((~one.crowd).sum())
    order = np.argsort(-np.concatenate(scores), kind="mergesort")
    return _Matches(
        np.concatenate(image)[order],
        np.concatenate(hits, axis=1)[:, order],
        np.concatenate(ignored, axis=1)[:, order],
        marks,
    )


def _match(iou: Floats, crowd: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(T, D) which detections hit a mark, and which fall on a crowd and count neither way."""
    hit = np.zeros((len(OVERLAPS), len(iou)), bool)
    ignored = np.zeros_like(hit)
    for level, least in enumerate(OVERLAPS):
        free = np.ones(iou.shape[1], bool)
        for row, shares in enumerate(iou):
            able = free & ~crowd & (shares >= least)
            if able.any():
                # COCO takes the last of equal overlaps.
                best = len(shares) - 1 - int(np.argmax(np.where(able, shares, -1)[::-1]))
                free[best], hit[level, row] = False, True
            elif (crowd & (shares >= least)).any():
                ignored[level, row] = True
    return hit, ignored


def _means(tables: Sequence[_Matches], weights: Floats) -> Floats:
    """(B, 3) AP, AP50 and AP75 under weights (B, N) of the images; NaN where no mark has weight."""
    by_class = np.stack([_precisions(table, weights) for table in tables])
    known = ~np.isnan(by_class[:, :, 0])
    filled = np.where(np.isnan(by_class), 0, by_class).sum(axis=0)
    count = known.sum(axis=0)
    mean = np.where(count[:, None] > 0, filled / np.maximum(count, 1)[:, None], np.nan)
    return np.column_stack([mean.mean(axis=1), mean[:, 0], mean[:, 5]])


def _precisions(table: _Matches, weights: Floats) -> Floats:
    """(B, T) mean precision at 101 recalls; NaN without marks."""
    found = np.full((len(weights), len(OVERLAPS)), np.nan)
    step = max(1, _CELLS // (101 * max(1, len(table.image))))
    for begin in range(0, len(weights), step):
        part = weights[begin : begin + step]
        total = part @ table.marks
        weight = part[:, table.image]
        for level in range(len(OVERLAPS)):
            tp = np.cumsum(table.hit[level] * weight, axis=1)
            fp = np.cumsum((~table.hit[level] & ~table.ignored[level]) * weight, axis=1)
            falling = np.maximum.accumulate(ratio(tp, tp + fp + np.spacing(1))[:, ::-1], axis=1)[:, ::-1]
            recall = ratio(tp, total[:, None] * np.ones_like(tp))
            rank = (recall[:, :, None] < _RECALLS).sum(axis=1)
            padded = np.column_stack([falling, np.zeros(len(part))])
            mean = np.take_along_axis(padded, rank, axis=1).mean(axis=1)
            found[begin : begin + step, level] = np.where(total > 0, mean, np.nan)
    return found
