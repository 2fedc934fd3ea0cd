"""What every metric promises, one function a promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Metric

from .check import require
from .process import leaves_all

IMAGES = 60
NEAR = 1e-9


def checks_for(metric: Metric) -> Iterator[Callable[[Metric], None]]:
    """The promises that this descriptor makes."""
    yield from (
        stays_within_its_range,
        better_scores_are_better,
        order_of_images_is_no_matter,
        weights_count_as_repeats,
        tells_where_it_is_not_defined,
        leaves_input_untouched,
        leaves_the_process_as_it_was,
    )
    if metric.rows is not None:
        yield rows_equal_compute


def _set(seed: int, shift: float = 1.0) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels, and scores in 0..1 that tell them apart by ``shift`` deviations; some tie."""
    rng = np.random.default_rng(seed)
    labels = rng.random(IMAGES) < 0.4
    labels[:2] = True, False
    return labels, np.round(1 / (1 + np.exp(-rng.normal(0, 1, IMAGES) - shift * (labels - 0.5))), 2)


def _value(metric: Metric, labels: NDArray[np.bool_], scores: NDArray[np.float64], weights: object = None) -> float:
    given = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    found = metric.compute(labels.copy(), scores.copy(), given.copy())
    require(isinstance(found, float | np.floating), f"compute gave {type(found).__name__}; it gives one float")
    return float(found)


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= NEAR * (1 + abs(other)) or (np.isnan(one) and np.isnan(other))


def stays_within_its_range(metric: Metric) -> None:
    """Scores of any quality give a figure between the lowest and the highest that it states."""
    for shift in (-6.0, -1.0, 0.0, 1.0, 6.0):
        found = _value(metric, *_set(1, shift))
        require(
            metric.lowest - NEAR <= found <= metric.highest + NEAR,
            f"{found} lies outside {metric.lowest} to {metric.highest}, or is no number, with both classes there",
        )


def better_scores_are_better(metric: Metric) -> None:
    """Scores that tell the class apart, scores of chance and scores turned about stand in the order that
    ``higher_is_better`` states."""
    labels, chance = _set(2, 0.0)
    right = np.where(labels, 0.9, 0.1)
    figures = [_value(metric, labels, scores) for scores in (right, chance, 1 - right)]
    ordered = figures if metric.higher_is_better else [-figure for figure in figures]
    said = "higher" if metric.higher_is_better else "lower"
    require(ordered[0] > ordered[1] > ordered[2], f"right, chance, turned about give {figures}, and {said} is better")


def order_of_images_is_no_matter(metric: Metric) -> None:
    """Another order of the images gives the same figure."""
    labels, scores = _set(3)
    order = np.random.default_rng(0).permutation(IMAGES)
    weights = np.random.default_rng(1).integers(0, 4, IMAGES)
    one, other = _value(metric, labels, scores, weights), _value(metric, labels[order], scores[order], weights[order])
    require(_same(one, other), f"{one} in one order, {other} in another")


def weights_count_as_repeats(metric: Metric) -> None:
    """A weight of 3 is the image three times and 0 is the image left out: intervals resample films so."""
    labels, scores = _set(4)
    weights = np.random.default_rng(2).integers(0, 4, IMAGES)
    one = _value(metric, labels, scores, weights)
    other = _value(metric, np.repeat(labels, weights), np.repeat(scores, weights))
    require(_same(one, other), f"{one} with weights, {other} with the images repeated")


def tells_where_it_is_not_defined(metric: Metric) -> None:
    """Without an image of the class, without one of the rest, or with all weights 0 it gives a figure within its range
    or NaN, never an error or infinity."""
    _, scores = _set(5)
    nothing, all_of_it = np.zeros(IMAGES, bool), np.ones(IMAGES, bool)
    cases = (
        ("no image of the class", nothing, 1.0),
        ("no image of the rest", all_of_it, 1.0),
        ("no weight", nothing, 0.0),
    )
    for said, labels, weight in cases:
        with np.errstate(all="ignore"):
            found = _value(metric, labels, scores, np.full(IMAGES, weight))
        within = np.isnan(found) or metric.lowest - NEAR <= found <= metric.highest + NEAR
        require(bool(within and not np.isinf(found)), f"{said}: {found}; give NaN where it is not defined")


def leaves_input_untouched(metric: Metric) -> None:
    """Labels, scores and weights are the same afterwards, and equal ones give equal figures."""
    labels, scores = _set(6)
    given = labels.copy(), scores.copy(), np.ones(IMAGES)
    first = metric.compute(*given)
    unchanged = (labels == given[0]).all() and (scores == given[1]).all() and (given[2] == 1).all()
    require(bool(unchanged), "it changes what it is given")
    require(_same(float(first), float(metric.compute(*given))), "two calls differ")


def leaves_the_process_as_it_was(metric: Metric) -> None:
    """Random states, directory, locale, library settings and threads are the same afterwards."""
    leaves_all(lambda: _value(metric, *_set(7)))


def rows_equal_compute(metric: Metric) -> None:
    """``rows`` gives for many rows of weights what ``compute`` gives for each."""
    rows = metric.rows
    assert rows is not None  # asked only where one is declared
    labels, scores = _set(8)
    weights = np.random.default_rng(3).integers(0, 3, (9, IMAGES)).astype(np.float64)
    weights[1] = 0
    with np.errstate(all="ignore"):
        found = np.asarray(rows(labels, scores, weights), np.float64)
        single = [_value(metric, labels, scores, row) for row in weights]
    require(found.shape == (9,), f"rows gave {found.shape} for 9 rows of weights")
    require(all(map(_same, found.tolist(), single)), f"rows gives {found.tolist()}, compute {single}")
