"""`lopore data next`: uncertain, unlike and diverse images, one of a group."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made.commands import lopore, refused
from made.films import smooth
from made.images import save

from lopore.data.label_next import choose_next, uncertainty
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.errors import DataError


def test_uncertainty_is_the_margin_and_turns_at_the_threshold() -> None:
    assert uncertainty({"a": 0.5, "b": 0.5}) == 1.0
    assert uncertainty({"a": 0.98, "b": 0.02}) == pytest.approx(0.04)
    assert uncertainty({"ok": 0.8, "pore": 0.2}, 0.2) == 1.0
    assert uncertainty({"ok": 0.0, "pore": 1.0}, 0.2) == 0.0
    assert uncertainty({"ok": 0.9, "pore": 0.1}, 0.2) == pytest.approx(0.5)


def blobs(*centres: tuple[float, int]) -> tuple[np.ndarray, list[str]]:
    """Features around centres on a line, and a group for every two images."""
    rng = np.random.default_rng(0)
    rows = [[centre + rng.normal(0, 0.01), rng.normal(0, 0.01)] for centre, count in centres for _ in range(count)]
    return np.array(rows), [f"g{number // 2}" for number in range(len(rows))]


def test_the_list_is_spread_and_takes_one_of_a_group() -> None:
    features, groups = blobs((0, 10), (5, 10), (10, 10))
    chosen = choose_next(list(map(str, range(30))), features, groups, np.zeros(30, bool), count=6)
    assert len({one.group for one in chosen}) == 6
    assert {int(one.path) // 10 for one in chosen[:3]} == {0, 1, 2}


def test_what_is_unlike_the_labelled_comes_first_and_their_groups_are_left_out() -> None:
    features, groups = blobs((0, 10), (5, 10), (50, 2))
    labelled = np.zeros(22, bool)
    labelled[0] = labelled[10] = True
    chosen = choose_next(list(map(str, range(22))), features, groups, labelled, count=5)
    assert int(chosen[0].path) >= 20
    assert "unlike all that is labelled" in chosen[0].reason
    assert not {"g0", "g5"} & {one.group for one in chosen}


def test_what_a_model_doubts_comes_early() -> None:
    features, _ = blobs((0, 200))
    uncertain = np.zeros(200)
    uncertain[[7, 90, 150]] = 0.95
    names = list(map(str, range(200)))
    chosen = choose_next(names, features, [""] * 200, np.zeros(200, bool), count=40, uncertain=uncertain)
    assert {"7", "90", "150"} <= {one.path for one in chosen[:8]}
    assert sum("undecided" in one.reason for one in chosen) == 3


def test_a_set_without_open_images_is_refused() -> None:
    features, groups = blobs((0, 4))
    with pytest.raises(DataError, match="has a label"):
        choose_next(list("abcd"), features, groups, np.ones(4, bool), count=2)


def test_the_command_writes_a_table_that_can_be_filled_and_indexed(tmp_path: Path) -> None:
    rows = []
    for number in range(8):
        save(tmp_path / "films" / f"{number}.png", smooth(number))
        rows.append(Row(path=f"films/{number}.png", labels=("pore",) if number < 2 else (), group=f"w{number // 2}"))
    Manifest(tuple(rows), tmp_path).write(tmp_path / "films.csv")
    result = lopore("data", "next", tmp_path / "films.csv", "--count", 3, "--out", tmp_path / "next.csv")
    assert result.exit_code == 0, result.output
    assert "3 images of 6 without a label, of 3 groups" in result.output
    indexed = lopore("data", "index", tmp_path / "next.csv", "--out", tmp_path / "again.csv", "--groups", "none")
    assert indexed.exit_code == 0, indexed.output
    chosen = json.loads(lopore("data", "next", tmp_path / "films.csv", "--count", 3, "--json").stdout)
    assert [one["path"] for one in chosen] == [row.path for row in Manifest.read(tmp_path / "again.csv").rows]


def test_a_missing_manifest_is_refused(tmp_path: Path) -> None:
    refused(lopore("data", "next", tmp_path / "no.csv"), "no.csv")
