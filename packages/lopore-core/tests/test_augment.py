"""Augmentation recipes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from lopore.affine import Affine
from lopore.augmentation.augmenter import Augmenter
from lopore.augmentation.contact_sheet import preview_sheet
from lopore.augmentation.geometric_steps import _smooth_field
from lopore.augmentation.moving import moved
from lopore.augmentation.small_defects import destroys_small_defects
from lopore.config.augmentation import Augmentation
from lopore.errors import ConfigError

STEPS = tuple(name for name in Augmentation.model_fields if name != "others")
MOVES = ("horizontal_flip", "vertical_flip", "quarter_turns", "random_crop", "scale", "rotate", "elastic")


def recipe(**steps: Any) -> Augmentation:
    return Augmentation.model_validate(steps)


def always(name: str, **ranges: Any) -> Augmentation:
    return recipe(**{name: {"probability": 1.0, **ranges}})


def film(dtype: str = "uint8", side: int = 48) -> NDArray[Any]:
    rows, columns = np.mgrid[0:side, 0:side]
    grey = (
        70
        + columns * 1.5
        + 40 * np.exp(-(((rows - 20) / 8) ** 2))
        + np.random.default_rng(0).normal(0, 2, (side, side))
    )
    pixels = np.clip(grey, 0, 255).astype(np.uint8)[:, :, None]
    return pixels if dtype == "uint8" else np.asarray(pixels.astype(np.uint16) * 257 + 3)


def test_none_means_none_and_so_does_an_empty_recipe() -> None:
    pixels = film()
    for nothing in ("none", recipe()):
        augmenter = Augmenter(nothing, (48, 48))
        assert not augmenter.changes
        assert augmenter(pixels, epoch=0, index=0)[0] is pixels


def test_a_step_is_switched_on_by_true_and_off_by_false() -> None:
    assert list(recipe(rotate=True, gamma=False, noise={"probability": 0.1}).steps) == ["rotate", "noise"]
    assert recipe(rotate=True).rotate == recipe(rotate={}).rotate


@pytest.mark.parametrize(
    "wrong",
    [
        {"rotate": {"degree": 5}}, {"rotat": True}, {"gamma": {"exponent": [2, 1]}}, {"motion_blur": {"length": 4}},
        {"noise": {"probability": 0}}, {"random_crop": {"smallest_area": 1.5}}, {"gaussian_blur": {"sigma": [-1, 1]}},
    ],
)  # fmt: skip
def test_a_range_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        recipe(**wrong)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("name", STEPS)
def test_every_step_changes_pixels_and_keeps_shape_depth_and_input(name: str, dtype: str) -> None:
    pixels = film(dtype)
    before = pixels.copy()
    augmenter = Augmenter(always(name), (48, 48), seed=1)
    out = [augmenter(pixels, epoch=0, index=index)[0] for index in range(6)]
    assert {(item.shape, str(item.dtype)) for item in out} == {((48, 48, 1), dtype)}
    assert sum(not np.array_equal(item, pixels) for item in out) >= 3
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("name", ["horizontal_flip", "vertical_flip", "quarter_turns"])
def test_sixteen_bits_survive_a_pure_move_without_loss(name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (32, 32, 1), dtype=np.uint16)
    out, _ = Augmenter(always(name), (32, 32))(pixels, epoch=0, index=3)
    np.testing.assert_array_equal(np.sort(out.reshape(-1)), np.sort(pixels.reshape(-1)))


def test_colour_pictures_keep_their_three_channels() -> None:
    pixels = np.repeat(film(), 3, axis=2)
    out, _ = Augmenter(recipe(**dict.fromkeys(STEPS, True)), (48, 48))(pixels, epoch=0, index=0)
    assert out.shape == (48, 48, 3)


@pytest.mark.parametrize("name", MOVES)
def test_masks_move_with_the_pixels(name: str) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[10:30, 36:58] = 2
    pixels = np.where(mask > 0, 200, 40).astype(np.uint8)[:, :, None]
    augmenter = Augmenter(always(name), (64, 64), seed=4)
    for index in range(6):
        out, moved = augmenter(pixels, epoch=0, index=index, mask=mask)
        assert moved is not None
        assert moved.dtype == np.uint8
        assert set(np.unique(moved)) <= {0, 2}
        inside = out[:, :, 0] > 120
        union = np.logical_or(inside, moved == 2).sum()
        assert np.logical_and(inside, moved == 2).sum() / union > 0.9


@pytest.mark.parametrize("name", [step for step in STEPS if step not in MOVES])
def test_masks_stay_where_the_pixels_stay(name: str) -> None:
    mask = np.random.default_rng(0).integers(0, 3, (48, 48)).astype(np.uint8)
    _, moved = Augmenter(always(name), (48, 48))(film(), epoch=0, index=0, mask=mask)
    np.testing.assert_array_equal(moved, mask)


def test_a_picture_depends_on_seed_epoch_and_number_and_on_nothing_else() -> None:
    full = recipe(**dict.fromkeys(STEPS, True))
    pixels = film()

    def draw(augmenter: Augmenter, key: tuple[int, int]) -> bytes:
        return augmenter(pixels, epoch=key[0], index=key[1])[0].tobytes()

    keys = [(epoch, index) for epoch in range(3) for index in range(8)]
    straight = Augmenter(full, (48, 48), seed=7)
    expected = {key: draw(straight, key) for key in keys}
    shared = Augmenter(full, (48, 48), seed=7)
    with ThreadPoolExecutor(4) as pool:
        got = dict(zip(reversed(keys), pool.map(lambda key: draw(shared, key), reversed(keys)), strict=True))
    assert got == expected
    assert len(set(expected.values())) == len(keys)
    assert draw(Augmenter(full, (48, 48), seed=8), (0, 0)) != expected[0, 0]


def test_steps_are_drawn_apart_from_each_other() -> None:
    flips = Augmenter(recipe(horizontal_flip=True, vertical_flip=True), (48, 48))
    pixels = film()
    seen = {flips(pixels, epoch=0, index=index)[0].tobytes() for index in range(40)}
    assert len(seen) == 4


def test_a_step_meets_about_its_share_of_the_pictures() -> None:
    flip = Augmenter(recipe(horizontal_flip={"probability": 0.25}), (48, 48))
    pixels = film()
    changed = sum(not np.array_equal(flip(pixels, epoch=0, index=index)[0], pixels) for index in range(400))
    assert 70 <= changed <= 130


def test_turns_stay_in_their_range() -> None:
    line = np.zeros((101, 101, 1), np.uint8)
    line[48:53, 15:86] = 255
    for index in range(20):
        out, _ = Augmenter(always("rotate", degrees=15), (101, 101))(line, epoch=0, index=index)
        angle = cv2.minAreaRect(np.argwhere(out[20:81, 20:81, 0] > 127)[:, ::-1].astype(np.float32))[2] % 90
        assert min(angle, 90 - angle) <= 15.5


def test_quarter_turns_of_a_strip_are_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="need a square input"):
        Augmenter(recipe(quarter_turns=True), (32, 64))


@pytest.mark.parametrize("name", [step for step in STEPS if step != "quarter_turns"])
def test_strips_keep_their_shape(name: str) -> None:
    out, _ = Augmenter(always(name), (24, 80))(np.full((24, 80, 1), 90, np.uint8), epoch=0, index=0)
    assert out.shape == (24, 80, 1)


@pytest.mark.parametrize(
    "harsh",
    [
        {"gaussian_blur": {"sigma": [3, 5]}}, {"motion_blur": {"length": 31}}, {"noise": {"sigma": [0.08, 0.12]}},
        {"random_crop": {"smallest_area": 0.1}}, {"brightness_contrast": {"brightness": 1.0}},
    ],
)  # fmt: skip
def test_a_step_that_wipes_out_small_defects_is_named(harsh: dict[str, Any]) -> None:
    warnings = destroys_small_defects(recipe(horizontal_flip=True, **harsh), (96, 96))
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{next(iter(harsh))}: ")
    assert "\n" not in warnings[0]


def test_the_default_ranges_leave_small_defects_alone() -> None:
    assert destroys_small_defects(recipe(**dict.fromkeys(STEPS, True)), (96, 96)) == []
    assert destroys_small_defects("none", (96, 96)) == []


def test_what_small_means_decides_whether_a_blur_is_too_much() -> None:
    blur = always("gaussian_blur", sigma=[1.5, 1.8])
    assert destroys_small_defects(blur, (128, 128), defect_px=2)
    assert not destroys_small_defects(blur, (128, 128), defect_px=12)


def test_the_preview_sheet_shows_the_untouched_picture_first_and_then_what_training_sees(tmp_path: Path) -> None:
    images, flips = [film(), film()[::-1].copy()], always("horizontal_flip")
    path = preview_sheet(tmp_path / "preview.png", images, ["pore", "größer"], flips, versions=3, heading="a run")
    sheet = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert sheet is not None

    def places(image: NDArray[Any]) -> int:
        windows = np.lib.stride_tricks.sliding_window_view(sheet, image.shape[:2])
        return int((windows == image[:, :, 0]).all(axis=(2, 3)).sum())

    assert places(images[0]) == places(images[1]) == 1
    assert places(np.ascontiguousarray(images[0][:, ::-1])) == 3
    assert [item.name for item in tmp_path.iterdir()] == ["preview.png"]


def test_a_preview_without_augmentation_shows_each_picture_once_at_any_depth(tmp_path: Path) -> None:
    path = preview_sheet(tmp_path / "preview.png", [film("uint16", 300)], ["ok"], "none")
    sheet = cv2.imread(str(path))
    assert sheet is not None
    assert sheet.shape[0] < 300


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_signal_spreads_about_mid_grey_and_leaves_it_where_it_is(dtype: Any) -> None:
    top = np.iinfo(dtype).max
    image = np.full((16, 16, 1), (top + 1) // 2, dtype)
    image[4:8, 4:8] = top // 4
    changed = Augmenter(recipe(signal={"factor": [0.5, 0.5], "probability": 1}), (16, 16))(image, epoch=0, index=0)[0]
    assert changed.dtype == dtype
    assert abs(int(changed[0, 0, 0]) - (top + 1) // 2) <= 1
    assert int(changed[5, 5, 0]) / top == pytest.approx(0.375, abs=0.003)
    both = [
        Augmenter(recipe(signal={"factor": [0.5, 2.0], "probability": 1}), (16, 16), seed=7)(image, epoch=e, index=i)[0]
        for e, i in ((0, 1), (0, 1), (0, 2), (1, 1))
    ]
    assert (both[0] == both[1]).all()
    assert len({int(one[5, 5, 0]) for one in both}) == 3


def test_an_elastic_warp_shifts_by_its_root_mean_square_up_to_the_edges() -> None:
    fields = [_smooth_field((96, 160), 12.0, np.random.default_rng(seed)) for seed in range(40)]
    every = np.stack(fields)
    assert every.shape == (40, 96, 160)
    assert float(np.sqrt((every**2).mean())) == pytest.approx(1, abs=0.05)
    assert float(np.sqrt((every[:, [0, -1]] ** 2).mean())) == pytest.approx(1, abs=0.15)
    steps = np.diff(every, axis=2)
    assert float(np.sqrt((steps**2).mean())) == pytest.approx(1 / (2**0.5 * 12), rel=0.1)  # of a Gaussian of 12 px


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_grain_has_the_stated_deviation_at_either_depth(dtype: str) -> None:
    flat = np.full((128, 128, 1), np.iinfo(dtype).max // 2, dtype)
    out, _ = Augmenter(always("noise", sigma=[0.02, 0.02]), (128, 128))(flat, epoch=0, index=0)
    change = (out.astype(np.float64) - flat) / np.iinfo(dtype).max
    assert change.std() == pytest.approx(0.02, rel=0.03)
    assert abs(change.mean()) < 0.001
    assert abs(np.corrcoef(change[:, :-1].ravel(), change[:, 1:].ravel())[0, 1]) < 0.05


def test_moves_that_follow_each_other_interpolate_once_and_whole_turns_never() -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (40, 40, 1), np.uint16)
    turned, _ = Augmenter(recipe(horizontal_flip=True, vertical_flip=True, quarter_turns=True), (40, 40))(
        deep, epoch=0, index=2
    )
    assert np.array_equal(np.sort(turned, axis=None), np.sort(deep, axis=None)) and not np.array_equal(turned, deep)
    there, back = Affine(1.1, 0.2, -3.0, -0.2, 1.1, 4.0), Affine(1.1, 0.2, -3.0, -0.2, 1.1, 4.0).inverse()
    once, _ = moved(deep, None, there.then(back))
    twice, _ = moved(moved(deep, None, there)[0], None, back)
    assert np.array_equal(once, deep) and not np.array_equal(twice, deep)


def test_a_box_lands_where_the_move_takes_its_corners() -> None:
    mask = np.zeros((80, 80), np.uint8)
    mask[20:36, 30:54] = 1
    move = Affine(xx=-1.5, x0=100.0, yy=1.25, y0=-7.0)
    _, drawn = moved(mask[:, :, None], mask, move)
    assert drawn is not None
    rows, columns = np.nonzero(drawn)
    left, top = move(54, 20)
    right, bottom = move(30, 36)
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.abs(np.array(found) - (left, top, right, bottom)).max() <= 1
