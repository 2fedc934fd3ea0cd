"""JPEG files: grey as libjpeg gives it, upright, shrunk while decoding without a shift, odd kinds refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from made.codings import WHOLE, chunk, exif, jpeg, png_of, refusal, tiff
from made.images import GREY8, RGB8, Array, film

from lopore.reading.radiograph import describe, read_radiograph


def turned(image: Array, orientation: int) -> Array:
    """The upright view of a stored image, by EXIF's own words: where row 0 and column 0 lie."""
    mirrored = {1: image, 2: image[:, ::-1], 3: image[::-1, ::-1], 4: image[::-1]}
    if orientation in mirrored:
        return mirrored[orientation]
    across = np.swapaxes(image, 0, 1)
    return {5: across, 6: across[:, ::-1], 7: across[::-1, ::-1], 8: across[::-1]}[orientation]


def test_grey_of_a_jpeg_is_its_luminance_and_equals_opencv() -> None:
    for content in (jpeg(film()), jpeg(cv2.resize(RGB8, (161, 119), interpolation=cv2.INTER_CUBIC))):
        coded = np.frombuffer(content, np.uint8)
        np.testing.assert_array_equal(read_radiograph(content).pixels, cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
        colour = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
        np.testing.assert_array_equal(read_radiograph(content, channels=3).pixels, colour[:, :, ::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(orientation: int) -> None:
    image = film(40, 64)
    stored = read_radiograph(jpeg(image)).pixels
    radiograph = read_radiograph(jpeg(image, orientation))
    np.testing.assert_array_equal(radiograph.pixels, turned(stored, orientation))
    assert radiograph.original_shape == radiograph.pixels.shape
    assert describe(jpeg(image, orientation)).height == radiograph.pixels.shape[0]
    for content in (
        png_of(GREY8, 0, chunk(b"eXIf", exif(orientation))),
        tiff(GREY8, extratags=[(274, 3, 1, orientation, True)]),
    ):
        np.testing.assert_array_equal(read_radiograph(content).pixels, turned(GREY8, orientation))
    colour = read_radiograph(png_of(RGB8, 2, chunk(b"eXIf", exif(orientation))), channels=3).pixels
    np.testing.assert_array_equal(colour, turned(RGB8, orientation))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_senseless_orientation_is_ignored(value: int) -> None:
    assert read_radiograph(jpeg(film(40, 64), value)).pixels.shape == (40, 64)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shape", [(640, 512), (641, 515)])
def test_a_mark_keeps_its_place_when_the_jpeg_decoder_shrinks(orientation: int, shape: tuple[int, int]) -> None:
    image = np.full(shape, 40, np.uint8)
    image[200:232, 320:352] = 250
    content = jpeg(image, orientation)
    whole = read_radiograph(content).pixels
    small = read_radiograph(content, reduce_to=(120, 120))
    assert small.pixels.shape == tuple(-(-side // 4) for side in whole.shape)
    assert small.original_shape == whole.shape
    rows, columns = np.nonzero(small.pixels > 145)
    x, y = small.to_original(float(columns.mean()) + 0.5, float(rows.mean()) + 0.5)
    true_rows, true_columns = np.nonzero(whole > 145)
    assert abs(x - true_columns.mean() - 0.5) < 1
    assert abs(y - true_rows.mean() - 0.5) < 1


@pytest.mark.parametrize(
    ("wanted", "shape"),
    [((480, 640), (480, 640)), ((240, 320), (240, 320)), ((241, 320), (480, 640)), ((120, 100), (120, 160)),
     ((60, 80), (60, 80)), ((8, 8), (60, 80))],
)  # fmt: skip
def test_the_decoder_shrinks_no_further_than_asked(wanted: tuple[int, int], shape: tuple[int, int]) -> None:
    content = jpeg(film(480, 640))
    assert read_radiograph(content, reduce_to=wanted).pixels.shape == shape
    assert read_radiograph(png_of(GREY8, 0), reduce_to=(8, 8)).pixels.shape == GREY8.shape


def test_shrinking_equals_opencvs_own_reduction() -> None:
    content = jpeg(film(480, 640))
    for scale, flag in ((2, cv2.IMREAD_REDUCED_GRAYSCALE_2), (4, cv2.IMREAD_REDUCED_GRAYSCALE_4)):
        small = read_radiograph(content, reduce_to=(480 // scale, 640 // scale)).pixels
        np.testing.assert_array_equal(small, cv2.imdecode(np.frombuffer(content, np.uint8), flag))


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    content = WHOLE["progressive"]
    scan = content.rindex(b"\xff\xda")
    assert "scans" in refusal(content[:-2] + content[scan:-2] * 200 + b"\xff\xd9")


def test_lossless_and_deep_jpeg_are_refused_in_plain_words() -> None:
    lossless = WHOLE["jpeg"].replace(b"\xff\xc0", b"\xff\xc3", 1)
    assert "lossless" in refusal(lossless)
    deep = bytearray(WHOLE["jpeg"])
    deep[deep.index(b"\xff\xc0") + 4] = 12
    assert "12 bits" in refusal(bytes(deep))
