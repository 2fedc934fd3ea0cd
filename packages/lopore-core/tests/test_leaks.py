from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lopore.data.leaks import find_leaks
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.split import split_manifest
from lopore.errors import LeakError

KEYS = ("sha256", "pixel_hash", "family", "group")


def two(**shared: Any) -> Manifest:
    return Manifest(
        (Row(path="a.png", split="train", **shared), Row(path="b.png", split="test", **shared), Row(path="c.png")),
        Path(),
    )


@pytest.mark.parametrize(
    ("shared", "why"),
    [
        ({"sha256": "ab", "pixel_hash": "cd", "family": "F1", "group": "g"}, "same bytes"),
        ({"pixel_hash": "cd", "family": "F1", "group": "g"}, "same pixels"),
        ({"family": "F1", "group": "g"}, "near duplicate"),
        ({"group": "g"}, "same group"),
    ],
)
def test_a_pair_is_named_once_with_its_strongest_reason(shared: dict[str, str], why: str) -> None:
    findings = find_leaks(two(**shared))
    assert [(leak.path, leak.other, leak.why) for leak in findings.leaks] == [("a.png", "b.png", why)]
    assert (findings.images, findings.checked_pairs, findings.between) == (2, 1, ("train", "test"))
    assert findings.counts == {why: 1}


def test_a_clean_split_gives_no_findings_and_does_not_stop(tmp_path: Path) -> None:
    findings = find_leaks(
        Manifest((Row(path="a", split="train", group="x"), Row(path="b", split="val", group="y")), Path())
    )
    findings.stop(tmp_path / "leaks.csv")
    assert len(findings) == 0
    assert not list(tmp_path.iterdir())


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    value = st.sampled_from(["", "aa", "bb", "cc"])
    side = st.sampled_from(["", "train", "val", "test"])
    rows = draw(st.lists(st.tuples(side, value, value, value, value), max_size=10))
    keyed: list[dict[str, Any]] = [dict(zip(KEYS, keys, strict=True)) for _, *keys in rows]
    return Manifest(
        tuple(
            Row(path=f"{i}.png", split=row[0], **keys) for i, (row, keys) in enumerate(zip(rows, keyed, strict=True))
        ),
        Path(),
    )


@given(manifests())
@settings(max_examples=200, deadline=None)
def test_every_image_with_a_partner_on_another_side_is_named_and_no_other(manifest: Manifest) -> None:
    expected = {
        one.path
        for one in manifest.rows
        for other in manifest.rows
        if one.split and other.split and one.split != other.split
        if any(getattr(one, key) and getattr(one, key) == getattr(other, key) for key in KEYS)
    }
    findings = find_leaks(manifest)
    assert {path for leak in findings.leaks for path in (leak.path, leak.other)} == expected
    assert findings.images == len(expected)
    rows = {row.path: row for row in manifest.rows}
    for leak in findings.leaks:
        one, other = rows[leak.path], rows[leak.other]
        assert (one.split, other.split) == (leak.split, leak.other_split)
        assert leak.split != leak.other_split
        assert any(getattr(one, key) and getattr(one, key) == getattr(other, key) for key in KEYS)


def test_the_list_of_one_large_film_stays_linear() -> None:
    rows = tuple(Row(path=f"{i}.png", split="train" if i % 2 else "test", group="film") for i in range(2000))
    findings = find_leaks(Manifest(rows, Path()))
    assert findings.images == 2000
    assert len(findings) < 2000


def test_training_is_stopped_with_first_pairs_count_and_list(tmp_path: Path) -> None:
    place = tmp_path / "leaks" / "films.csv"
    with pytest.raises(LeakError) as caught:
        find_leaks(two(family="F00001", group="=g")).stop(place)
    told = str(caught.value)
    assert "\n" not in told
    for part in ("a.png (train)", "b.png (test)", "near duplicate", "2 images", str(place), "--allow-leaks"):
        assert part in told
    with place.open(newline="", encoding="utf-8") as stream:
        assert next(csv.DictReader(stream)) == {
            "path": "a.png", "split": "train", "other": "b.png", "other_split": "test",
            "why": "near duplicate", "name": "F00001",
        }  # fmt: skip


def test_leaks_are_found_between_folds() -> None:
    rows = [Row(path=f"{i}.png", fold=i % 3, group=f"g{i}") for i in range(6)]
    assert len(find_leaks(Manifest(tuple(rows), Path()), "folds")) == 0
    rows[5] = replace(rows[5], group="g0")
    findings = find_leaks(Manifest(tuple(rows), Path()), "folds")
    assert [(leak.split, leak.other_split) for leak in findings.leaks] == [("fold 0", "fold 2")]


def test_only_the_asked_sides_are_compared() -> None:
    assert len(find_leaks(two(group="g"), ("train", "val"))) == 0
    assert len(find_leaks(two(group="g"), ("train", "test"))) == 1


@given(st.integers(0, 20))
@settings(max_examples=10, deadline=None)
def test_a_grouped_split_never_leaks_and_a_random_one_of_films_does(seed: int) -> None:
    rows = tuple(Row(path=f"{i}.png", labels=("lop" if i % 2 else "pore",), group=f"film{i // 6}") for i in range(90))
    manifest = Manifest(rows, Path())
    assert len(find_leaks(split_manifest(manifest, seed=seed).manifest)) == 0
    assert find_leaks(split_manifest(manifest, seed=seed, by="image").manifest).images > 30
