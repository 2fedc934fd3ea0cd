from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lopore.data.class_names import is_sound
from lopore.data.grouping import join_groups, name_key
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import About, Row
from lopore.data.manifest_text import is_manifest, sidecar
from lopore.errors import DataError, LoporeError
from lopore.messages import plain

VISIBLE = st.characters(blacklist_categories=("C", "Z"), blacklist_characters="|/\\")
NAMES = st.text(VISIBLE, min_size=1, max_size=12).filter(lambda name: name not in (".", "..") and ":" not in name)
LABELS = st.lists(NAMES, max_size=3, unique=True).map(lambda names: tuple(sorted(names)))


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    paths = draw(st.lists(st.lists(NAMES, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8, unique=True))
    return [
        Row(
            path=path,
            labels=draw(LABELS),
            group=draw(st.one_of(st.just(""), NAMES)),
            split=draw(st.sampled_from(["", "train", "val", "test"])),
            fold=draw(st.one_of(st.none(), st.integers(0, 9))),
            mm_per_pixel=draw(st.one_of(st.none(), st.floats(1e-6, 10))),
            depth=draw(st.sampled_from([None, 8, 12, 16])),
            sha256="ab" * 32,
        )
        for path in paths
    ]


@given(rows=rows())
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    place = tmp_path_factory.mktemp("set") / "films.csv"
    written = Manifest(tuple(rows), place.parent, About(licence="CC0", attribution="me")).write(place)
    again = Manifest.read(place)
    assert again.rows == tuple(rows)
    assert again.about == written.about
    assert (again.fingerprint, again.split_fingerprint) == (written.about.fingerprint, written.about.split_fingerprint)
    assert is_manifest(place)


@given(rows=rows())
@settings(max_examples=40, deadline=None)
def test_no_written_cell_starts_a_formula(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    place = tmp_path_factory.mktemp("set") / "films.csv"
    hostile = [replace(rows[0], path="=cmd()", group="+1", labels=("-x", "@y")), *rows[1:]]
    Manifest(tuple(hostile), place.parent).write(place)
    with place.open(newline="", encoding="utf-8") as stream:
        cells = [cell for line in csv.reader(stream) for cell in line]
    assert cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert Manifest.read(place).rows[0] == hostile[0]


def test_a_formula_in_a_foreign_manifest_is_read_as_it_stands(tmp_path: Path) -> None:
    place = tmp_path / "films.csv"
    place.write_text("path,labels\n=film.png,+pore\n", encoding="utf-8")
    assert Manifest.read(place).rows[0] == Row(path="=film.png", labels=("+pore",))


@given(rows=rows(), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_fingerprint_sees_labels_and_files_but_neither_order_nor_place(rows: list[Row], seed: int) -> None:
    first = Manifest(tuple(rows), Path("a"))
    order = np.random.default_rng(seed).permutation(len(rows))
    assert replace(first.select(order), root=Path("b")).fingerprint == first.fingerprint
    relabelled = (replace(rows[0], labels=(*rows[0].labels, "~new")), *rows[1:])
    altered = (replace(rows[0], sha256="cd" * 32), *rows[1:])
    assert (
        len({first.fingerprint, replace(first, rows=relabelled).fingerprint, replace(first, rows=altered).fingerprint})
        == 3
    )


def test_the_split_fingerprint_sees_sides_folds_and_groups() -> None:
    row = Row(path="a.png", split="train", fold=0, group="F1")
    changes = [row, replace(row, split="val"), replace(row, fold=1), replace(row, group="F2")]
    assert len({Manifest((one,), Path()).split_fingerprint for one in changes}) == 4
    assert len({Manifest((one,), Path()).fingerprint for one in changes}) == 1


@pytest.mark.parametrize("path", ["/etc/passwd", "../film.png", "a/../../film.png", "C:\\film.png", "", "a\0b"])
def test_a_path_that_leaves_the_root_is_refused_in_one_line(tmp_path: Path, path: str) -> None:
    place = tmp_path / "films.csv"
    place.write_text(f"path,labels\n{path},pore\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        Manifest.read(place)
    assert "\n" not in str(caught.value)
    assert "line 2" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("path,labels,split\na.png,pore,trian\n", "trian"),
        ("path,labels,fold\na.png,pore,-1\n", "fold"),
        ("path,labels,mm_per_pixel\na.png,pore,nan\n", "mm_per_pixel"),
        ("path,labels,sha256\na.png,pore,XYZ\n", "sha256"),
        ("path,labels\na.png,pore\na.png,pore\n", "twice"),
        ("path,labels\n", "no image"),
        ("file,kind\na.png,pore\n", "lopore data index"),
        ("path,labels\na.png," + "x" * 200 + "\n", "class name"),
    ],
)
def test_a_wrong_manifest_is_refused_with_its_value_and_the_way_out(tmp_path: Path, text: str, told: str) -> None:
    place = tmp_path / "films.csv"
    place.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=told) as caught:
        Manifest.read(place)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"\x89PNG\r\n\x1a\n\x00", b'path,labels\n"a'])
