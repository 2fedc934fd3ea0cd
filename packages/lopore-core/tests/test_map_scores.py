"""Dice, hits and false calls of every threshold from one pass, against the detections that inference draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lopore.config.experiment import ThresholdRule
from lopore.contracts import IGNORE
from lopore.metrics.map_scores import STEPS, tally_maps


def blob(side: int, *places: tuple[int, int, int, float]) -> NDArray[np.float32]:
    """A map of squares (top, left, side, score) on a ground of 0.02."""
    values = np.full((side, side), 0.02, np.float32)
    for top, left, size, score in places:
        values[top : top + size, left : left + size] = score
    return values


def mask(side: int, *places: tuple[int, int, int]) -> NDArray[np.uint8]:
    found = np.zeros((side, side), np.uint8)
    for top, left, size in places:
        found[top : top + size, left : left + size] = 1
    return found


def test_dice_is_that_of_the_regions_whose_peak_reaches_the_threshold() -> None:
    maps = blob(32, (2, 2, 4, 0.9), (20, 20, 4, 0.6))
    scores = tally_maps([maps[None]], [mask(32, (2, 2, 4))], ["pore"])
    dice = scores.tallies[0].dice()
    assert dice[round(0.55 * STEPS)] == pytest.approx(2 * 16 / (16 + 32))
    assert dice[round(0.8 * STEPS)] == pytest.approx(1.0)
    assert scores.dice == pytest.approx(1.0)
    assert scores.iou == pytest.approx(1.0)


def test_a_faint_rim_belongs_to_the_region_whose_peak_counts() -> None:
    maps = blob(32, (2, 2, 6, 0.55), (3, 3, 4, 0.95))
    tally = tally_maps([maps[None]], [mask(32, (2, 2, 6))], ["pore"]).tallies[0]
    assert tally.dice()[round(0.9 * STEPS)] == pytest.approx(1.0)


def test_hits_and_false_calls_count_places_not_images() -> None:
    maps = blob(64, (2, 2, 4, 0.9), (30, 30, 4, 0.7), (50, 50, 4, 0.8))
    scores = tally_maps([maps[None]], [mask(64, (2, 2, 4), (50, 10, 4), (31, 31, 2))], ["pore"])
    tally = scores.tallies[0]
    at = round(0.6 * STEPS)
    assert tally.hit_share()[at] == pytest.approx(2 / 3)
    assert tally.false_call_count()[at] == 1
    assert scores.hits(0.0) == pytest.approx(1 / 3), "above the false region only the surest mark is left"
    assert scores.hits(1.0) == pytest.approx(2 / 3)


def test_ignored_pixels_count_nowhere() -> None:
    truth = mask(32, (2, 2, 4))
    truth[16:] = IGNORE
    tally = tally_maps([blob(32, (2, 2, 4, 0.9), (20, 20, 4, 0.9))[None]], [truth], ["pore"]).tallies[0]
    assert tally.false_calls == []
    assert tally.dice()[round(0.8 * STEPS)] == pytest.approx(1.0)


def test_thresholds_lie_where_every_runtime_tells_them_apart_and_never_at_the_edge_of_a_plateau() -> None:
    scores = tally_maps([blob(32, (2, 2, 4, 0.9), (20, 20, 4, 0.3))[None]], [mask(32, (2, 2, 4))], ["pore"])
    found = scores.thresholds(ThresholdRule())["pore"]
    assert found is not None
    assert 0.5 <= found <= 0.7
    enough = scores.thresholds(ThresholdRule(rule="recall", recall=1.0))["pore"]
    assert enough == pytest.approx(0.9, abs=2 / STEPS)


def test_a_class_without_marks_has_no_threshold_and_counts_in_no_mean() -> None:
    maps = np.stack([blob(32, (2, 2, 4, 0.9)), blob(32)])
    scores = tally_maps([maps], [mask(32, (2, 2, 4))], ["pore", "crack"])
    assert scores.thresholds(ThresholdRule())["crack"] is None
    assert scores.dice == pytest.approx(1.0)
