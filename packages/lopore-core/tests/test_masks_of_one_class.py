"""A mask of one value marks the class of its film, whatever the value is; contradictions are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray

from lopore.data.manifest import Manifest
from lopore.data.masks import read_mask
from lopore.data.targets import leave_out, targets_of
from lopore.errors import DataError
from lopore.preprocessing.geometry import Geometry
from lopore.preprocessing.pipeline import preprocess, read_for
from lopore.record.preprocessing import Preprocessing

SIDE = 32


@pytest.fixture
def geometry(tmp_path: Path) -> Geometry:
    cv2.imwrite(str(tmp_path / "film.png"), np.full((SIDE, SIDE), 90, np.uint8))
    recipe = Preprocessing(size=(SIDE, SIDE))
    return preprocess(read_for(recipe, tmp_path / "film.png"), recipe)[1]


def mask(folder: Path, *values: int) -> tuple[Path, NDArray[np.uint8]]:
    """A mask with a band of each value."""
    bands = np.zeros((SIDE, SIDE), np.uint8)
    for number, value in enumerate(values):
        bands[4 + 8 * number : 10 + 8 * number] = value
    cv2.imwrite(str(folder / "mask.png"), bands)
    return folder / "mask.png", bands


@pytest.mark.parametrize("mask_class", [1, 2, 3])
@pytest.mark.parametrize("value", [1, 2, 5, 255])
def test_a_mask_of_one_value_marks_the_class_of_its_film(
    tmp_path: Path, geometry: Geometry, mask_class: int, value: int
) -> None:
    path, bands = mask(tmp_path, value)
    found = read_mask(path, geometry, mask_class, classes=3)
    np.testing.assert_array_equal(found, np.where(bands > 0, mask_class, 0))


def test_class_numbers_are_those_of_a_film_with_several_classes(tmp_path: Path, geometry: Geometry) -> None:
    path, bands = mask(tmp_path, 1, 3)
    np.testing.assert_array_equal(read_mask(path, geometry, 0, classes=3), bands)


@pytest.mark.parametrize(
    ("values", "mask_class", "said"),
    [
        ((1, 2), 2, "several values up to 2, and its picture one class"),
        ((3, 7), 1, "several values up to 7, and its picture one class"),
        ((1, 255), 0, "marks by grey values, but its picture has several classes"),
        ((1,), -1, "marks a defect, and its picture has no class"),
        ((255,), -1, "marks a defect, and its picture has no class"),
    ],
)
def test_a_mask_that_does_not_fit_its_film_s_classes_is_refused(
    tmp_path: Path, geometry: Geometry, values: tuple[int, ...], mask_class: int, said: str
) -> None:
    path, _ = mask(tmp_path, *values)
    with pytest.raises(DataError, match=said):
        read_mask(path, geometry, mask_class, classes=3)


def test_a_sound_film_may_have_an_empty_mask(tmp_path: Path, geometry: Geometry) -> None:
    path, bands = mask(tmp_path)
    np.testing.assert_array_equal(read_mask(path, geometry, -1, classes=3), bands)


@pytest.mark.parametrize("left_out", [(), ("pore",)])
def test_masks_of_made_films_teach_the_class_that_the_film_is_labelled_with(
    tmp_path: Path, invoke: Callable[..., Result], left_out: tuple[str, ...]
) -> None:
    assert invoke("data", "synth", "raw", "--films", 12, "--size", 96).exit_code == 0
    assert invoke("data", "index", "raw", "--out", "films.csv").exit_code == 0
    manifest = leave_out(Manifest.read(tmp_path / "films.csv"), left_out)
    classes = targets_of(manifest, "segmentation").classes
    marked = set()
    for row in manifest.rows:
        path = manifest.mask_file(row)
        assert path is not None
        recipe = Preprocessing(size=(96, 96))
        shape = preprocess(read_for(recipe, manifest.file(row)), recipe)[1]
        number = classes.index(row.labels[0]) + 1 if row.labels[0] in classes else -1
        found = read_mask(path, shape, number, len(classes))
        marked |= {(row.labels[0], classes[value - 1]) for value in np.unique(found).tolist() if value}
    assert marked == {(name, name) for name in classes}
