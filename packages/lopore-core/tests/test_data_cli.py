from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from lopore.cli import main
from lopore.config import load_experiment
from lopore.data.index import complete
from lopore.data.leaks import find_leaks
from lopore.data.manifest import Manifest


def lopore(*words: object) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, words)])


def film(seed: int, side: int = 96, dtype: type = np.uint8) -> np.ndarray:
    """A picture of its own: smooth noise, unlike that of any other seed."""
    noise = np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    scaled = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return np.asarray(scaled * 0.8 * np.iinfo(dtype).max + 10, dtype)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def class_folders(root: Path, films: int = 6) -> Path:
    for number in range(films):
        save(root / "pore" / f"p{number}.png", film(number))
        save(root / "no_defect" / f"n{number}.png", film(100 + number))
    return root


def refused(result: Result, *told: str) -> None:
    """One clear line, a non-zero status, no traceback."""
    assert result.exit_code not in (0, None)
    assert isinstance(result.exception, SystemExit)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    for text in told:
        assert text in lines[0]


def test_init_makes_the_folders_and_a_config_that_is_valid(tmp_path: Path) -> None:
    assert lopore("init", tmp_path).exit_code == 0
    for name in ("data/raw", "data/processed", "data/splits", "models/checkpoints", "models/final", "configs"):
        assert (tmp_path / name).is_dir()
    assert load_experiment(tmp_path / "configs" / "first.yaml").name == "first"
    (tmp_path / "configs" / "first.yaml").write_text("mine", encoding="utf-8")
    assert lopore("init", tmp_path).exit_code == 0
    assert (tmp_path / "configs" / "first.yaml").read_text(encoding="utf-8") == "mine"


def test_init_names_a_file_that_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    refused(lopore("init", tmp_path), "data")


