"""The keypoints that are most like each keypoint: all that a search of every pair finds, and no more than six."""

from __future__ import annotations

from typing import Any

import numpy as np

from lopore.data.near_duplicates.keypoints import LENGTH, Keypoints
from lopore.data.near_duplicates.like_keypoints import BEST_MATCHES, LIKE_COSINE, LikeKeypoints, like_keypoints


def keypoints(descriptors: Any) -> Keypoints:
    count = len(descriptors)
    zeros = np.zeros(count, np.float32)
    return Keypoints((192, 192), np.zeros((count, 2), np.float32), zeros, zeros, np.asarray(descriptors, np.uint8))


def images(count: int, shown: int) -> list[Keypoints]:
    """Each image shows ``shown`` of twelve places, with noise, and four places of its own."""
    rng = np.random.default_rng(3)
    places = rng.integers(0, 120, (12, LENGTH))
    found = []
    for _ in range(count):
        known = places[rng.permutation(12)[:shown]] + rng.integers(0, 6, (shown, LENGTH))
        found.append(keypoints(np.vstack([known, rng.integers(0, 120, (4, LENGTH))])))
    return found


def searched(made: list[Keypoints]) -> tuple[LikeKeypoints, LikeKeypoints, Any]:
    owner = np.repeat(np.arange(len(made), dtype=np.int32), [len(one) for one in made])
    told: list[float] = []
    upright, flipped = like_keypoints(made, owner, told.append)
    assert told == sorted(told)
    assert told[-1] == 1
    return upright, flipped, owner


def test_where_few_images_show_a_place_all_of_them_are_found_once_each() -> None:
    made = images(6, 8)
    upright, _, owner = searched(made)
    descriptors = np.concatenate([one.descriptors for one in made]).astype(np.int64)
    near = np.abs(descriptors[:, None] - descriptors[None]).max(axis=2) < 6
    near &= owner[:, None] != owner[None]
    assert 0 < near.sum(axis=1).max() <= BEST_MATCHES
    for number, row in enumerate(upright.found.tolist()):
        assert sorted(other for other in row if other >= 0) == np.flatnonzero(near[number]).tolist()


def test_where_many_images_show_a_place_the_best_six_are_kept_in_order() -> None:
    made = images(40, 8)
    upright, flipped, owner = searched(made)
    shown = upright.found[:8]
    assert (shown >= 0).all()
    assert (owner[shown] != 0).all()
    assert (upright.cosine[:8] > LIKE_COSINE).all()
    assert (np.diff(upright.cosine, axis=1) <= 0).all()
    assert ((flipped.found < 0) == (flipped.cosine == 0)).all()


def test_what_a_second_cell_adds_is_merged_with_what_is_held() -> None:
    best = LikeKeypoints.none(3)
    first = np.array([0.95, 0.93, 0.91, 0.90, 0.89, 0.88], np.float32)
    best.add(np.array([2, 1]), np.array([0] * 6), np.arange(10, 16), first)
    best.add(np.array([0, 2]), np.array([0, 1, 1]), np.array([20, 21, 22]), np.array([0.9, 0.94, 0.87], np.float32))
    assert best.found.tolist() == [[20, -1, -1, -1, -1, -1], [-1] * 6, [10, 21, 11, 12, 13, 14]]
