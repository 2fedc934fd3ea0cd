"""The reference of a finished network's features, and from which distance on an image counts as unlike training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import FeatureSession
from lopore.data.feature_likeness import FILE, LEAST_FILMS, MOST_IMAGES, FeatureReference, limit_of
from lopore.inference.predict import images_at_once
from lopore.messages import counted
from lopore.metrics.binomial import exact_share
from lopore.models.opening import choose_predictor, open_session
from lopore.record.folder import ModelFolder
from lopore.record.likeness import FeatureLikeness

from .plan import Plan, Rows, Splits

_MOST_HELD = 2000
"""Validation images that set the limit; of more, evenly picked ones."""


def training_features(plan: Plan, splits: Splits, folder: ModelFolder) -> tuple[FeatureLikeness, bytes]:
    """What the record says of features, and the content of its reference file; empty where features are not compared.

    folder: with the network's own weights, in the making. Reference: training images. Limit: validation images, which
    the network did not learn from.
    """
    films = len(np.unique(plan.groups[splits.val]))
    if plan.experiment.preprocessing.resize == "tile":
        return FeatureLikeness(missing="the model takes tiles, and a film is told by the middle of many"), b""
    if films < LEAST_FILMS:
        have = counted(films, "film was", "films were")
        return FeatureLikeness(missing=f"{have} held out for validation, {LEAST_FILMS} are needed"), b""
    with _session(folder) as session:
        if not isinstance(session, FeatureSession) or not session.gives_features:
            return FeatureLikeness(missing="the network does not give them"), b""
        learned = _spread(splits.train, MOST_IMAGES)
        reference = FeatureReference.of(_features(plan, folder, session, learned))
        held = _spread(splits.val, _MOST_HELD)
        distances = reference.distances(_features(plan, folder, session, held))
    found = limit_of(distances, plan.groups[held])
    assert found is not None, "the films were counted above"
    limit, rate, beyond, count = found
    return FeatureLikeness(
        file=FILE, images=len(learned), rest=reference.rest, distance_high=limit, false_alarms=rate, films=count,
        beyond=exact_share(beyond, count),
    ), reference.to_bytes()  # fmt: skip


@contextmanager
def _session(folder: ModelFolder) -> Iterator[object]:
    _, predictor = choose_predictor(folder)
    session = open_session(folder, predictor, "auto")
    try:
        yield session
    finally:
        session.close()


def _spread(rows: Rows, most: int) -> Rows:
    return rows[:: max(1, -(-len(rows) // most))]


def _features(plan: Plan, folder: ModelFolder, session: FeatureSession, rows: Rows) -> NDArray[np.float32]:
    """(N, D) of images as they are, batch by batch."""
    step, parts = images_at_once(folder.record), []
    for begin in range(0, len(rows), step):
        batch = np.stack([plan.images[int(row)][0] for row in rows[begin : begin + step]])
        parts.append(session.answer_with_features(batch)[1])
    return np.concatenate(parts)
