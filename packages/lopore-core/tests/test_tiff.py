"""TIFF files: every usual layout, depth and page gives its grey values, and what would lose some is refused."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from made.codings import packed_tiff, refusal, tiff
from made.images import GENERATOR, GREY8, GREY16, GREY_AND_COLOUR, RGB16, Array

from lopore.reading.radiograph import describe, read_radiograph


def test_a_tiff_of_plain_strips_cut_short_is_refused() -> None:
    # tifffile writes the directory first, so every cut removes pixels only.
    content = tiff(GREY16, rowsperstrip=5)
    for size in range(len(content) - 600, len(content), 50):
        assert "cut short or damaged" in refusal(content[:size])


TIFFS: list[dict[str, Any]] = [
    {},
    {"byteorder": ">"},
    {"bigtiff": True},
    {"bigtiff": True, "byteorder": ">"},
    {"compression": "lzw"},
    {"compression": "zlib"},
    {"compression": "zlib", "predictor": True},
    {"compression": "packbits"},
    {"compression": "zstd"},
    {"compression": "lzma"},
    {"tile": (16, 32)},
    {"tile": (16, 32), "compression": "lzw"},
    {"rowsperstrip": 7},
    {"bigtiff": True, "compression": "lzw", "rowsperstrip": 3},
]


@pytest.mark.parametrize("options", TIFFS, ids=str)
@pytest.mark.parametrize("pixels", GREY_AND_COLOUR.values(), ids=GREY_AND_COLOUR)
def test_every_usual_tiff_layout_gives_the_same_pixels(pixels: Array, options: dict[str, Any]) -> None:
    if options.get("compression") in ("lzw", "packbits", "zstd", "lzma") or "predictor" in options:
        pytest.importorskip("imagecodecs")
    radiograph = read_radiograph(tiff(pixels, **options), channels=1 if pixels.ndim == 2 else 3)
    np.testing.assert_array_equal(radiograph.pixels, pixels)
    assert radiograph.source.format == "tiff"
    assert radiograph.source.pages == 1


@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"compression": "lzw"}, {"bigtiff": True}], ids=str)
@pytest.mark.parametrize("pixels", [GREY8, GREY16], ids=["grey8", "grey16"])
def test_min_is_white_is_turned_so_that_greater_is_brighter(pixels: Array, options: dict[str, Any]) -> None:
    content = tiff(pixels, photometric="miniswhite", **options)
    np.testing.assert_array_equal(read_radiograph(content).pixels, np.iinfo(pixels.dtype).max - pixels)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("compression", [None, "packbits", "lzw"])
def test_one_bit_tiff_becomes_black_and_white(photometric: str, compression: str | None) -> None:
    if compression is not None:
        pytest.importorskip("imagecodecs")
    bits = GREY8 > 99
    content = tiff(bits, photometric=photometric, compression=compression)
    expected = np.where(bits == (photometric == "minisblack"), 255, 0)
    radiograph = read_radiograph(content)
    assert radiograph.source.file_depth == 1
    np.testing.assert_array_equal(radiograph.pixels, expected)


def test_a_fax_coded_tiff_is_read() -> None:
    pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    image = pytest.importorskip("PIL.Image")
    stream = BytesIO()
    image.fromarray(GREY8 > 99).save(stream, "TIFF", compression="group4")
    np.testing.assert_array_equal(read_radiograph(stream.getvalue()).pixels, np.where(GREY8 > 99, 255, 0))


@pytest.mark.parametrize("depth", [2, 4, 10, 12, 14])
def test_packed_tiff_depths_keep_their_grey_values(depth: int) -> None:
    values = GENERATOR.integers(0, 2**depth, (11, 13)).astype(np.uint16)
    values[0, 0] = 2**depth - 1
    radiograph = read_radiograph(packed_tiff(values, depth))
    unit = 255 // (2**depth - 1) if depth < 8 else 1
    np.testing.assert_array_equal(radiograph.pixels, values * unit)
    assert radiograph.source.file_depth == depth
    assert depth < 8 or radiograph.notes == (f"{depth} of 16 bits are in use",)


def test_tiff_planes_stored_apart_are_put_together() -> None:
    content = tiff(np.ascontiguousarray(np.moveaxis(RGB16, 2, 0)), planarconfig="separate")
    np.testing.assert_array_equal(read_radiograph(content, channels=3).pixels, RGB16)


@pytest.mark.parametrize("pixels", GREY_AND_COLOUR.values(), ids=GREY_AND_COLOUR)
def test_tiff_alpha_is_dropped_where_opaque_and_shown_over_white_otherwise(pixels: Array) -> None:
    alpha = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
    options: dict[str, Any] = {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    options["photometric"] = "rgb" if pixels.ndim == 3 else "minisblack"
    content = tiff(np.dstack([pixels, alpha]), **options)
    np.testing.assert_array_equal(read_radiograph(content, channels=1 if pixels.ndim == 2 else 3).pixels, pixels)
    alpha[0, 0] = 0
    shown = read_radiograph(tiff(np.dstack([pixels, alpha]), **options), channels=1 if pixels.ndim == 2 else 3)
    assert "partly transparent; shown over white" in shown.notes
    assert (shown.pixels[0, 0] == np.iinfo(pixels.dtype).max).all()
    np.testing.assert_array_equal(shown.pixels[1:], pixels[1:])
    options["extrasamples"] = ["unspecified"]
    assert "may be transparency" in refusal(tiff(np.dstack([pixels, alpha]), **options))


def pages(*images: Array, **first: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    stream = BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for number, image in enumerate(images):
            writer.write(image, photometric="minisblack", metadata=None, **(first if number == 0 else {}))
    return stream.getvalue()


def test_a_tiff_of_several_pages_asks_which_and_gives_that_one() -> None:
    content = pages(GREY8, GREY16, GREY8[::-1])
    assert "holds 3 pages; choose one of 1 to 3 with --page" in refusal(content)
    for page, expected in ((1, GREY8), (2, GREY16), (3, GREY8[::-1])):
        radiograph = read_radiograph(content, page=page)
        np.testing.assert_array_equal(radiograph.pixels, expected)
        assert (radiograph.source.page, radiograph.source.pages) == (page, 3)
    for page in (0, 4, -1):
        assert f"no page {page}; allowed are 1 to 3" in refusal(content, page=page)
    assert describe(content).pages == 3
    assert describe(content, page=2).depth == 16


def test_thumbnails_are_no_pages() -> None:
    content = pages(GREY8[::4, ::4].copy(), GREY16, subfiletype=1)
    np.testing.assert_array_equal(read_radiograph(content).pixels, GREY16)


def test_tiff_directories_that_run_in_circles_are_refused() -> None:
    content = bytearray(packed_tiff(GREY16 >> 4, 12))
    content[-4:] = content[4:8]
    assert "never end" in refusal(bytes(content))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_signed_tiff_values_are_shifted_up_without_loss(dtype: str) -> None:
    values = GENERATOR.integers(-128, 128, (11, 13)).astype(dtype)
    read = read_radiograph(tiff(values))
    half = -int(np.iinfo(dtype).min)
    np.testing.assert_array_equal(read.pixels, values.astype(np.int64) + half)
    assert f"signed values shifted up by {half}" in read.notes


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint32", "int32"])
@pytest.mark.parametrize("options", [{}, {"byteorder": ">"}, {"compression": "zlib", "predictor": True}], ids=str)
def test_wide_tiff_values_that_are_whole_and_fit_are_kept(dtype: str, options: dict[str, Any]) -> None:
    values = GENERATOR.integers(0, 2000, (11, 13)).astype(dtype)
    read = read_radiograph(tiff(values, **options))
    assert read.pixels.dtype == np.uint16
    np.testing.assert_array_equal(read.pixels, values)
    assert "whole numbers kept as they are" in read.notes[0]


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "predictor": True, "rowsperstrip": 3}], ids=str)
def test_floating_point_tiff_is_read_by_a_window_that_is_stated(options: dict[str, Any]) -> None:
    values = GENERATOR.normal(0.5, 3, (11, 13)).astype(np.float32)
    values[3, 4] = np.nan
    read = read_radiograph(tiff(values, **options))
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    expected = np.rint((values.astype(np.float64) - low) / (high - low) * 65535)
    expected[3, 4] = 0
    np.testing.assert_array_equal(read.pixels, expected)
    assert read.notes[0].startswith(f"32-bit floating-point values brought to 16 bits: grey 0 is {low:g}, 65535 is")
    assert "1 values that are no numbers" in read.notes[0]


def test_a_floating_point_tiff_may_state_its_window_itself() -> None:
    values = np.linspace(0.25, 0.75, 99, dtype=np.float32).reshape(9, 11)
    read = read_radiograph(tiff(values, extratags=[(340, 11, 1, 0.0, True), (341, 11, 1, 1.0, True)]))
    np.testing.assert_array_equal(read.pixels, np.rint(values.astype(np.float64) * 65535))
    assert "as its tags state" in read.notes[0]


def test_lab_and_cmyk_tiff_give_light() -> None:
    grey = GREY8[:, :, None]
    ink = np.concatenate([np.zeros((*GREY8.shape, 3), np.uint8), 255 - grey], axis=2)
    read = read_radiograph(tiff(ink, photometric="separated"))
    np.testing.assert_array_equal(read.pixels, GREY8)
    assert "CMYK converted to light without a colour profile" in read.notes
    for bits in (8, 16):
        top = 2**bits - 1
        light = np.linspace(0, top, 37 * 53).reshape(37, 53).round().astype(f"u{bits // 8}")
        lab = np.dstack([light, np.zeros_like(light), np.zeros_like(light)])
        read = read_radiograph(tiff(lab, photometric="cielab"))
        # CIE 1976 and IEC 61966-2-1: lightness to luminance to sRGB.
        star = light / top * 100
        luminance = np.where(star > 8, ((star + 16) / 116) ** 3, star / 903.3)
        srgb = np.where(luminance <= 0.0031308, 12.92 * luminance, 1.055 * luminance ** (1 / 2.4) - 0.055)
        assert np.abs(read.pixels / top - srgb).max() < 0.004


def test_a_cmyk_jpeg_gives_light() -> None:
    image = pytest.importorskip("PIL.Image")
    ink = np.zeros((40, 48, 4), np.uint8)
    ink[:, :, 3] = np.linspace(0, 200, 48).astype(np.uint8)
    stream = BytesIO()
    image.fromarray(ink, "CMYK").save(stream, "JPEG", quality=98)
    read = read_radiograph(stream.getvalue())
    assert np.abs(read.pixels.astype(int) - (255 - ink[:, :, 3].astype(int))).max() <= 3
    assert "CMYK converted to light without a colour profile" in read.notes


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_lzw_tiff_of_one_value_is_read(dtype: type[np.generic]) -> None:
    for shape in ((1000, 1200), (1, 1), (1, 4000)):
        for value in (0, 7):
            pixels = np.full(shape, value, dtype)
            np.testing.assert_array_equal(read_radiograph(tiff(pixels, compression="lzw")).pixels, pixels)


@pytest.mark.parametrize(
    ("dots", "unit", "pitch"),
    [((508, 508), "INCH", 0.05), ((250, 250), "CENTIMETER", 0.04), ((300, 300), "INCH", None), ((72, 72), "INCH", None),
     ((96, 96), "INCH", None), ((508, 254), "INCH", None), ((508, 508), "NONE", None), ((28, 28), "CENTIMETER", None)],
)  # fmt: skip
def test_only_a_scanners_resolution_is_a_pixel_pitch(dots: tuple[int, int], unit: str, pitch: float | None) -> None:
    radiograph = read_radiograph(tiff(GREY16, resolution=dots, resolutionunit=unit))
    assert radiograph.pixel_pitch_mm == (pitch if pitch is None else pytest.approx(pitch))
    assert any("resolution" in note for note in radiograph.notes) == (pitch is not None)


class Counted(bytes):
    """Bytes that know the longest part that was ever taken out of them."""

    longest = 0

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        if isinstance(key, slice):
            self.longest = max(self.longest, len(part))
        return part


def test_a_tag_that_claims_the_whole_file_costs_no_copy_of_it() -> None:
    content = bytearray(tiff(GREY8) + bytes(1_000_000))
    at = content.index(struct.pack("<HH", 296, 3))  # the unit of the resolution, one number as a rule
    content[at : at + 12] = struct.pack("<HHII", 296, 1, len(content) - 8, 8)
    counted = Counted(content)
    describe(counted)
    assert counted.longest < 1000
