"""Damage that a JPEG decoder passes over shows as a step of brightness along one row of blocks, and is told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from made.images import Array

from lopore.errors import ImageError
from lopore.reading.jpeg_steps import brightness_step
from lopore.reading.radiograph import read_radiograph


def weld(seed: int = 0, height: int = 320, width: int = 400) -> Array:
    """A seam across the film, grain, a pore and a lead letter."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    values = 110 + 40 * np.exp(-(((y - height / 2) / 50) ** 2)) + 12 * np.sin(x / 60) + generator.normal(0, 4, y.shape)
    film: Array = values.clip(0, 255).astype(np.uint8)
    cv2.circle(film, (150, 160), 6, 70, -1)
    cv2.putText(film, "D3", (250, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 240, 4)
    return film


def stair(film: Array, row: int, column: int, step: int, block: int = 8) -> Array:
    """All blocks from one on brighter, as a changed mean leaves them."""
    values = film.astype(np.int16)
    values[row * block : (row + 1) * block, column * block :] += step
    values[(row + 1) * block :] += step
    return values.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("step", [-40, -9, 9, 25])
@pytest.mark.parametrize(("row", "column"), [(3, 9), (20, 25), (37, 44)])
def test_a_step_from_one_block_on_is_found_with_its_size(step: int, row: int, column: int) -> None:
    assert brightness_step(stair(weld(), row, column, step), 8) == pytest.approx(step, abs=1.5)


@pytest.mark.parametrize("block", [2, 4])
def test_a_step_is_found_where_the_decoder_shrank_the_image(block: int) -> None:
    assert brightness_step(stair(weld(), 20, 25, 20, block), block) == pytest.approx(20, abs=2)


def test_blocks_of_a_colour_image_go_by_fours() -> None:
    colour = np.dstack([stair(weld(), 10, 12, -15, 16)] * 3)
    assert brightness_step(colour, 8) == pytest.approx(-15, abs=2)


def barred(film: Array) -> Array:
    film[:64], film[256:] = 0, 0
    return film


def banner(film: Array) -> Array:
    film[:40] = 255 - film[:40]
    return film


def plate(film: Array) -> Array:
    film[104:, 200:] = np.minimum(film[104:, 200:], 215) + 40
    return film


def slope(film: Array) -> Array:
    rows, columns = np.mgrid[: film.shape[0], : film.shape[1]]
    return np.where(rows > 100 + columns / 25, film // 2, film).astype(np.uint8)


@pytest.mark.parametrize("change", [barred, banner, plate, slope, lambda film: film, lambda film: film * 0 + 9])
def test_borders_banners_plates_and_slanting_edges_are_no_steps(change: object) -> None:
    for seed in range(3):
        assert brightness_step(change(weld(seed)), 8) == 0  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (24, 64), (25, 63), (9, 4000), (4000, 9)])
@pytest.mark.parametrize("block", [1, 2, 4, 8])
def test_images_of_few_blocks_are_no_trouble(shape: tuple[int, int], block: int) -> None:
    assert brightness_step(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8), block) == 0


def test_of_changed_bits_hardly_one_leaves_a_wrong_film_without_a_word() -> None:
    """What remains changes a block or two: there a changed bit is another valid image."""
    content = cv2.imencode(".jpg", weld())[1].tobytes()
    truth, start = read_radiograph(content).pixels.astype(np.int16), content.index(b"\xff\xda") + 14
    seen = {"refused": 0, "noted": 0, "one block": 0, "silent": 0}
    for number in range(300):
        chance = np.random.default_rng(number)
        at = start + int(chance.integers(len(content) - start - 2))
        try:
            read = read_radiograph(
                content[:at] + bytes([content[at] ^ 1 << int(chance.integers(8))]) + content[at + 1 :]
            )
        except ImageError:
            seen["refused"] += 1
            continue
        changed = int((np.abs(read.pixels - truth) > 2).sum())
        noted = any("coding block" in note for note in read.notes)
        seen["noted" if noted else "one block" if changed <= 128 else "silent"] += 1
    assert seen["refused"] > 40
    assert seen["noted"] >= 5
    assert seen["silent"] <= 24, seen  # steps of a few grey levels, which grain hides
