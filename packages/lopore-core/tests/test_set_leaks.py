"""`lopore data leaks A B`: equal files, copies, shared parts and film numbers between any two sets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made.commands import lopore
from made.images import save
from numpy.typing import NDArray

from lopore.data.image_sets import read_image_set

SIDE = 160


def weld(seed: int, width: int = SIDE) -> NDArray[np.uint8]:
    """A seam with grain and spots of its own."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(-3, 3, SIDE)[:, None]
    field = 90 + 60 * np.exp(-(rows**2)) + rng.normal(0, 6, (SIDE, width))
    for _ in range(25 * width // SIDE):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, SIDE))
        cv2.circle(field, (x, y), int(rng.integers(2, 8)), float(rng.uniform(40, 220)), -1)
    return np.asarray(np.clip(cv2.GaussianBlur(field, (0, 0), 1.0), 0, 255), np.uint8)


def found(*arguments: Any) -> tuple[int, dict[str, Any]]:
    result = lopore("data", "leaks", *arguments, "--json")
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    for number in range(6):
        save(tmp_path / "a" / f"a{number}.png", weld(number))
        save(tmp_path / "b" / f"b{number}.png", weld(100 + number))
    return tmp_path / "a", tmp_path / "b"


def test_sets_that_share_nothing_leak_nothing(sets: tuple[Path, Path]) -> None:
    code, report = found(*sets)
    assert code == 0
    assert report["leaks"] == []
    assert report["images"] == [6, 6]


def test_every_kind_is_named_with_its_evidence_and_the_exit_status_tells(
    sets: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second = sets
    wide = weld(50, 2 * SIDE)
    save(first / "left.png", wide[:, :SIDE])
    save(second / "middle.png", wide[:, SIDE // 2 : SIDE // 2 + SIDE])
    shutil.copy(first / "a0.png", second / "copied.png")
    save(second / "coded.tif", weld(1))
    save(second / "flipped.png", weld(2)[:, ::-1])
    code, report = found(*sets, "--out", tmp_path / "out")
    assert code == 1
    pairs = {Path(leak["second"]).name: (Path(leak["first"]).name, leak["why"]) for leak in report["leaks"]}
    assert pairs == {
        "copied.png": ("a0.png", "same bytes"), "coded.tif": ("a1.png", "same pixels"),
        "flipped.png": ("a2.png", "near copy"), "middle.png": ("left.png", "near copy"),
    }  # fmt: skip
    evidence = {Path(leak["second"]).name: leak["evidence"] for leak in report["leaks"]}
    assert "flipped left to right" in evidence["flipped.png"]
    assert "show one part" in evidence["middle.png"]
    sheet = cv2.imread(str(tmp_path / "out" / "leaks.png"))
    assert sheet is not None and sheet.shape[0] > 4 * 220
    assert (tmp_path / "out" / "leaks.csv").read_text().count("\n") == 5


def test_one_film_number_on_both_is_a_leak(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "a" / f"R13_[1][{number}].png", weld(number))
        save(tmp_path / "b" / f"R13_[7][{number}].png", weld(40 + number))
        save(tmp_path / "b" / f"R14_[7][{number}].png", weld(80 + number))
    code, report = found(tmp_path / "a", tmp_path / "b")
    assert code == 1
    assert report["pairs"].keys() == {"same film number"}
    assert report["leaking"] == [4, 4]


def test_coco_and_yolo_sets_of_others_are_read(sets: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = sets
    shutil.copy(first / "a3.png", second / "x.png")
    images = [{"id": 1, "file_name": f"images/{path.name}"} for path in sorted(first.iterdir())]
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco" / "train.json").write_text(json.dumps({"images": images, "annotations": []}))
    shutil.copytree(first, tmp_path / "coco" / "images")
    (tmp_path / "yolo" / "images" / "train").mkdir(parents=True)
    for path in second.iterdir():
        shutil.copy(path, tmp_path / "yolo" / "images" / "train" / path.name)
    (tmp_path / "yolo" / "data.yaml").write_text("path: .\ntrain: images/train\nnames: {0: pore}\n")
    code, report = found(tmp_path / "coco" / "train.json", tmp_path / "yolo" / "data.yaml")
    assert code == 1
    assert [Path(leak["second"]).name for leak in report["leaks"]] == ["x.png"]
    images.append({"id": 9, "file_name": "gone.png"})
    (tmp_path / "coco" / "train.json").write_text(json.dumps({"images": images}))
    assert read_image_set(tmp_path / "coco" / "train.json").missing == ("gone.png",)


def test_a_source_that_names_no_image_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]")
    for source in (tmp_path / "x.json", tmp_path / "nothing", tmp_path):
        result = lopore("data", "leaks", source, source)
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
        assert "name" in result.output