def test_a_manifest_of_other_bytes_is_refused_or_read_never_a_crash(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "films.csv"
    place.write_bytes(content)
    with pytest.raises(DataError):
        Manifest.read(place)


def test_a_damaged_sidecar_is_named(tmp_path: Path) -> None:
    place = tmp_path / "films.csv"
    Manifest((Row(path="a.png"),), tmp_path).write(place)
    sidecar(place).write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"films\.csv\.json"):
        Manifest.read(place)


def test_a_manifest_finds_its_images_from_another_folder_and_after_a_move(tmp_path: Path) -> None:
    films, splits = tmp_path / "set" / "raw", tmp_path / "set" / "splits"
    films.mkdir(parents=True)
    (films / "a.png").write_bytes(b"x")
    Manifest((Row(path="a.png"),), films).write(splits / "films.csv")
    moved = (tmp_path / "set").rename(tmp_path / "moved")
    again = Manifest.read(moved / "splits" / "films.csv")
    assert again.file(again.rows[0]).read_bytes() == b"x"
    told = json.loads(sidecar(moved / "splits" / "films.csv").read_text(encoding="utf-8"))
    assert told["root"] == "../raw"


def test_an_unwritable_place_leaves_the_older_manifest_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "films.csv"
    Manifest((Row(path="a.png"),), tmp_path).write(place)
    before = place.read_bytes()
    with pytest.raises(LoporeError):
        Manifest((Row(path="b.png"),), tmp_path).write(place / "inside.csv")
    assert place.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["films.csv", "films.csv.json"]


def test_a_manifest_that_cannot_be_written_leaves_no_half_behind(tmp_path: Path) -> None:
    place = tmp_path / "films.csv"
    (place / "in the way").mkdir(parents=True)
    with pytest.raises(LoporeError):
        Manifest((Row(path="a.png"),), tmp_path).write(place)
    assert [path.name for path in tmp_path.iterdir()] == ["films.csv"]
    sidecar(place).write_text("older", encoding="utf-8")
    with pytest.raises(LoporeError):
        Manifest((Row(path="a.png"),), tmp_path).write(place)
    assert sidecar(place).read_text(encoding="utf-8") == "older"


def test_targets_follow_the_order_of_the_classes() -> None:
    manifest = Manifest((Row(path="a", labels=("lop", "pore")), Row(path="b", labels=("ok",)), Row(path="c")), Path())
    assert manifest.classes == ("lop", "ok", "pore")
    assert manifest.targets().tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert manifest.targets(["pore"]).tolist() == [[1], [0], [0]]


@pytest.mark.parametrize("name", ["ok", "OK", "No Defect", "no-defect", "NoDifetto", "Good", "sound weld", "normal"])
def test_sound_welds_go_by_many_names(name: str) -> None:
    assert is_sound(name)


@pytest.mark.parametrize("name", ["pore", "lack_of_penetration", "okra", "not good", "defect", ""])
def test_defects_are_not_sound(name: str) -> None:
    assert not is_sound(name)


def test_text_from_outside_is_one_bounded_line_without_control_characters() -> None:
    told = plain("a\nb\x1b[31m\u202e" + "x" * 500, 40)
    assert "\n" not in told
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert len(told) <= 43


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["", "a", "x", "y"])), max_size=9))
def test_groups_are_what_any_chain_of_shared_keys_connects(pairs: list[tuple[str, str]]) -> None:
    names = join_groups(len(pairs), {"column": [one for one, _ in pairs], "name": [two for _, two in pairs]})
    together = np.eye(len(pairs), dtype=bool)
    for i, (one, two) in enumerate(pairs):
        for j, (three, four) in enumerate(pairs):
            together[i, j] |= bool((one and one == three) or (two and two == four))
    for _ in pairs:
        together = together @ together
    for i, pair in enumerate(pairs):
        assert bool(names[i]) == any(pair)
        for j in range(len(pairs)):
            assert bool(together[i, j]) == (i == j or (names[i] == names[j] and bool(names[i])))


def test_exports_of_one_picture_are_known_by_name() -> None:
    assert name_key("pore/IMG_1_jpg.rf.0894ec48a3739dcfcb819012cc267984.jpg", None) == "IMG_1_jpg"
    assert name_key("pore/IMG_1.jpg", None) == ""
