"""``lopore data index``: class folders and CSV of many dialects become one manifest, or nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from made.commands import lopore, refused
from made.films import class_folders, smooth
from made.images import save

from lopore.data.label_csv import list_table
from lopore.data.manifest import Manifest


def test_class_folders_become_a_manifest_with_rights_depth_and_checksums(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "raw", 3)
    save(folder / "pore" / "deep.png", smooth(50, dtype=np.uint16))
    out = tmp_path / "processed" / "films.csv"
    result = lopore(
        "data", "index", folder, "--out", out, "--licence", "CC0", "--source", "made", "--attribution", "us",
        "--mm-per-pixel", "0.05",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    manifest = Manifest.read(out)
    assert manifest.class_counts == {"no_defect": 3, "pore": 4}
    assert (manifest.about.licence, manifest.about.source, manifest.about.attribution) == ("CC0", "made", "us")
    assert {row.path: row.depth for row in manifest.rows}["pore/deep.png"] == 16
    assert all(manifest.file(row).is_file() and row.mm_per_pixel == 0.05 for row in manifest.rows)
    assert all(len(row.sha256) == 64 and len(row.phash) == 16 and row.width == 96 for row in manifest.rows)
    assert len(set(manifest.group_ids().tolist())) == 7


def test_a_split_tree_keeps_its_sides(tmp_path: Path) -> None:
    for number, side in enumerate(("train", "valid", "test")):
        save(tmp_path / "set" / side / "pore" / "a.png", smooth(number))
        save(tmp_path / "set" / side / "ok" / "b.png", smooth(10 + number))
    out = tmp_path / "films.csv"
    assert lopore("data", "index", tmp_path / "set", "--out", out, "--groups", "none").exit_code == 0
    manifest = Manifest.read(out)
    assert {row.path.split("/")[0]: row.split for row in manifest.rows} == {
        "train": "train",
        "valid": "val",
        "test": "test",
    }
    assert manifest.about.split_kind == "given"
    assert manifest.classes == ("ok", "pore")


@pytest.mark.parametrize("form", ["beside", "suffix", "folder"])
def test_masks_are_found_where_people_put_them(tmp_path: Path, form: str) -> None:
    places = {"beside": "pore/Imgs/a.png", "suffix": "pore/Imgs/a_mask.png", "folder": "masks/pore/a.png"}
    save(tmp_path / "set" / "pore" / "Imgs" / "a.jpg", smooth(1))
    save(tmp_path / "set" / "ok" / "Imgs" / "b.jpg", smooth(2))
    save(tmp_path / "set" / places[form], np.full((96, 96), 255, np.uint8))
    out = tmp_path / "films.csv"
    option = ["--masks", "beside"] if form == "beside" else []
    assert lopore("data", "index", tmp_path / "set", "--out", out, "--groups", "none", *option).exit_code == 0
    assert {row.path: "|".join(row.mask) for row in Manifest.read(out).rows} == {
        "pore/Imgs/a.jpg": places[form],
        "ok/Imgs/b.jpg": "",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_dialects_and_encodings_are_found(tmp_path: Path, encoding: str, delimiter: str) -> None:
    for number, name in enumerate(("a", "b", "c")):
        save(tmp_path / "films" / f"{name}.png", smooth(number))
    save(tmp_path / "films" / "a_m.png", np.zeros((96, 96), np.uint8))
    lines = [
        ("File Name", "Class", "Film", "mask", "mm per px", "note"),
        ("films\\a.png", "Bindefehlé|pore", "F1", "films/a_m.png", "0.1", "x"),
        ("films/b.png", "ok", "F1", "", "", ""),
        ("./films/c.png", "pore", "", "", "", ""),
    ]
    table = tmp_path / "labels.csv"
    table.write_text("\r\n".join(delimiter.join(line) for line in lines), encoding=encoding)
    out = tmp_path / "films.csv"
    result = lopore("data", "index", table, "--out", out, "--groups", "none")
    assert result.exit_code == 0, result.output
    rows = {row.path: row for row in Manifest.read(out).rows}
    assert rows["films/a.png"].labels == ("Bindefehlé", "pore")
    assert (rows["films/a.png"].mask, rows["films/a.png"].mm_per_pixel) == (("films/a_m.png",), 0.1)
    assert rows["films/a.png"].group == rows["films/b.png"].group == "F1"
    assert rows["films/c.png"].group != "F1"


def test_class_columns_that_nobody_filled_in_make_no_sound_film(tmp_path: Path) -> None:
    for name in "abcde":
        save(tmp_path / f"{name}.png", smooth(1))
    table = tmp_path / "flags.csv"
    table.write_text("file,pore,crack\na.png,0,0\nb.png,,\nc.png,1,\nd.png,0,\ne.png,1,1\n")
    found = list_table(table)
    assert [entry.labels for entry in found.entries] == [("no_defect",), (), ("pore",), (), ("crack", "pore")]
    assert "2 lines leave class columns empty: read as 0 beside a 1, beside zeros alone as no label" in found.notes
    assert "2 images have no label" in found.notes
    table.write_text("file,pore,crack\na.png,,\nb.png,x,\n")  # marks alone: an empty line is a sound film
    marked = list_table(table)
    assert [entry.labels for entry in marked.entries] == [("no_defect",), ("pore",)]


def test_one_column_a_class_gives_several_labels_and_zeros_mean_no_defect(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "c")):
        save(tmp_path / f"{name}.png", smooth(number))
    table = tmp_path / "labels.csv"
    table.write_text("image,lop,pore,operator\na.png,1,1,x9\nb.png,0,1,x9\nc.png,0,0,x9\n", encoding="utf-8")
    assert lopore("data", "index", table, "--out", tmp_path / "films.csv", "--groups", "none").exit_code == 0
    assert [row.labels for row in Manifest.read(tmp_path / "films.csv").rows] == [
        ("lop", "pore"),
        ("pore",),
        ("no_defect",),
    ]


def test_one_file_in_two_classes_becomes_one_row_with_both_labels_and_is_reported(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 2)
    save(folder / "crack" / "copy.png", smooth(0))
    result = lopore("data", "index", folder, "--out", tmp_path / "films.csv", "--groups", "none", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["conflicts"][0]["same_bytes"]
    assert told["conflicts"][0]["paths"] == ["crack/copy.png", "pore/p0.png"]
    rows = {row.path: row for row in Manifest.read(tmp_path / "films.csv").rows}
    assert len(rows) == 4
    assert rows["crack/copy.png"].labels == ("crack", "pore")


@pytest.mark.parametrize(
    ("conflicts", "labels"), [("keep", [("crack",), ("pore",)]), ("join", [("crack", "pore")] * 2), ("drop", [])]
)
def test_turned_copies_are_one_group_and_their_labels_go_as_asked(
    tmp_path: Path, conflicts: str, labels: list[tuple[str, ...]]
) -> None:
    folder = class_folders(tmp_path / "set")
    save(folder / "crack" / "copy.jpg", np.rot90(smooth(0))[:, ::-1])
    out = tmp_path / "films.csv"
    assert lopore("data", "index", folder, "--out", out, "--conflicts", conflicts).exit_code == 0
    pair = [row for row in Manifest.read(out).rows if row.path in ("crack/copy.jpg", "pore/p0.png")]
    assert [row.labels for row in pair] == labels
    assert len({(row.group, row.family) for row in pair}) == (1 if pair else 0)


def test_frames_of_one_part_with_and_without_an_insert_are_not_called_one_image(tmp_path: Path) -> None:
    plain = smooth(0)
    with_insert = plain.copy()
    with_insert[40:46, 50:56] += 25
    for name, frame in (("no_defect/f0", plain), ("pore/f1", with_insert), ("no_defect/f2", np.maximum(plain, 1) - 1)):
        save(tmp_path / "set" / f"{name}.png", frame)
    said = lopore("data", "index", tmp_path / "set", "--out", tmp_path / "films.csv").output
    assert "3 images look alike" in said
    assert "are labelled no_defect and pore: copies, or one part with and without its defect; look at" in said
    assert "one picture" not in said


def test_a_pattern_groups_by_file_name(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 4)
    out = tmp_path / "films.csv"
    result = lopore("data", "index", folder, "--out", out, "--groups", "none", "--group-pattern", "^[pn]([0-9])")
    assert result.exit_code == 0
    assert {row.group for row in Manifest.read(out).rows} == {"0", "1", "2", "3"}
    refused(lopore("data", "index", folder, "--out", out, "--group-pattern", "("), "regular expression")


def test_a_csv_may_not_leave_its_folder_unless_root_says_so(tmp_path: Path) -> None:
    save(tmp_path / "films" / "a.png", smooth(0))
    table = tmp_path / "lists" / "labels.csv"
    table.parent.mkdir()
    table.write_text("path,label\n../films/a.png,pore\n", encoding="utf-8")
    refused(lopore("data", "index", table, "--out", tmp_path / "m.csv"), "--root")
    table.write_text(f"path,label\n{tmp_path}/films/a.png,pore\n", encoding="utf-8")
    refused(lopore("data", "index", table, "--out", tmp_path / "m.csv"), "--root")
    assert not (tmp_path / "m.csv").exists()
    assert lopore("data", "index", table, "--root", tmp_path, "--out", tmp_path / "m.csv").exit_code == 0
    assert Manifest.read(tmp_path / "m.csv").rows[0].path == "films/a.png"


def test_an_empty_class_stops_indexing_and_nothing_is_written(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 2)
    (folder / "crack").mkdir()
    refused(lopore("data", "index", folder, "--out", tmp_path / "films.csv"), "crack", "without any image")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_missing_files_of_a_csv_stop_indexing_and_are_counted(tmp_path: Path) -> None:
    save(tmp_path / "a.png", smooth(0))
    lines = ["path,label", "a.png,pore", *(f"gone{n}.png,pore" for n in range(7))]
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    result = lopore("data", "index", tmp_path / "labels.csv", "--out", tmp_path / "films.csv")
    refused(result, "7 of 8", "gone0.png", "4 more", "--skip-bad")
    assert not (tmp_path / "films.csv").exists()
    assert (
        lopore("data", "index", tmp_path / "labels.csv", "--out", tmp_path / "films.csv", "--skip-bad").exit_code == 0
    )
    assert len(Manifest.read(tmp_path / "films.csv")) == 1


def test_unreadable_files_are_named_one_by_one_and_the_rest_is_indexed(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 2)
    jpeg = cv2.imencode(".jpg", smooth(7))[1].tobytes()
    (folder / "pore" / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "pore" / "text.png").write_text("no image", encoding="utf-8")
    save(folder / "pore" / "dot.png", np.zeros((1, 1), np.uint8))
    result = lopore("data", "index", folder, "--out", tmp_path / "films.csv", "--groups", "none")
    assert result.exit_code == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 4
    for line, told in zip(lines, ("pore/cut.jpg", "pore/dot.png", "pore/text.png", "3 files"), strict=True):
        assert told in line
    assert len(Manifest.read(tmp_path / "films.csv")) == 4


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"a.png,pore\n", "no column"),
        (b"path,label\n", "no image"),
        (b"\x00\x01\x02\x03\x04", "text"),
        (b"path,label,path\na,b,c\n", "two columns"),
        (b"path,label,split\na.png,pore,maybe\n", "split is 'maybe'"),
        (b"path,label,mm_per_pixel\na.png,pore,-1\n", "mm_per_pixel"),
        (b"path,label\na.png,ok|pore\n", "sound and defective"),
        (b"path,label,group\na.png,lop,A\na.png,pore,B\n", "group"),
    ],
)
def test_a_csv_that_says_nothing_usable_is_refused_in_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    save(tmp_path / "a.png", smooth(0))
    (tmp_path / "labels.csv").write_bytes(content)
    refused(lopore("data", "index", tmp_path / "labels.csv", "--out", tmp_path / "films.csv"), told)
    assert not (tmp_path / "films.csv").exists()


def test_an_index_never_overwrites_its_source_or_a_split(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set")
    out = tmp_path / "films.csv"
    assert lopore("data", "index", folder, "--out", out, "--groups", "none").exit_code == 0
    assert lopore("data", "split", out).exit_code == 0
    refused(lopore("data", "index", folder, "--out", out), "--replace")
    refused(lopore("data", "index", out, "--out", out), "--out")
    assert any(row.split for row in Manifest.read(out).rows)
    assert lopore("data", "index", folder, "--out", out, "--groups", "none", "--replace").exit_code == 0


def test_real_films_are_indexed_with_their_copies_and_conflicts(tmp_path: Path, shared_data: Path) -> None:
    out = tmp_path / "films.csv"
    result = lopore("data", "index", shared_data / "weld-radiographs", "--out", out, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["classes"] == {"lack_of_penetration": 194, "pore": 71}
    assert 60 <= told["groups"] <= 80
    conflicting = [path for conflict in told["conflicts"] for path in conflict["paths"]]
    truth = (shared_data / "weld-radiographs" / "groups.csv").read_text(encoding="utf-8").splitlines()
    assert {line.split(",")[0] for line in truth if line.endswith(",1")} <= set(conflicting)
