"""Test-time views: one image asked several times, mirrored and turned, and the answers averaged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch, Scores
from lopore.errors import ConfigError

VIEWS = (1, 2, 4, 8)
"""1: as it is. 2: and mirrored. 4: and both upside down. 8: and all of these turned by a quarter."""


def check_views(views: int, size: tuple[int, int]) -> None:
    """ConfigError where ``views`` is none of 1, 2, 4, 8, or 8 is asked of an input that is not square."""
    if views not in VIEWS:
        raise ConfigError(f"{views} test views; allowed are 1, 2 (mirror), 4 (flips) and 8 (flips and quarter turns)")
    if views == 8 and size[0] != size[1]:
        raise ConfigError(f"8 test views turn by quarters, which a {size[0]} x {size[1]} input does not allow; use 4")


def view_of(batch: PixelBatch, view: int) -> PixelBatch:
    """One of eight views of (N, H, W, C): bit 0 mirrors left-right, bit 1 top-bottom, bit 2 turns by 90 degrees."""
    if view & 1:
        batch = batch[:, :, ::-1]
    if view & 2:
        batch = batch[:, ::-1]
    if view & 4:
        batch = np.rot90(batch, axes=(1, 2))
    return np.ascontiguousarray(batch)


def predict_views(predict: Callable[[PixelBatch], Scores], batch: PixelBatch, views: int = 1) -> Scores:
    """Scores (N, K) float32 averaged over 1, 2, 4 or 8 views of (N, H, W, C).

    ``predict`` gets one view of the whole batch a call, so its peak memory stays that of one batch. Raises ConfigError
    as ``check_views`` does.
    """
    check_views(views, (batch.shape[1], batch.shape[2]))
    if views == 1:
        return predict(batch)
    total = np.zeros(0, np.float64)
    for view in range(views):
        scores = np.asarray(predict(view_of(batch, view)), np.float64)
        total = scores if view == 0 else total + scores
    return np.asarray(total / views, np.float32)


def segment_views(
    segment: Callable[[PixelBatch], NDArray[np.float32]], batch: PixelBatch, views: int = 1
) -> NDArray[np.float32]:
    """Maps (N, K, h, w) float32 averaged over the views, each turned back; as ``predict_views`` otherwise."""
    check_views(views, (batch.shape[1], batch.shape[2]))
    if views == 1:
        return segment(batch)
    total = _turned_back(segment(view_of(batch, 0)), 0).astype(np.float64)
    for view in range(1, views):
        total += _turned_back(segment(view_of(batch, view)), view)
    return np.asarray(total / views, np.float32)


def _turned_back(maps: NDArray[np.float32], view: int) -> NDArray[np.float32]:
    """Maps (N, K, h, w) of one view as they lie on the image."""
    if view & 4:
        maps = np.rot90(maps, -1, axes=(2, 3))
    if view & 2:
        maps = maps[:, :, ::-1]
    return maps[:, :, :, ::-1] if view & 1 else maps
