"""Masks mean one thing to training and checks: numbers, grey edges, palettes, colours, and what is not known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray
from PIL import Image

from lopore.affine import Affine
from lopore.arrays import IGNORE
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.mask_files import read_mask_file
from lopore.data.masks import mark_of, onto_input, read_mask
from lopore.data.targets import leave_out, targets_of
from lopore.errors import DataError, ImageError
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


def palette_file(path: Path, indices: NDArray[np.uint8], palette: list[tuple[int, int, int]], suffix: str) -> Path:
    """An indexed PNG, BMP or TIFF as other tools write it."""
    image = Image.fromarray(indices, "P")
    image.putpalette([value for entry in palette for value in entry])
    path = path.with_suffix(suffix)
    image.save(path)
    return path


VOC = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128), (128, 128, 128)]
VOC += [(64, 0, 0)] * 247 + [(224, 224, 192)]


@pytest.mark.parametrize("label", [1, 2, 3])
@pytest.mark.parametrize("value", [1, 2, 5, 255])
def test_a_mask_of_one_value_marks_the_class_of_its_film(
    tmp_path: Path, geometry: Geometry, label: int, value: int
) -> None:
    path, bands = mask(tmp_path, value)
    found = read_mask([path], geometry, [label], classes=3)
    np.testing.assert_array_equal(found, np.where(bands > 0, label, 0))


def test_class_numbers_are_those_of_a_film_with_several_classes(tmp_path: Path, geometry: Geometry) -> None:
    path, bands = mask(tmp_path, 1, 3)
    np.testing.assert_array_equal(read_mask([path], geometry, [1, 3], classes=3), bands)


@pytest.mark.parametrize("values", [(6, 7, 8), (4, 5), (1, 2, 9)])
def test_object_numbers_all_mark_the_class_of_their_film(
    tmp_path: Path, geometry: Geometry, values: tuple[int, ...]
) -> None:
    path, bands = mask(tmp_path, *values)
    np.testing.assert_array_equal(read_mask([path], geometry, [2], classes=3), np.where(bands > 0, 2, 0))


@pytest.mark.parametrize(
    ("values", "labels"), [((1, 255), [1]), ((2, 255), [2]), ((1, 2, 255), [1, 2]), ((7, 255), [2])]
)
def test_255_beside_small_numbers_is_not_known(
    tmp_path: Path, geometry: Geometry, values: tuple[int, ...], labels: list[int]
) -> None:
    path, bands = mask(tmp_path, *values)
    found = read_mask([path], geometry, labels, classes=3)
    np.testing.assert_array_equal(found == IGNORE, bands == 255)
    assert set(np.unique(found).tolist()) == {0, IGNORE, *labels}
    marked = mark_of([path], geometry, labels, classes=3)
    assert marked is not None
    assert not marked[bands == 255].any()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_a_palette_file_is_read_by_index(tmp_path: Path, geometry: Geometry, suffix: str) -> None:
    _, bands = mask(tmp_path, 1, 2, 255)
    path = palette_file(tmp_path / "indexed", bands, VOC, suffix)
    np.testing.assert_array_equal(read_mask([path], geometry, [1, 2], classes=2), bands)


def test_a_palette_that_begins_with_white_holds_colours_not_numbers(tmp_path: Path, geometry: Geometry) -> None:
    _, bands = mask(tmp_path, 1)
    path = palette_file(tmp_path / "indexed", 1 - bands, [(255, 255, 255), (0, 0, 0)], ".png")
    np.testing.assert_array_equal(read_mask([path], geometry, [2], classes=2), 2 * bands)


def test_a_palette_saved_as_colours_keeps_its_numbers(tmp_path: Path, geometry: Geometry) -> None:
    _, bands = mask(tmp_path, 1, 2, 255)
    Image.open(palette_file(tmp_path / "indexed", bands, VOC, ".png")).convert("RGB").save(tmp_path / "colour.png")
    np.testing.assert_array_equal(read_mask([tmp_path / "colour.png"], geometry, [1, 2], classes=2), bands)


@pytest.mark.parametrize(
    ("values", "labels", "said"),
    [
        ((1, 2), [2], "holds the class numbers 1, 2, its image is labelled with class 2 alone"),
        ((100, 200), [1], r"several levels \(100 and 200\), and its image one class"),
        ((40, 90), [1], r"several levels \(40 and 90\), and its image one class"),
        ((100, 255), [1, 2], "holds 100 and 255, but its image has several classes"),
        ((1, 3), [1, 2], "holds the class numbers 1 and 3, its image is labelled with class 1 and 2 alone"),
        ((1,), [], "marks a defect, and its image has no class"),
        ((255,), [], "marks a defect, and its image has no class"),
    ],
)
def test_a_mask_that_does_not_fit_its_film_s_classes_is_refused(
    tmp_path: Path, geometry: Geometry, values: tuple[int, ...], labels: list[int], said: str
) -> None:
    path, _ = mask(tmp_path, *values)
    for read in (read_mask, mark_of):
        with pytest.raises(DataError, match=said.replace("1, 2,", "1 and 2,")):
            read([path], geometry, labels, 3)


@pytest.mark.parametrize("high", [200, 254])
@pytest.mark.parametrize("suffix", ["", ".png", ".bmp"])
def test_a_ring_of_another_number_than_255_is_not_taken_for_the_mark(
    high: int, suffix: str, tmp_path: Path, geometry: Geometry
) -> None:
    path, bands = mask(tmp_path, 1, high)
    if suffix:
        path = palette_file(tmp_path / "indexed", bands, VOC, suffix)
    with pytest.raises(DataError, match=f"holds the numbers 1 and {high}, .* the ring is 255"):
        read_mask([path], geometry, [1], 3)


@pytest.mark.parametrize("colour", [(255, 255, 255), (255, 0, 0)], ids=["white", "red"])
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_what_is_transparent_is_ground(
    colour: tuple[int, ...], depth: type, tmp_path: Path, geometry: Geometry
) -> None:
    drawn = np.zeros((SIDE, SIDE, 4), depth)
    drawn[8:20, 4:12] = (*colour[::-1], 255)
    cv2.imwrite(str(tmp_path / "mask.png"), drawn * (257 if depth is np.uint16 else 1))
    np.testing.assert_array_equal(read_mask([tmp_path / "mask.png"], geometry, [2], 3), (drawn[..., 3] > 0) * 2)


def test_a_transparent_mask_of_another_format_is_refused(tmp_path: Path, geometry: Geometry) -> None:
    Image.fromarray(np.zeros((SIDE, SIDE, 4), np.uint8), "RGBA").save(tmp_path / "mask.tif")
    with pytest.raises(ImageError, match="is partly transparent; save it as PNG"):
        read_mask([tmp_path / "mask.tif"], geometry, [1], 1)


def test_two_colours_are_no_one_class(tmp_path: Path, geometry: Geometry) -> None:
    colours = np.zeros((SIDE, SIDE, 3), np.uint8)
    colours[2:8, 2:8], colours[20:26, 20:26] = (0, 0, 255), (0, 255, 0)
    cv2.imwrite(str(tmp_path / "two.png"), colours)
    with pytest.raises(DataError, match="marks by 2 colours, and its image has one class"):
        read_mask([tmp_path / "two.png"], geometry, [1], classes=2)
    cv2.imwrite(str(tmp_path / "one.png"), np.where(colours[..., 2:] > 0, colours, 0))
    np.testing.assert_array_equal(read_mask([tmp_path / "one.png"], geometry, [1], classes=2), colours[..., 2] // 255)


def test_grey_edges_and_jpeg_are_cut_at_half(tmp_path: Path, geometry: Geometry) -> None:
    disc = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (16, 16), 8, 255, -1)
    soft = cv2.GaussianBlur(disc, (0, 0), 1.0)
    cv2.imwrite(str(tmp_path / "soft.png"), soft)
    np.testing.assert_array_equal(read_mask([tmp_path / "soft.png"], geometry, [1], classes=1), soft >= 128)
    cv2.imwrite(str(tmp_path / "lossy.jpg"), disc, [cv2.IMWRITE_JPEG_QUALITY, 60])
    found = read_mask([tmp_path / "lossy.jpg"], geometry, [1], classes=1)
    assert np.logical_xor(found == 1, disc > 0).mean() < 0.02


def test_several_masks_of_one_film_are_added_up(tmp_path: Path, geometry: Geometry) -> None:
    paths = []
    for number in (4, 20):
        one = np.zeros((SIDE, SIDE), np.uint8)
        one[number : number + 6, 4:12] = 255
        cv2.imwrite(str(tmp_path / f"film_{number}.png"), one)
        paths.append(tmp_path / f"film_{number}.png")
    both = sum(read_mask_file(path).numbers // 255 for path in paths)
    np.testing.assert_array_equal(read_mask(paths, geometry, [2], classes=2), 2 * both)


def test_a_sound_film_may_have_an_empty_mask(tmp_path: Path, geometry: Geometry) -> None:
    path, bands = mask(tmp_path)
    np.testing.assert_array_equal(read_mask([path], geometry, [], classes=3), bands)


def test_a_coarser_pixel_is_not_known_where_neither_class_nor_ground_fills_half_of_it() -> None:
    fine = np.zeros((4, 4), np.uint8)
    fine[:2, :2], fine[2:, :2] = 1, IGNORE
    fine[0, 2:], fine[1, 2] = 1, IGNORE
    coarse = onto_input(fine, Geometry((4, 4), (2, 2), Affine(xx=0.5, yy=0.5)))
    np.testing.assert_array_equal(coarse, [[1, 1], [IGNORE, 0]])


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
        recipe = Preprocessing(size=(96, 96))
        shape = preprocess(read_for(recipe, manifest.file(row)), recipe)[1]
        numbers = [classes.index(row.labels[0]) + 1] if row.labels[0] in classes else []
        found = read_mask(manifest.mask_files(row), shape, numbers, len(classes))
        marked |= {(row.labels[0], classes[value - 1]) for value in np.unique(found).tolist() if value}
    assert marked == {(name, name) for name in classes}


def test_leaving_out_a_class_never_gives_its_number_in_a_mask_to_another() -> None:
    def of(*labels: str, path: str = "a.png", mask: tuple[str, ...] = ("m.png",)) -> Row:
        return Row(path=path, labels=labels, mask=mask)

    rows = (of("crack", path="c.png"), of("pore", "slag"), of("pore", path="p.png"))
    with pytest.raises(DataError, match=r"leaves out every crack, and the mask of a\.png numbers its classes with it"):
        leave_out(Manifest(rows, Path()), ("crack",))
    assert (
        len(leave_out(Manifest((rows[0], rows[2]), Path()), ("crack",))) == 1
    )  # one class: its mask may hold any value
    assert len(leave_out(Manifest((*rows[:2], of("slag", path="s.png")), Path()), ("slag",))) == 2  # 1 crack, 2 pore