def test_class_folders_become_a_manifest_with_rights_depth_and_checksums(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "raw", 3)
    save(folder / "pore" / "deep.png", film(50, dtype=np.uint16))
    out = tmp_path / "processed" / "films.csv"
    result = lopore(
        "index", folder, "--out", out, "--licence", "CC0", "--source", "made", "--attribution", "us",
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
        save(tmp_path / "set" / side / "pore" / "a.png", film(number))
        save(tmp_path / "set" / side / "ok" / "b.png", film(10 + number))
    out = tmp_path / "films.csv"
    assert lopore("index", tmp_path / "set", "--out", out, "--groups", "none").exit_code == 0
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
    save(tmp_path / "set" / "pore" / "Imgs" / "a.jpg", film(1))
    save(tmp_path / "set" / "ok" / "Imgs" / "b.jpg", film(2))
    save(tmp_path / "set" / places[form], np.full((96, 96), 255, np.uint8))
    out = tmp_path / "films.csv"
    assert lopore("index", tmp_path / "set", "--out", out, "--groups", "none").exit_code == 0
    assert {row.path: row.mask for row in Manifest.read(out).rows} == {
        "pore/Imgs/a.jpg": places[form],
        "ok/Imgs/b.jpg": "",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_dialects_and_encodings_are_found(tmp_path: Path, encoding: str, delimiter: str) -> None:
    for number, name in enumerate(("a", "b", "c")):
        save(tmp_path / "films" / f"{name}.png", film(number))
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
    result = lopore("index", table, "--out", out, "--groups", "none")
    assert result.exit_code == 0, result.output
    rows = {row.path: row for row in Manifest.read(out).rows}
    assert rows["films/a.png"].labels == ("Bindefehlé", "pore")
    assert (rows["films/a.png"].mask, rows["films/a.png"].mm_per_pixel) == ("films/a_m.png", 0.1)
    assert rows["films/a.png"].group == rows["films/b.png"].group == "F1"
    assert rows["films/c.png"].group != "F1"


def test_one_column_a_class_gives_several_labels_and_zeros_mean_no_defect(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "c")):
        save(tmp_path / f"{name}.png", film(number))
    table = tmp_path / "labels.csv"
    table.write_text("image,lop,pore,operator\na.png,1,1,x9\nb.png,0,1,x9\nc.png,0,0,x9\n", encoding="utf-8")
    assert lopore("index", table, "--out", tmp_path / "films.csv", "--groups", "none").exit_code == 0
    assert [row.labels for row in Manifest.read(tmp_path / "films.csv").rows] == [
        ("lop", "pore"),
        ("pore",),
        ("no_defect",),
    ]


def test_one_file_in_two_classes_becomes_one_row_with_both_labels_and_is_reported(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 2)
    save(folder / "crack" / "copy.png", film(0))
    result = lopore("index", folder, "--out", tmp_path / "films.csv", "--groups", "none", "--json")
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
    save(folder / "crack" / "copy.jpg", np.rot90(film(0))[:, ::-1])
    out = tmp_path / "films.csv"
    assert lopore("index", folder, "--out", out, "--conflicts", conflicts).exit_code == 0
    pair = [row for row in Manifest.read(out).rows if row.path in ("crack/copy.jpg", "pore/p0.png")]
    assert [row.labels for row in pair] == labels
    assert len({(row.group, row.family) for row in pair}) == (1 if pair else 0)


def test_a_pattern_groups_by_file_name(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 4)
    out = tmp_path / "films.csv"
    result = lopore("index", folder, "--out", out, "--groups", "none", "--group-pattern", "^[pn]([0-9])")
    assert result.exit_code == 0
    assert {row.group for row in Manifest.read(out).rows} == {"0", "1", "2", "3"}
    refused(lopore("index", folder, "--out", out, "--group-pattern", "("), "regular expression")


def test_a_csv_may_not_leave_its_folder_unless_root_says_so(tmp_path: Path) -> None:
    save(tmp_path / "films" / "a.png", film(0))
    table = tmp_path / "lists" / "labels.csv"
    table.parent.mkdir()
    table.write_text("path,label\n../films/a.png,pore\n", encoding="utf-8")
    refused(lopore("index", table, "--out", tmp_path / "m.csv"), "--root")
    table.write_text(f"path,label\n{tmp_path}/films/a.png,pore\n", encoding="utf-8")
    refused(lopore("index", table, "--out", tmp_path / "m.csv"), "--root")
    assert not (tmp_path / "m.csv").exists()
    assert lopore("index", table, "--root", tmp_path, "--out", tmp_path / "m.csv").exit_code == 0
    assert Manifest.read(tmp_path / "m.csv").rows[0].path == "films/a.png"


def test_an_empty_class_stops_indexing_and_nothing_is_written(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 2)
    (folder / "crack").mkdir()
    refused(lopore("index", folder, "--out", tmp_path / "films.csv"), "crack", "without any image")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_missing_files_of_a_csv_stop_indexing_and_are_counted(tmp_path: Path) -> None:
    save(tmp_path / "a.png", film(0))
    lines = ["path,label", "a.png,pore", *(f"gone{n}.png,pore" for n in range(7))]
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    result = lopore("index", tmp_path / "labels.csv", "--out", tmp_path / "films.csv")
    refused(result, "7 of 8", "gone0.png", "4 more", "--skip-bad")
    assert not (tmp_path / "films.csv").exists()
    assert lopore("index", tmp_path / "labels.csv", "--out", tmp_path / "films.csv", "--skip-bad").exit_code == 0
    assert len(Manifest.read(tmp_path / "films.csv")) == 1


def test_unreadable_files_are_named_one_by_one_and_the_rest_is_indexed(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 2)
    jpeg = cv2.imencode(".jpg", film(7))[1].tobytes()
    (folder / "pore" / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "pore" / "text.png").write_text("no picture", encoding="utf-8")
    save(folder / "pore" / "dot.png", np.zeros((1, 1), np.uint8))
    result = lopore("index", folder, "--out", tmp_path / "films.csv", "--groups", "none")
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
    save(tmp_path / "a.png", film(0))
    (tmp_path / "labels.csv").write_bytes(content)
    refused(lopore("index", tmp_path / "labels.csv", "--out", tmp_path / "films.csv"), told)
    assert not (tmp_path / "films.csv").exists()


def test_what_is_not_there_is_one_line_and_wrong_usage_is_status_two(tmp_path: Path) -> None:
    refused(lopore("index", tmp_path / "nowhere", "--out", tmp_path / "m.csv"), "nowhere")
    (tmp_path / "bare").mkdir()
    refused(lopore("index", tmp_path / "bare", "--out", tmp_path / "m.csv"), "no image")
    refused(lopore("check", tmp_path / "nowhere.csv"), "nowhere")
    refused(lopore("split", tmp_path / "nowhere.csv"), "nowhere")
    assert lopore("split").exit_code == 2
    assert lopore("split", "m.csv", "--train", "7").exit_code == 2


def test_an_index_never_overwrites_its_source_or_a_split(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set")
    out = tmp_path / "films.csv"
    assert lopore("index", folder, "--out", out, "--groups", "none").exit_code == 0
    assert lopore("split", out).exit_code == 0
    refused(lopore("index", folder, "--out", out), "--replace")
    refused(lopore("index", out, "--out", out), "--out")
    assert any(row.split for row in Manifest.read(out).rows)
    assert lopore("index", folder, "--out", out, "--groups", "none", "--replace").exit_code == 0


def test_split_keeps_groups_whole_is_repeatable_and_guards_a_split_that_is_there(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 10)
    for number in range(10):
        save(folder / "pore" / f"p{number}_flip.png", film(number)[::-1])
    films, out = tmp_path / "films.csv", tmp_path / "split.csv"
    assert lopore("index", folder, "--out", films).exit_code == 0
    told = json.loads(lopore("split", films, "--out", out, "--folds", 3, "--json").stdout)
    assert told["split_kind"] == "grouped"
    assert set(told["sides"]) == {"train", "val", "test", "fold 0", "fold 1", "fold 2"}
    manifest = Manifest.read(out)
    assert len(find_leaks(manifest)) == len(find_leaks(manifest, "folds")) == 0
    assert lopore("split", films, "--out", out, "--folds", 3).exit_code == 0
    refused(lopore("split", films, "--out", out, "--seed", 5), "--replace")
    assert Manifest.read(out).split_fingerprint == told["split_fingerprint"]
    assert lopore("check", out).exit_code == 0


def test_a_split_by_image_is_marked_and_its_leaks_are_found(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 8)
    for number in range(8):
        save(folder / "pore" / f"p{number}_bright.jpg", cv2.convertScaleAbs(film(number), alpha=1.1))
    out = tmp_path / "films.csv"
    assert lopore("index", folder, "--out", out).exit_code == 0
    assert lopore("split", out, "--by", "image").exit_code == 0
    assert Manifest.read(out).about.split_kind == "random"
    result = lopore("check", out, "--json")
    assert result.exit_code == 1
    found = {finding["code"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert "near duplicate" in found["leak"]["message"]


def test_leaks_are_found_in_a_hand_made_manifest_without_checksums(tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path / f"{number}.png", film(number))
    save(tmp_path / "copy.bmp", film(0))
    save(tmp_path / "turned.jpg", np.rot90(film(1)))
    lines = [
        "path,labels,split",
        "copy.bmp,pore,test",
        "turned.jpg,pore,test",
        *(f"{n}.png,pore,train" for n in range(8)),
    ]
    (tmp_path / "films.csv").write_text("\n".join(lines), encoding="utf-8")
    manifest = Manifest.read(tmp_path / "films.csv")
    assert len(find_leaks(manifest)) == 0
    pairs = {frozenset((leak.path, leak.other)): leak.why for leak in find_leaks(complete(manifest)).leaks}
    assert pairs == {
        frozenset(("copy.bmp", "0.png")): "same pixels",
        frozenset(("turned.jpg", "1.png")): "near duplicate",
    }


def test_one_image_in_a_class_cannot_be_split(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set")
    save(folder / "crack" / "only.png", film(77))
    out = tmp_path / "films.csv"
    assert lopore("index", folder, "--out", out, "--groups", "none").exit_code == 0
    before = out.read_bytes()
    refused(lopore("split", out), "'crack' has 1 image", "--leave-out")
    assert out.read_bytes() == before
    assert lopore("split", out, "--leave-out", "crack").exit_code == 0
    result = lopore("check", out)
    assert result.exit_code == 1
    assert "one-image" in result.stdout


def test_check_lists_everything_at_once(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set")
    save(folder / "crack" / "copy.bmp", film(0))
    save(folder / "pore" / "grey.png", np.full((96, 96), 90, np.uint8))
    save(folder / "pore" / "faint.png", (film(3) // 64 + 90).astype(np.uint8))
    save(folder / "pore" / "deep.png", film(51, dtype=np.uint16))
    save(folder / "pore" / "large.png", film(52, side=480))
    save(folder / "masks" / "pore" / "p1.png", np.zeros((50, 50), np.uint8))
    (folder / "pore" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "slag").mkdir()
    result = lopore("check", folder, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    codes = {finding["code"]: finding["level"] for finding in told["findings"]}
    assert codes.items() >= {
        "fault": "error", "unreadable": "error", "label-conflict": "error", "one-image": "error", "mask-size": "error",
        "blank": "warning", "low-contrast": "warning", "mixed-depths": "warning", "mixed-sizes": "warning",
        "duplicates": "warning", "mask-absent": "warning",
    }.items()  # fmt: skip
    assert told["errors"] == sum(level == "error" for level in (f["level"] for f in told["findings"]))
    assert (told["images"], told["readable"]) == (18, 17)


def test_check_sees_changed_and_lost_files_of_a_manifest(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set")
    out = tmp_path / "films.csv"
    assert lopore("index", folder, "--out", out).exit_code == 0
    assert lopore("check", out).exit_code == 0
    save(folder / "pore" / "p0.png", film(99))
    (folder / "pore" / "p1.png").unlink()
    result = lopore("check", out, "--json")
    assert result.exit_code == 1
    found = {finding["code"]: finding["paths"] for finding in json.loads(result.stdout)["findings"]}
    assert found["changed"] == ["pore/p0.png"]
    assert found["unreadable"] == ["pore/p1.png"]


def test_made_films_go_through_every_command(tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "films.csv"
    assert (
        lopore("synth", films, "--films", 12, "--size", 128, "--class", "pore", "--class", "no_defect=8").exit_code == 0
    )
    refused(lopore("synth", films, "--films", 2), "not empty")
    assert lopore("index", films / "labels.csv", "--out", out).exit_code == 0
    manifest = Manifest.read(out)
    assert manifest.class_counts == {"no_defect": 8, "pore": 12}
    assert manifest.about.licence == "CC0-1.0"
    assert all(row.mask and row.mm_per_pixel for row in manifest.rows)
    assert lopore("split", out, "--val", "0").exit_code == 0
    assert len(find_leaks(Manifest.read(out))) == 0
    assert lopore("check", out).exit_code == 0


def test_a_shell_sees_one_line_and_a_status_and_help_wakes_no_numpy(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\ngone.png,pore\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from lopore.cli import main; main()", "data", "index", "labels.csv"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "gone.png is not there" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
    asleep = "import sys, lopore.cli.data; sys.exit(bool({'numpy', 'cv2', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", asleep], check=False).returncode == 0


def test_real_films_are_indexed_with_their_copies_and_conflicts(tmp_path: Path, shared_data: Path) -> None:
    out = tmp_path / "films.csv"
    result = lopore("index", shared_data / "weld-radiographs", "--out", out, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["classes"] == {"lack_of_penetration": 194, "pore": 71}
    assert 60 <= told["groups"] <= 80
    conflicting = [path for conflict in told["conflicts"] for path in conflict["paths"]]
    truth = (shared_data / "weld-radiographs" / "groups.csv").read_text(encoding="utf-8").splitlines()
    assert {line.split(",")[0] for line in truth if line.endswith(",1")} <= set(conflicting)
