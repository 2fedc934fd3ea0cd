from __future__ import annotations

from collections import defaultdict
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.split import assign, complete_shares, fold_manifest, split_manifest, table
from lopore.errors import DataError

SHARES = (0.7, 0.15, 0.15)


@st.composite
def sets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """(targets, groups) of 6 to 40 groups, several labels an image."""
    sizes = draw(st.lists(st.integers(1, 7), min_size=6, max_size=40))
    classes = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    targets = (rng.random((len(groups), classes)) < 0.4).astype(np.uint8)
    targets[targets.sum(axis=1) == 0, 0] = 1
    return targets, groups


def films(*counts: tuple[str, int, int]) -> Manifest:
    """(class, groups, images a group) -> manifest."""
    rows = [
        Row(path=f"{name}/{group}_{shot}.png", labels=tuple(name.split("+")), group=f"{name}{group}")
        for name, groups, shots in counts
        for group in range(groups)
        for shot in range(shots)
    ]
    return Manifest(tuple(rows), Path())


@given(sets(), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_no_group_stands_on_two_sides_and_every_image_is_placed_once(
    data: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    targets, groups = data
    places = assign(targets, groups, SHARES, seed=seed)
    assert places.shape == groups.shape
    assert set(places.tolist()) <= {0, 1, 2}
    assert all(len(set(places[groups == group].tolist())) == 1 for group in set(groups.tolist()))
    assert np.array_equal(places, assign(targets, groups, SHARES, seed=seed))


@given(sets())
@settings(max_examples=15, deadline=None)
def test_no_single_move_or_swap_of_groups_would_be_better(data: tuple[np.ndarray, np.ndarray]) -> None:
    targets, groups = data
    places = assign(targets, groups, SHARES)
    reached = imbalance_by_group(targets, groups, places)
    names = sorted(set(groups.tolist()))
    for group in names:
        for side in range(3):
            assert imbalance_by_group(targets, groups, np.where(groups == group, side, places)) >= reached - 1e-6
    for one, other in product(names, names):
        swapped = places.copy()
        swapped[groups == one], swapped[groups == other] = places[groups == other][0], places[groups == one][0]
        assert imbalance_by_group(targets, groups, swapped) >= reached - 1e-6


def imbalance_by_group(targets: np.ndarray, groups: np.ndarray, places: np.ndarray) -> float:
    """The documented measure, written out: uneven shares, and 100 for a class that lacks where it need not."""
    table = np.column_stack([targets, np.ones(len(targets))]).astype(float)
    total = 0.0
    for column in table.T:
        if not column.sum():
            continue
        carriers = len(set(groups[column > 0].tolist()))
        for side, share in enumerate(SHARES):
            here = column[places == side].sum() / column.sum()
            total += (here - share) ** 2 / share + (100.0 if here == 0 and carriers >= len(SHARES) else 0.0)
    return total


@given(st.lists(st.integers(1, 5), min_size=4, max_size=5), st.integers(0, 9999))
@settings(max_examples=10, deadline=None)
def test_small_sets_are_split_as_well_as_any_split_can(sizes: list[int], seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    targets = np.random.default_rng(seed).integers(0, 2, (len(groups), 1)).astype(np.uint8)
    targets = np.column_stack([targets, 1 - targets])
    found = imbalance_by_group(targets, groups, assign(targets, groups, SHARES))
    every = (np.array(choice)[groups] for choice in product(range(3), repeat=len(sizes)))
    assert found == pytest.approx(min(imbalance_by_group(targets, groups, places) for places in every))


@given(st.lists(st.tuples(st.integers(3, 30), st.integers(1, 6)), min_size=1, max_size=5), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_class_shares_are_off_by_no_more_than_one_group(kinds: list[tuple[int, int]], seed: int) -> None:
    manifest = films(*[(f"c{number}", groups, shots) for number, (groups, shots) in enumerate(kinds)])
    counted = table(split_manifest(manifest, seed=seed).manifest)
    for number, (groups, shots) in enumerate(kinds):
        for side, share in zip(("train", "val", "test"), SHARES, strict=True):
            count = counted[side]["classes"][f"c{number}"]
            assert count >= 1
            assert abs(count - share * groups * shots) <= 2 * shots


def test_a_large_set_is_split_to_a_fraction_of_a_percent_in_seconds() -> None:
    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(0, 3000, 12_000))
    targets = (rng.random((12_000, 5)) < [0.5, 0.3, 0.1, 0.05, 0.01]).astype(np.uint8)
    places = assign(targets, groups, SHARES)
    for column in targets.T:
        shares = np.array([column[places == side].sum() for side in range(3)]) / column.sum()
        assert np.abs(shares - SHARES).max() < 0.02


def test_images_of_several_labels_are_stratified_by_each_label() -> None:
    manifest = films(("lop", 20, 2), ("pore", 20, 2), ("lop+pore", 20, 2))
    counted = table(split_manifest(manifest).manifest)
    assert counted["train"]["classes"] == {"lop": 56, "pore": 56}
    assert {counted[side]["classes"]["lop"] for side in ("val", "test")} == {12}


def test_another_seed_gives_another_split_of_equal_quality() -> None:
    manifest = films(("lop", 40, 2), ("pore", 20, 3))
    one, two = split_manifest(manifest, seed=1).manifest, split_manifest(manifest, seed=2).manifest
    assert one.split_fingerprint != two.split_fingerprint
    assert one.split_fingerprint == split_manifest(manifest, seed=1).manifest.split_fingerprint
    assert table(one)["test"]["classes"] == table(two)["test"]["classes"]


def test_the_manifest_says_how_it_was_split() -> None:
    manifest = films(("lop", 10, 2), ("pore", 10, 2))
    assert split_manifest(manifest, seed=7).manifest.about.split_kind == "grouped"
    random = split_manifest(manifest, {"train": 0.5, "test": 0.5}, seed=7, by="image").manifest.about
    assert (random.split_kind, random.seed, random.shares) == ("random", 7, {"train": 0.5, "test": 0.5})


def test_folds_hold_every_image_once_and_each_class() -> None:
    manifest = films(("lop", 11, 3), ("pore", 7, 2))
    done = fold_manifest(manifest, 5, seed=3).manifest
    homes = defaultdict(set)
    for row in done.rows:
        homes[row.group].add(row.fold)
    assert all(len(folds) == 1 for folds in homes.values())
    assert {row.fold for row in done.rows} == set(range(5))
    assert all(min(row["classes"].values()) >= 1 for row in table(done).values())


@pytest.mark.parametrize("count", [1, 2])
def test_a_class_that_cannot_be_on_every_side_is_refused_with_the_way_out(count: int) -> None:
    manifest = films(("lop", 10, 2), ("crack", count, 1))
    with pytest.raises(DataError, match=r"'crack' has .*--leave-out 'crack'") as caught:
        split_manifest(manifest)
    assert "\n" not in str(caught.value)
    left = split_manifest(manifest, leave_out=["crack"])
    assert {row.split for row in left.manifest.rows if "crack" in row.labels} == {""}
    assert left.notes


def test_one_film_in_a_class_cannot_be_cross_validated() -> None:
    with pytest.raises(DataError, match="1 group"):
        fold_manifest(films(("lop", 10, 2), ("crack", 1, 5)), 3)


def test_a_class_in_fewer_groups_than_folds_is_told() -> None:
    notes = fold_manifest(films(("lop", 10, 2), ("crack", 2, 1)), 4).notes
    assert sum("crack" in note for note in notes) == 2


@pytest.mark.parametrize(
    "shares", [{"train": 0.5, "test": 0.6}, {"train": 1.0}, {"val": 0.5, "test": 0.5}, {"train": 1.2, "test": -0.2}]
)
def test_shares_that_make_no_split_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(DataError, match="shares are"):
        split_manifest(films(("lop", 10, 2), ("pore", 10, 2)), shares)


def test_shares_that_are_not_given_divide_the_rest() -> None:
    assert complete_shares({"train": None, "val": None, "test": None}) == pytest.approx(
        {"train": 0.7, "val": 0.15, "test": 0.15}
    )
    assert complete_shares({"train": 0.8, "val": None, "test": None}) == pytest.approx(
        {"train": 0.8, "val": 0.1, "test": 0.1}
    )
    assert complete_shares({"train": 0.8, "val": None, "test": 0.2})["val"] == pytest.approx(0)


def test_images_without_a_label_get_no_side() -> None:
    manifest = films(("lop", 5, 2), ("pore", 5, 2))
    mixed = Manifest((*manifest.rows, Row(path="unknown.png")), Path())
    done = split_manifest(mixed)
    assert done.manifest.rows[-1].split == ""
    assert all(row.split for row in done.manifest.rows[:-1])
    with pytest.raises(DataError, match="no image has a label"):
        split_manifest(Manifest((Row(path="unknown.png"),), Path()))
