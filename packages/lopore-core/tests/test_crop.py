"""``lopore data crop``: parts of films keep pixels, masks, group, split and their place on the film."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from made.commands import lopore, refused

from lopore.data.crop_places import Region, sound_windows, windows_around
from lopore.data.leaks import find_leaks
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.reading.radiograph import read_radiograph

POROUS, CRACK = (40, 30, 60, 44), (150, 70, 290, 76)


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manifest:
    """Two 16-bit films of one weld with a pore and a crack, and a sound one of another; 300 x 120 px."""
    monkeypatch.chdir(tmp_path)
    rng, rows = np.random.default_rng(3), []
    for number, labels in enumerate((("crack", "pore"), ("pore",), ("no_defect",))):
        pixels = rng.integers(20000, 30000, (120, 300)).astype(np.uint16)
        mask = np.zeros((120, 300), np.uint8)
        for name, (left, top, right, bottom) in (("crack", CRACK), ("pore", POROUS)):
            if name in labels:
                mask[top:bottom, left:right] = ("crack", "pore").index(name) + 1
        cv2.imwrite(f"film{number}.png", pixels)
        cv2.imwrite(f"mask{number}.png", mask)
        weld, split = ("A", "train") if number < 2 else ("B", "test")
        rows.append(Row(path=f"film{number}.png", labels=labels, group=weld, split=split, fold=number // 2,
                        mask=(f"mask{number}.png",), mm_per_pixel=0.1))  # fmt: skip
    return Manifest(rows=tuple(rows), root=tmp_path).write(tmp_path / "films.csv")


def _place(row: Row) -> tuple[str, list[int]]:
    film, _, place = row.crop_of.partition("#xywh=")
    return film, [int(part) for part in place.split(",")]


def test_crops_around_masks_are_the_films_own_pixels_with_group_split_and_place(films: Manifest) -> None:
    done = lopore("data", "crop", "films.csv", "--around", "masks", "--size", 64, "--sound", 2, "--out", "crops")
    assert done.exit_code == 0, done.stderr
    made = Manifest.read(Path("crops/manifest.csv"))
    assert {label for row in made.rows for label in row.labels} == {"crack", "pore", "no_defect"}
    for row in made.rows:
        film, (left, top, width, height) = _place(row)
        source = next(one for one in films.rows if one.path == film)
        assert (row.group, row.split, row.fold, row.mm_per_pixel) == (source.group, source.split, source.fold, 0.1)
        assert (width, height, row.depth) == (64, 64, 16)
        whole, part = read_radiograph(films.file(source)).pixels, read_radiograph(made.file(row)).pixels
        assert np.array_equal(part, whole[top : top + height, left : left + width])
        whole_mask = cv2.imread(str(films.mask_files(source)[0]), cv2.IMREAD_UNCHANGED)
        part_mask = cv2.imread(str(made.mask_files(row)[0]), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(part_mask, whole_mask[top : top + height, left : left + width])
        shown = {("crack", "pore")[value - 1] for value in np.unique(part_mask) if value}
        assert set(row.labels) == (shown or {"no_defect"})
    assert sum("crack" in row.labels for row in made.rows) >= 3  # 140 px in pieces of 64
    assert sum(row.labels == ("no_defect",) for row in made.rows) == 6
    assert len(find_leaks(made)) == 0


def test_without_a_size_a_crop_is_the_mark_and_its_margin(films: Manifest) -> None:
    assert lopore("data", "crop", "films.csv", "--around", "masks", "--margin", 5, "--out", "crops").exit_code == 0
    places = [_place(row) for row in Manifest.read(Path("crops/manifest.csv")).rows]
    assert ("film0.png", [145, 65, 150, 16]) in places
    assert ("film1.png", [35, 25, 30, 24]) in places
    assert len(places) == 3


def test_crops_around_boxes_of_an_annotation_file(films: Manifest) -> None:
    boxes = [POROUS, CRACK]
    coco = {
        "images": [{"id": 1, "file_name": "film0.png", "width": 300, "height": 120}],
        "categories": [{"id": 1, "name": "pore"}, {"id": 2, "name": "crack"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": n, "bbox": [x, y, r - x, b - y], "iscrowd": 0, "area": 1}
            for n, (x, y, r, b) in enumerate(boxes, start=1)
        ],
    }
    Path("coco.json").write_text(json.dumps(coco))
    bare = [Row(path=row.path, labels=row.labels, group=row.group) for row in films.rows]
    Manifest(rows=tuple(bare), root=films.root).write(Path("bare.csv"))
    words = ("data", "crop", "bare.csv", "--around", "boxes", "--annotations", "coco.json", "--out", "crops")
    done = lopore(*words, "--margin", 0, "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["classes"] == {"crack": 1, "pore": 1}
    rows = {row.labels[0]: _place(row)[1] for row in Manifest.read(Path("crops/manifest.csv")).rows}
    assert rows == {"pore": [40, 30, 20, 14], "crack": [150, 69, 140, 8]}  # no image is under 8 px
    refused(lopore(*words), "not empty")


def test_the_seam_is_cut_out_whole_or_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    film = rng.normal(90, 3, (200, 600))
    film[70:130] += 60
    cv2.imwrite("weld.png", film.clip(0, 255).astype(np.uint8))
    cv2.imwrite("plate.png", rng.normal(90, 3, (200, 600)).clip(0, 255).astype(np.uint8))
    rows = tuple(Row(path=f"{name}.png", labels=("pore",), group=name) for name in ("weld", "plate"))
    Manifest(rows=rows, root=tmp_path).write(tmp_path / "films.csv")
    done = lopore("data", "crop", "films.csv", "--around", "seam", "--margin", 10, "--out", "whole")
    assert "plate.png: no seam stands out" in done.stderr
    (row,) = Manifest.read(Path("whole/manifest.csv")).rows
    left, top, width, height = _place(row)[1]
    assert left == 0 and width == 600 and 55 <= top <= 65 and 76 <= height <= 90
    assert row.labels == ("pore",)
    lopore("data", "crop", "films.csv", "--around", "seam", "--size", 128, "--out", "pieces")
    pieces = [_place(row)[1] for row in Manifest.read(Path("pieces/manifest.csv")).rows]
    assert {(width, height) for _, _, width, height in pieces} == {(128, 128)}
    assert sum(128 for _ in pieces) >= 600


def test_what_cannot_be_cut_is_one_line(films: Manifest) -> None:
    refused(lopore("data", "crop", "films.csv", "--around", "boxes"), "--annotations")
    refused(lopore("data", "crop", "films.csv", "--around", "masks", "--sound", 3), "--size")
    bare = Manifest(rows=(Row(path="film0.png", labels=("pore",)),), root=films.root).write(Path("bare.csv"))
    assert bare.location is not None
    refused(lopore("data", "crop", "bare.csv", "--around", "masks", "--out", "new"), "nothing was cut")


@pytest.mark.parametrize("box", [(0, 0, 4, 4), (290, 110, 300, 120), (5, 5, 299, 119), (100, 50, 110, 60)])
@pytest.mark.parametrize("size", [8, 64, 120, 500])
def test_windows_cover_their_region_and_stay_on_the_film(box: tuple[int, int, int, int], size: int) -> None:
    covered = np.zeros((120, 300), bool)
    for left, top, width, height in windows_around(Region(box), (120, 300), size, 0):
        assert left >= 0 and top >= 0 and left + width <= 300 and top + height <= 120
        assert (width, height) == (min(size, 300), min(size, 120))
        covered[top : top + height, left : left + width] = True
    assert covered[box[1] : box[3], box[0] : box[2]].all()


def test_sound_places_touch_no_mark_nothing_unknown_and_not_each_other() -> None:
    unknown = np.zeros((120, 300), bool)
    unknown[:, :100] = True
    found = sound_windows((120, 300), 32, [Region((150, 0, 200, 120))], unknown, 50, seed=1)
    assert found == sound_windows((120, 300), 32, [Region((150, 0, 200, 120))], unknown, 50, seed=1)
    taken = np.zeros((120, 300), int)
    taken[:, :100] += 1
    taken[:, 150:200] += 1
    for left, top, width, height in found:
        taken[top : top + height, left : left + width] += 1
    assert 4 <= len(found) < 50 and taken.max() == 1
    assert sound_windows((20, 20), 32, [], None, 3, seed=0) == []
