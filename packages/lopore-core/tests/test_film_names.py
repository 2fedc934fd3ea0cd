"""Films that file names state are found, proposed, and kept whole by a split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made.commands import lopore
from made.films import smooth
from made.images import save

from lopore.data.film_names import film_names
from lopore.data.manifest import Manifest

TILES = ["R13_Img1_A80_S4_[1][2]", "R13_Img2_A80_S1_[10][33]", "R12_Img1_A80_S2_[3][4]", "R12_Img1_A80_S1_[3][5]"]


@pytest.mark.parametrize(
    ("names", "films"),
    [
        (TILES, ["R13", "R13", "R12", "R12"]),
        (["film7_r0_c1", "film7_r0_c2", "film8_row1_col1", "film8_row1_col9"], ["film7", "film7", "film8", "film8"]),
        (["N12-x0-y512", "N12-x512-y512", "N13-x0-y0", "N13-x0-y9"], ["N12", "N12", "N13", "N13"]),
        (["w1_0_512", "w1_512_512", "w2_0_0_64_64", "w2_64_0_64_64"], ["w1", "w1", "w2", "w2"]),
        (["S27A_tile_3", "S27A_tile_4", "S36_patch12", "S36_crop_1"], ["S27A", "S27A", "S36", "S36"]),
        (["W17_1", "W17_2", "W18_1", "W18_2"], ["W17", "W17", "W18", "W18"]),
        (["A11 (1)", "A11 (2)", "A12 (1)", "A12 (2)"], ["A11", "A11", "A12", "A12"]),
        (["K5_flip", "K5", "K6 - Copy", "K6", "K7_aug3"], ["K5", "K5", "K6", "K6", ""]),
        (["pore_1", "pore_2", "lop_1", "lop_2"], [""] * 4),
        (["pore (1)", "pore (2)", "lop (1)"], [""] * 3),
        (["DSC_0001", "DSC_0002", "DSC_0003"], [""] * 3),
        (["IMG_202403091302_640x640_jpg", "IMG_202403091303_640x640_jpg"], [""] * 2),
        (["2024-03-09_1966", "2024-03-09_1967"], [""] * 2),
    ],
)
def test_names_state_films_or_none(names: list[str], films: list[str]) -> None:
    assert list(film_names([f"a/{name}.png" for name in names]).keys) == films


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Six films, two a class, of four tiles each, that no pixel joins."""
    for film in range(6):
        for tile in range(4):
            label = ("crack", "ok", "pore")[film % 3]
            save(tmp_path / "set" / label / f"R{film}_S{tile % 2}_[1][{tile}].png", smooth(10 * film + tile))
    return tmp_path


def test_films_in_names_are_proposed_checked_and_kept_whole(tiles: Path) -> None:
    films = tiles / "films.csv"
    indexed = lopore("data", "index", tiles / "set", "--out", films, "--groups", "none")
    assert "24 file names state 6 films" in indexed.output
    assert "24 groups would become 6: say --film-names join" in indexed.output
    found = json.loads(lopore("data", "check", films, "--json").stdout)["findings"]
    assert "films-in-names" in {finding["code"] for finding in found}
    split = lopore("data", "split", films, "--out", tiles / "split.csv", "--val", 0, "--train", 0.5)
    assert "assumed, and each film kept whole, 24 groups became 6" in split.output
    done = Manifest.read(tiles / "split.csv")
    parts = {row.path.split("/")[1].split("_")[0]: set() for row in done.rows}
    for row in done.rows:
        parts[row.path.split("/")[1].split("_")[0]].add(row.split)
    assert all(len(splits) == 1 for splits in parts.values())
    codes = json.loads(lopore("data", "check", tiles / "split.csv", "--json").stdout)["findings"]
    assert not {finding["code"] for finding in codes} & {"films-in-names", "leak"}


def test_the_names_can_be_joined_at_once_or_ignored(tiles: Path) -> None:
    films = tiles / "films.csv"
    assert lopore("data", "index", tiles / "set", "--out", films, "--film-names", "join").exit_code == 0
    assert len(set(Manifest.read(films).group_ids().tolist())) == 6
    assert lopore("data", "index", tiles / "set", "--out", films, "--groups", "none").exit_code == 0
    split = lopore("data", "split", films, "--film-names", "ignore")
    assert "their groups are parted, as --film-names ignore says" in split.output
    assert len(set(Manifest.read(films).group_ids().tolist())) == 24
