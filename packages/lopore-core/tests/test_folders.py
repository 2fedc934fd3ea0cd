"""Folders as people have them: masks by documented names, two files of one film, what machines leave, other layouts."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from made.commands import lopore, refused
from made.films import smooth
from made.images import save

from lopore.data.folders import list_folder
from lopore.data.index import list_images
from lopore.data.listing import Listing
from lopore.data.mask_pairs import names_a_mask


def mask(path: Path) -> None:
    save(path, np.full((96, 96), 255, np.uint8))


def masks_of(listing: Listing) -> dict[str, tuple[str, ...]]:
    return {entry.path: entry.mask for entry in listing.entries}


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".bmp"])
def test_a_png_beside_an_image_of_one_name_is_a_copy_and_no_mask(tmp_path: Path, suffix: str) -> None:
    for number, label in enumerate(("pore", "ok")):
        save(tmp_path / label / "W1.png", smooth(number, dtype=np.uint16))
        save(tmp_path / label / f"W1{suffix}", smooth(number))
    listing = list_folder(tmp_path)
    assert masks_of(listing) == {"ok/W1.png": (), "pore/W1.png": ()}
    assert any("2 films have a second file" in note and "16 bits instead of 8" in note for note in listing.notes)
    assert not listing.faults


def test_a_preview_that_keeps_the_suffix_of_its_original_is_a_copy(tmp_path: Path) -> None:
    save(tmp_path / "pore" / "W1.tif", smooth(1, dtype=np.uint16))
    save(tmp_path / "pore" / "W1.tif.png", smooth(1))
    assert [entry.path for entry in list_folder(tmp_path).entries] == ["pore/W1.tif"]


def test_the_larger_of_two_equally_deep_files_is_kept_and_another_shape_is_another_film(tmp_path: Path) -> None:
    save(tmp_path / "pore" / "a.png", smooth(1))
    cv2.imwrite(str(tmp_path / "pore" / "a.tif"), cv2.resize(smooth(1), (192, 192)))
    save(tmp_path / "pore" / "b.png", smooth(2))
    cv2.imwrite(str(tmp_path / "pore" / "b.tif"), smooth(3)[:40])
    assert [entry.path for entry in list_folder(tmp_path).entries] == ["pore/a.tif", "pore/b.png", "pore/b.tif"]


def test_a_png_that_looks_like_a_mask_needs_a_name_or_a_word(tmp_path: Path) -> None:
    save(tmp_path / "pore" / "a.jpg", smooth(1))
    drawn = np.zeros((96, 96), np.uint8)
    drawn[20:30, 20:30] = 255
    save(tmp_path / "pore" / "a.png", drawn)
    listing = list_folder(tmp_path)
    assert [name for name, _ in listing.faults] == ["pore/a.png"]
    refused(lopore("data", "index", tmp_path, "--out", tmp_path / "x.csv"), "--masks beside")
    assert masks_of(list_folder(tmp_path, masks="beside")) == {"pore/a.jpg": ("pore/a.png",)}


@pytest.mark.parametrize(
    "folder", ["@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", ".Trashes", "@Recycle", "~snapshot", "Thumbnails"]
)
def test_what_machines_leave_is_no_film_and_no_class(tmp_path: Path, folder: str) -> None:
    save(tmp_path / "pore" / "a.png", smooth(1))
    save(tmp_path / "pore" / folder / "a.png" / "THUMB.jpg", smooth(1))
    save(tmp_path / folder / "pore" / "old.png", smooth(2))
    listing = list_folder(tmp_path)
    assert [(entry.path, entry.labels) for entry in listing.entries] == [("pore/a.png", ("pore",))]
    assert folder.startswith(".") or any("of the machine passed over" in note for note in listing.notes)


def test_masks_of_mvtec_stay_within_their_class(tmp_path: Path) -> None:
    save(tmp_path / "train" / "good" / "000.png", smooth(0))
    for number, label in enumerate(("lop", "pore", "good")):
        save(tmp_path / "test" / label / "000.png", smooth(number + 1))
    save(tmp_path / "test" / "pore" / "001.png", smooth(9))
    mask(tmp_path / "ground_truth" / "lop" / "000_mask.png")
    mask(tmp_path / "ground_truth" / "pore" / "000_mask.png")
    mask(tmp_path / "ground_truth" / "lop" / "001_mask.png")
    found = {path: masks for path, masks in masks_of(list_folder(tmp_path)).items() if masks}
    assert found == {
        "test/lop/000.png": ("ground_truth/lop/000_mask.png",),
        "test/pore/000.png": ("ground_truth/pore/000_mask.png",),
    }


def test_several_masks_of_one_image_are_found_and_never_taken_for_films(tmp_path: Path) -> None:
    for number, name in enumerate(("C1_00042", "C1_00043", "C1_0004")):
        save(tmp_path / "images" / f"{name}.png", smooth(number))
    for name in ("C1_00042_0", "C1_00042_1", "C1_00042_2", "C1_00043_gt", "C1_0004_mask"):
        mask(tmp_path / "masks" / f"{name}.png")
    assert masks_of(list_folder(tmp_path)) == {
        "images/C1_00042.png": tuple(f"masks/C1_00042_{number}.png" for number in range(3)),
        "images/C1_00043.png": ("masks/C1_00043_gt.png",),
        "images/C1_0004.png": ("masks/C1_0004_mask.png",),
    }


@pytest.mark.parametrize("name", ["a_gt.png", "a_mask.png", "a-mask.png", "a_mask_0.png", "masks/a.png", "gt/x/a.png"])
def test_documented_names_are_masks(name: str) -> None:
    assert names_a_mask(name)
    assert not names_a_mask("pore/W17_1.png")


def test_a_wrapped_set_is_looked_through_and_it_is_said(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number, label in enumerate(("pore", "ok")):
            save(tmp_path / "archive" / "set" / split / label / f"{split}.png", smooth(number))
    listing = list_folder(tmp_path)
    assert {(entry.labels, entry.split) for entry in listing.entries} == {
        ((label,), split) for label in ("pore", "ok") for split in ("train", "test")
    }
    assert any("archive/set holds the whole set" in note for note in listing.notes)


def test_a_lone_class_folder_stays_a_class(tmp_path: Path) -> None:
    save(tmp_path / "pore" / "a.png", smooth(1))
    save(tmp_path / "pore" / "b.png", smooth(2))
    assert {entry.labels for entry in list_folder(tmp_path).entries} == {("pore",)}


def test_images_beside_masks_take_a_label_from_an_option(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "images" / f"f{number}.png", smooth(number))
    mask(tmp_path / "masks" / "f0_mask.png")
    save(tmp_path / "masks" / "f1_mask.png", np.zeros((96, 96), np.uint8))
    assert {entry.labels for entry in list_folder(tmp_path).entries} == {()}
    found = {entry.path: entry.labels for entry in list_folder(tmp_path, label="pore").entries}
    assert found == {"images/f0.png": ("pore",), "images/f1.png": ("no_defect",), "images/f2.png": ()}


@pytest.mark.parametrize("drawn", ["labels", "Annotations", "targets", "ann"])
def test_what_stands_beside_a_folder_of_images_holds_masks_and_is_no_class(drawn: str, tmp_path: Path) -> None:
    for split in ("train", "val"):
        for number in range(3):
            save(tmp_path / split / "images" / f"f{number}.png", smooth(number))
            mask(tmp_path / split / drawn / f"f{number}.png")
    entries = list_folder(tmp_path, label="pore").entries
    assert [entry.path for entry in entries] == [f"{s}/images/f{n}.png" for s in ("train", "val") for n in range(3)]
    assert [entry.mask for entry in entries] == [(f"{s}/{drawn}/f{n}.png",) for s in ("train", "val") for n in range(3)]


def test_masks_of_objects_beside_masks_of_classes_are_not_added_up(tmp_path: Path) -> None:
    save(tmp_path / "JPEGImages" / "f0.jpg", smooth(0))
    for folder in ("SegmentationClass", "SegmentationObject"):
        mask(tmp_path / folder / "f0.png")
    assert masks_of(list_folder(tmp_path, label="pore")) == {"JPEGImages/f0.jpg": ("SegmentationClass/f0.png",)}


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (("weld/set/lop", "weld/set/pore", "weld"), "lop, pore lie inside weld, which is the one class"),
        (("A/lop", "A/pore", "B/lop", "B/pore"), "lop, pore lie inside A, B, which are the classes"),
        (
            ("plate/train/ok", "plate/test/ok", "pipe/train/ok"),
            "test, train lie inside pipe, plate: taken for no split",
        ),
        (("pore/train", "pore/test", "ok/train"), "test, train lie inside ok, pore: taken for no split"),
        (("pore/shop1", "pore/shop2", "ok/shop3"), ""),
        (("pore", "ok/a/b"), ""),
    ],
)
def test_folders_inside_classes_that_look_like_classes_or_splits_are_said(
    folders: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    for number, folder in enumerate(folders):
        save(tmp_path / folder / f"{number}.png", smooth(number))
    notes = [note for note in list_folder(tmp_path).notes if " inside " in note]
    assert len(notes) == bool(said)
    assert not said or notes[0].startswith(said)


def test_a_class_that_is_called_labels_stays_one_without_a_folder_of_images(tmp_path: Path) -> None:
    for name in ("labels", "pore"):
        for number in range(2):
            save(tmp_path / name / f"{name}{number}.png", smooth(number))
    assert {entry.labels for entry in list_folder(tmp_path).entries} == {("labels",), ("pore",)}


def test_composed_and_decomposed_names_are_one(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Prüfung") for form in ("NFC", "NFD"))
    save(tmp_path / composed / "a.png", smooth(1))
    save(tmp_path / decomposed / f"{decomposed}.png", smooth(2))
    mask(tmp_path / "masks" / f"{composed}.png")
    listing = list_folder(tmp_path)
    assert {entry.labels for entry in listing.entries} == {(composed,)}
    assert [entry.mask for entry in listing.entries if entry.path.startswith(decomposed)] == [
        (f"masks/{composed}.png",)
    ]


def test_a_sound_class_can_be_declared_and_is_proposed(tmp_path: Path) -> None:
    for number, label in enumerate(("ND", "pore")):
        save(tmp_path / "set" / label / "a.png", smooth(number))
    result = lopore("data", "index", tmp_path / "set", "--out", tmp_path / "x.csv")
    assert "if ND is, say --sound 'ND'" in result.output
    listing = list_images(tmp_path / "set", sound=["ND"])
    assert {entry.labels for entry in listing.entries} == {("no_defect",), ("pore",)}
    refused(lopore("data", "index", tmp_path / "set", "--sound", "NO", "--out", tmp_path / "y.csv"), "ND")
