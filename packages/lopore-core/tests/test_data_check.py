"""``lopore data split`` and ``check``: groups stay whole, leaks, changed and lost files are found."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from made.commands import lopore, refused
from made.films import class_folders, smooth
from made.images import save

from lopore.data.index import complete
from lopore.data.leaks import find_leaks
from lopore.data.manifest import Manifest


def test_split_keeps_groups_whole_is_repeatable_and_guards_a_split_that_is_there(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 10)
    for number in range(10):
        save(folder / "pore" / f"p{number}_flip.png", smooth(number)[::-1])
    films, out = tmp_path / "films.csv", tmp_path / "split.csv"
    assert lopore("data", "index", folder, "--out", films).exit_code == 0
    told = json.loads(lopore("data", "split", films, "--out", out, "--folds", 3, "--json").stdout)
    assert told["split_kind"] == "grouped"
    assert set(told["splits"]) == {"train", "val", "test", "fold 0", "fold 1", "fold 2"}
    manifest = Manifest.read(out)
    assert len(find_leaks(manifest)) == len(find_leaks(manifest, "folds")) == 0
    assert lopore("data", "split", films, "--out", out, "--folds", 3).exit_code == 0
    refused(lopore("data", "split", films, "--out", out, "--seed", 5), "--replace")
    assert Manifest.read(out).split_fingerprint == told["split_fingerprint"]
    assert lopore("data", "check", out).exit_code == 0


def test_a_split_by_image_is_marked_and_its_leaks_are_found(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set", 8)
    for number in range(8):
        save(folder / "pore" / f"p{number}_bright.jpg", cv2.convertScaleAbs(smooth(number), alpha=1.1))
    out = tmp_path / "films.csv"
    assert lopore("data", "index", folder, "--out", out).exit_code == 0
    assert lopore("data", "split", out, "--by", "image").exit_code == 0
    assert Manifest.read(out).about.split_kind == "random"
    result = lopore("data", "check", out, "--json")
    assert result.exit_code == 1
    found = {finding["code"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert "near duplicate" in found["leak"]["message"]


def test_leaks_are_found_in_a_hand_made_manifest_without_checksums(tmp_path: Path) -> None:
    for number in range(8):
        save(tmp_path / f"{number}.png", smooth(number))
    save(tmp_path / "copy.bmp", smooth(0))
    save(tmp_path / "turned.jpg", np.rot90(smooth(1)))
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
    save(folder / "crack" / "only.png", smooth(77))
    out = tmp_path / "films.csv"
    assert lopore("data", "index", folder, "--out", out, "--groups", "none").exit_code == 0
    before = out.read_bytes()
    refused(lopore("data", "split", out), "'crack' has 1 image", "--leave-out")
    assert out.read_bytes() == before
    assert lopore("data", "split", out, "--leave-out", "crack").exit_code == 0
    result = lopore("data", "check", out)
    assert result.exit_code == 1
    assert "one-image" in result.stdout


def test_check_lists_everything_at_once(tmp_path: Path) -> None:
    folder = class_folders(tmp_path / "set")
    save(folder / "crack" / "copy.bmp", smooth(0))
    save(folder / "pore" / "grey.png", np.full((96, 96), 90, np.uint8))
    save(folder / "pore" / "faint.png", (smooth(3) // 64 + 90).astype(np.uint8))
    save(folder / "pore" / "deep.png", smooth(51, dtype=np.uint16))
    save(folder / "pore" / "large.png", smooth(52, side=480))
    save(folder / "masks" / "pore" / "p1.png", np.zeros((50, 50), np.uint8))
    (folder / "pore" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "slag").mkdir()
    result = lopore("data", "check", folder, "--json")
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
    assert lopore("data", "index", folder, "--out", out).exit_code == 0
    assert lopore("data", "check", out).exit_code == 0
    save(folder / "pore" / "p0.png", smooth(99))
    (folder / "pore" / "p1.png").unlink()
    result = lopore("data", "check", out, "--json")
    assert result.exit_code == 1
    found = {finding["code"]: finding["paths"] for finding in json.loads(result.stdout)["findings"]}
    assert found["changed"] == ["pore/p0.png"]
    assert found["unreadable"] == ["pore/p1.png"]
