"""The one image loader: what it reads, what it refuses, and that nothing gets past it."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from lopore.errors import ConfigError, ImageError
from lopore.radiograph import Limits, Radiograph, describe, image_paths, read_radiograph, write_radiograph

Array = NDArray[Any]
GENERATOR = np.random.default_rng(7)
GREY8 = GENERATOR.integers(0, 256, (37, 53), dtype=np.uint8)
GREY16 = GENERATOR.integers(0, 65536, (37, 53), dtype=np.uint16)
RGB8 = GENERATOR.integers(0, 256, (37, 53, 3), dtype=np.uint8)
RGB16 = GENERATOR.integers(0, 65536, (37, 53, 3), dtype=np.uint16)


def film(height: int = 120, width: int = 160) -> Array:
    """A smooth picture with one bright corner, so that turns and shifts show."""
    y, x = np.mgrid[0:height, 0:width]
    picture = 60 + 40 * np.sin(x / 17) + 30 * np.cos(y / 11)
    picture[: height // 4, : width // 4] += 90
    grey: Array = picture.astype(np.uint8)
    return grey


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: list[bytes], *, before: bytes = b"") -> bytes:
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def png_of(pixels: Array, colour: int, before: bytes = b"") -> bytes:
    coded = pixels.astype(">u2") if pixels.dtype == np.uint16 else pixels
    rows = [row.tobytes() for row in coded]
    return png(pixels.shape[1], pixels.shape[0], 8 * pixels.dtype.itemsize, colour, rows, before=before)


def tiff(pixels: Array, **options: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    stream = BytesIO()
    options.setdefault("photometric", "rgb" if pixels.ndim == 3 else "minisblack")
    tifffile.imwrite(stream, pixels, metadata=None, **options)
    return stream.getvalue()


def bmp(pixels: Array) -> bytes:
    done, coded = cv2.imencode(".bmp", pixels)
    assert done
    return coded.tobytes()


def exif(orientation: int) -> bytes:
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def jpeg(pixels: Array, orientation: int | None = None, quality: int = 92) -> bytes:
    coded = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None]),
        quality=quality,
        colorspace="RGB" if pixels.ndim == 3 else "GRAY",
    )
    if orientation is None:
        return bytes(coded)
    body = b"Exif\0\0" + exif(orientation)
    return bytes(coded[:2]) + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + bytes(coded[2:])


def turned(picture: Array, orientation: int) -> Array:
    """The upright view of a stored picture, by EXIF's own words: where row 0 and column 0 lie."""
    mirrored = {1: picture, 2: picture[:, ::-1], 3: picture[::-1, ::-1], 4: picture[::-1]}
    if orientation in mirrored:
        return mirrored[orientation]
    across = np.swapaxes(picture, 0, 1)
    return {5: across, 6: across[:, ::-1], 7: across[::-1, ::-1], 8: across[::-1]}[orientation]


def refusal(content: bytes | Path, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        read_radiograph(content, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 420
    return text


pictures8 = arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20)))
pictures16 = arrays(np.uint16, st.tuples(st.integers(1, 20), st.integers(1, 20)))


@settings(max_examples=40, deadline=None)
@given(pictures8)
def test_one_8_bit_picture_gives_the_same_pixels_in_every_coding(picture: Array) -> None:
    codings = [
        png_of(picture, 0),
        png_of(np.dstack([picture] * 3), 2),
        png_of(np.dstack([picture, np.full_like(picture, 255)]), 4),
        write_radiograph(picture, None, "png"),
        write_radiograph(picture, None, "tiff"),
        tiff(picture, byteorder=">", compression="packbits"),
        tiff(255 - picture, photometric="miniswhite"),
        tiff(np.dstack([picture] * 3), bigtiff=True),
        bmp(picture),
        bmp(np.dstack([picture] * 3)),
    ]
    for content in codings:
        for channels in (1, 3):
            pixels = read_radiograph(content, channels=channels).pixels
            assert pixels.dtype == np.uint8
            expected = picture if channels == 1 else np.dstack([picture] * 3)
            np.testing.assert_array_equal(pixels, expected)


@settings(max_examples=40, deadline=None)
@given(pictures16)
@example(np.arange(65536, dtype=np.uint16).reshape(256, 256))
def test_a_16_bit_picture_keeps_every_bit_in_every_coding(picture: Array) -> None:
    codings = [
        png_of(picture, 0),
        png_of(np.dstack([picture] * 3), 2),
        write_radiograph(picture, None, "png"),
        write_radiograph(picture, None, "tiff"),
        tiff(picture, byteorder=">"),
        tiff(picture, compression="zlib", predictor=True),
        tiff(65535 - picture, photometric="miniswhite"),
        tiff(np.dstack([picture] * 3), compression="lzw"),
    ]
    for content in codings:
        radiograph = read_radiograph(content)
        assert radiograph.pixels.dtype == np.uint16
        assert radiograph.source.file_depth == 16
        np.testing.assert_array_equal(radiograph.pixels, picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_equal_colour_planes_stay_exactly_equal_at_every_grey_value(dtype: type) -> None:
    ramp: Array = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 256)
    content = write_radiograph(np.dstack([ramp] * 3), None)
    np.testing.assert_array_equal(read_radiograph(content).pixels, ramp)


def test_colour_becomes_grey_by_bt601_and_keeps_rgb_order() -> None:
    for picture in (RGB8, RGB16):
        for content in (write_radiograph(picture, None, "png"), write_radiograph(picture, None, "tiff")):
            np.testing.assert_array_equal(read_radiograph(content, channels=3).pixels, picture)
            grey = picture @ np.array([0.299, 0.587, 0.114])
            assert np.abs(read_radiograph(content).pixels - grey).max() <= picture.dtype.itemsize
    np.testing.assert_array_equal(read_radiograph(bmp(RGB8[:, :, ::-1]), channels=3).pixels, RGB8)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_png_of_few_bits_spreads_over_the_whole_range(depth: int) -> None:
    row = bytes([0b00011011, 0b11100100])
    levels = np.unpackbits(np.frombuffer(row, np.uint8)).reshape(-1, depth) @ (1 << np.arange(depth)[::-1])
    radiograph = read_radiograph(png(16 // depth, 2, depth, 0, [row, row]))
    np.testing.assert_array_equal(radiograph.pixels[1], levels * (255 // (2**depth - 1)))
    assert radiograph.source.file_depth == depth


def test_palette_png_gives_the_colours_of_its_palette() -> None:
    palette = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 9)], axis=1).astype(np.uint8)
    content = png_of(GREY8, 3, chunk(b"PLTE", palette.tobytes()))
    np.testing.assert_array_equal(read_radiograph(content, channels=3).pixels, palette[GREY8])
    grey = np.repeat(np.arange(256, dtype=np.uint8)[::-1, None], 3, axis=1)
    np.testing.assert_array_equal(read_radiograph(png_of(GREY8, 3, chunk(b"PLTE", grey.tobytes()))).pixels, 255 - GREY8)


@pytest.mark.parametrize("pixels", [GREY8, GREY16, RGB8, RGB16], ids=["grey8", "grey16", "rgb8", "rgb16"])
def test_opaque_alpha_is_dropped_and_real_transparency_is_refused(pixels: Array) -> None:
    top = np.iinfo(pixels.dtype).max
    alpha = np.full(pixels.shape[:2], top, pixels.dtype)
    colour = 4 if pixels.ndim == 2 else 6
    content = png_of(np.dstack([pixels, alpha]), colour)
    np.testing.assert_array_equal(read_radiograph(content, channels=1 if pixels.ndim == 2 else 3).pixels, pixels)
    alpha[3, 4] = top - 1
    assert "transparent" in refusal(png_of(np.dstack([pixels, alpha]), colour))


@pytest.mark.parametrize("pixels", [GREY8, GREY16, RGB8, RGB16], ids=["grey8", "grey16", "rgb8", "rgb16"])
def test_a_transparent_colour_counts_only_where_it_occurs(pixels: Array) -> None:
    even, colour = pixels & ~pixels.dtype.type(1), 0 if pixels.ndim == 2 else 2
    absent = chunk(b"tRNS", struct.pack(">H", 1) * (1 if pixels.ndim == 2 else 3))
    present = chunk(b"tRNS", np.atleast_1d(even[5, 6]).astype(">u2").tobytes())
    assert read_radiograph(png_of(even, colour, absent)).pixels.shape == pixels.shape[:2]
    assert "transparent" in refusal(png_of(even, colour, present))


def test_an_animated_png_is_refused() -> None:
    assert "animated" in refusal(png_of(GREY8, 0, chunk(b"acTL", struct.pack(">II", 2, 0))))


def test_grey_of_a_jpeg_is_its_luminance_and_equals_opencv() -> None:
    for content in (jpeg(film()), jpeg(cv2.resize(RGB8, (161, 119), interpolation=cv2.INTER_CUBIC))):
        coded = np.frombuffer(content, np.uint8)
        np.testing.assert_array_equal(read_radiograph(content).pixels, cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
        colour = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
        np.testing.assert_array_equal(read_radiograph(content, channels=3).pixels, colour[:, :, ::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(orientation: int) -> None:
    picture = film(40, 64)
    stored = read_radiograph(jpeg(picture)).pixels
    radiograph = read_radiograph(jpeg(picture, orientation))
    np.testing.assert_array_equal(radiograph.pixels, turned(stored, orientation))
    assert radiograph.original_shape == radiograph.pixels.shape
    assert describe(jpeg(picture, orientation)).height == radiograph.pixels.shape[0]
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
    picture = np.full(shape, 40, np.uint8)
    picture[200:232, 320:352] = 250
    content = jpeg(picture, orientation)
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


WHOLE = {
    "jpeg": jpeg(film()),
    "progressive": cv2.imencode(".jpg", film(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
    "png": png_of(GREY16, 0),
    "bmp": bmp(GREY8),
    "tiff": write_radiograph(GREY16, None, "tiff"),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_cut_short_anywhere_is_refused(kind: str) -> None:
    content = WHOLE[kind]
    # libjpeg-turbo needs no end marker once the last block is whole.
    last = len(content) - (4 if kind in ("jpeg", "progressive") else 1)
    for size in np.unique(np.linspace(1, last, 60).astype(int)):
        refusal(content[:size])


def test_a_tiff_of_plain_strips_cut_short_is_refused() -> None:
    # tifffile writes the directory first, so every cut removes pixels only.
    content = tiff(GREY16, rowsperstrip=5)
    for size in range(len(content) - 600, len(content), 50):
        assert "cut short or damaged" in refusal(content[:size])


def test_damage_inside_jpeg_png_and_deflated_tiff_is_refused() -> None:
    for content in (jpeg(film(400, 400)), png_of(GREY16, 0), tiff(GREY16, compression="zlib")):
        middle = len(content) // 2
        assert "cut short or damaged" in refusal(content[:middle] + content[middle + 120 :])


def test_a_png_with_too_little_picture_data_is_refused() -> None:
    rows = [row.tobytes() for row in GREY8[:20]]
    assert "damaged" in refusal(png(GREY8.shape[1], GREY8.shape[0], 8, 0, rows))


def test_an_enormous_png_header_is_refused_before_decoding() -> None:
    header = png(40_000, 40_000, 8, 0, [])
    for text in (refusal(header), refusal(header, channels=3)):
        assert "40000 x 40000 px (1600 million); allowed are 200 million" in text
    with pytest.raises(ImageError, match="LOPORE_MAX_PIXELS"):
        describe(header)


def test_limits_come_from_the_environment_and_from_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    content = png_of(GREY8, 0)
    monkeypatch.setenv("LOPORE_MAX_PIXELS", "1000")
    assert "million" in refusal(content)
    assert read_radiograph(content, limits=Limits()).pixels.shape == GREY8.shape
    monkeypatch.setenv("LOPORE_MAX_BYTES", "100")
    assert "LOPORE_MAX_BYTES" in refusal(content)
    monkeypatch.setenv("LOPORE_MAX_BYTES", "lots")
    with pytest.raises(ConfigError, match="whole number"):
        read_radiograph(content)
    assert "200 million and 40 a side" in refusal(content, limits=Limits(max_bytes=10**6, max_side=40))


@pytest.mark.parametrize("bad", ["-1", "0", "1e6", "9" * 30, "٣"])
def test_a_limit_that_is_no_number_is_refused(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOPORE_MAX_PIXELS", bad)
    with pytest.raises(ConfigError):
        Limits.from_environment()


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    content = WHOLE["progressive"]
    scan = content.rindex(b"\xff\xda")
    assert "scans" in refusal(content[:-2] + content[scan:-2] * 200 + b"\xff\xd9")


def test_cmyk_and_lossless_jpeg_are_refused_in_plain_words() -> None:
    image = pytest.importorskip("PIL.Image")
    stream = BytesIO()
    image.fromarray(np.zeros((8, 8, 4), np.uint8), "CMYK").save(stream, "JPEG")
    assert "CMYK" in refusal(stream.getvalue())
    lossless = WHOLE["jpeg"].replace(b"\xff\xc0", b"\xff\xc3", 1)
    assert "lossless" in refusal(lossless)
    deep = bytearray(WHOLE["jpeg"])
    deep[deep.index(b"\xff\xc0") + 4] = 12
    assert "12 bits" in refusal(bytes(deep))


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
@pytest.mark.parametrize("pixels", [GREY8, GREY16, RGB8, RGB16], ids=["grey8", "grey16", "rgb8", "rgb16"])
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


def packed_tiff(values: Array, depth: int) -> bytes:
    """A classic TIFF of one uncompressed strip with ``depth`` bits a value, written by hand."""
    height, width = values.shape
    bits = (values[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
    data = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1).tobytes()
    tags = [
        (256, width),
        (257, height),
        (258, depth),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, height),
        (279, len(data)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    pad = bytes(len(data) % 2)
    return (
        struct.pack("<2sHI", b"II", 42, 8 + len(data + pad))
        + data
        + pad
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


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


@pytest.mark.parametrize("pixels", [GREY8, GREY16, RGB8, RGB16], ids=["grey8", "grey16", "rgb8", "rgb16"])
def test_tiff_alpha_is_dropped_where_opaque_and_refused_otherwise(pixels: Array) -> None:
    alpha = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
    options: dict[str, Any] = {"extrasamples": ["unassalpha"], "planarconfig": "contig"}
    options["photometric"] = "rgb" if pixels.ndim == 3 else "minisblack"
    content = tiff(np.dstack([pixels, alpha]), **options)
    np.testing.assert_array_equal(read_radiograph(content, channels=1 if pixels.ndim == 2 else 3).pixels, pixels)
    alpha[0, 0] = 3
    assert "transparent" in refusal(tiff(np.dstack([pixels, alpha]), **options))


def pages(*pictures: Array, **first: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    stream = BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for number, picture in enumerate(pictures):
            writer.write(picture, photometric="minisblack", metadata=None, **(first if number == 0 else {}))
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


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint32", "int16", "int8"])
def test_tiff_values_that_would_be_narrowed_are_refused(dtype: str) -> None:
    assert "allowed are unsigned" in refusal(tiff(np.zeros((9, 9), dtype)))


@pytest.mark.parametrize(
    ("dots", "unit", "pitch"),
    [((508, 508), "INCH", 0.05), ((250, 250), "CENTIMETER", 0.04), ((300, 300), "INCH", None), ((72, 72), "INCH", None),
     ((96, 96), "INCH", None), ((508, 254), "INCH", None), ((508, 508), "NONE", None), ((28, 28), "CENTIMETER", None)],
)  # fmt: skip
def test_only_a_scanners_resolution_is_a_pixel_pitch(dots: tuple[int, int], unit: str, pitch: float | None) -> None:
    radiograph = read_radiograph(tiff(GREY16, resolution=dots, resolutionunit=unit))
    assert radiograph.pixel_pitch_mm == (pitch if pitch is None else pytest.approx(pitch))
    assert any("resolution" in note for note in radiograph.notes) == (pitch is not None)


def test_bits_in_use_are_told() -> None:
    twelve = (GREY16 >> 4) | 0x800
    assert read_radiograph(png_of(twelve, 0)).notes == ("12 of 16 bits are in use",)
    high = "12 of 16 bits are in use, in the high bits: values are multiples of 16"
    assert read_radiograph(png_of((twelve << 4) | 16, 0)).notes == (high,)
    assert read_radiograph(png_of(GREY16, 0)).notes == ()


def test_a_bmp_of_any_plain_kind_is_read() -> None:
    image = pytest.importorskip("PIL.Image")
    for mode, expected in (("L", GREY8), ("1", np.where(GREY8 > 99, 255, 0))):
        stream = BytesIO()
        source = image.fromarray(GREY8) if mode == "L" else image.fromarray(GREY8 > 99)
        source.save(stream, "BMP")
        np.testing.assert_array_equal(read_radiograph(stream.getvalue()).pixels, expected)
    opaque = bmp(np.dstack([RGB8[:, :, ::-1], np.full(RGB8.shape[:2], 255, np.uint8)]))
    np.testing.assert_array_equal(read_radiograph(opaque, channels=3).pixels, RGB8)
    assert "transparent" in refusal(bmp(np.dstack([RGB8, GREY8])))


def test_run_length_bmp_is_refused_in_plain_words() -> None:
    content = bytearray(bmp(GREY8))
    content[30] = 1
    assert "save it as PNG" in refusal(bytes(content))


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    path.write_bytes(png_of(GREY16, 0))
    radiograph = read_radiograph(path)
    assert radiograph.source.format == "png"
    assert radiograph.source.name == "film.jpg"
    assert radiograph.source.path == path
    np.testing.assert_array_equal(radiograph.pixels, GREY16)


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"GIF89a" + bytes(200), "GIF"), (b"%PDF-1.7", "PDF"), (b"hello", "no image"), (b"", "empty"),
     (b"version https://git-lfs.github.com/spec/v1", "Git LFS"), (b"PK\3\4", "ZIP")],
)  # fmt: skip
def test_what_is_no_image_is_named(content: bytes, word: str) -> None:
    assert word in refusal(content)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "absent.png")
    assert "folder" in refusal(tmp_path)
    assert "device" in refusal(Path("/dev/zero"))
    os.mkfifo(tmp_path / "pipe.png")
    assert "pipe" in refusal(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="pipe"):
        describe(tmp_path / "pipe.png")
    assert "cannot be opened" in refusal(tmp_path / "nul\0byte.png")
    (tmp_path / "film.png").write_bytes(png_of(GREY8, 0))
    (tmp_path / "link.png").symlink_to(tmp_path / "film.png")
    assert read_radiograph(tmp_path / "link.png").pixels.shape == GREY8.shape


def test_names_from_outside_are_plain_and_bounded() -> None:
    radiograph = read_radiograph(png_of(GREY8, 0), name="a\nb\x1b[31m\u202egnp" + "x" * 500)
    assert radiograph.source.name.startswith("ab[31mgnp")
    assert len(radiograph.source.name) == 200
    assert refusal(b"nothing", name="evil\r\nname").startswith("evilname is")


def test_the_source_carries_the_checksum_of_the_file(tmp_path: Path) -> None:
    import hashlib

    content = png_of(GREY8, 0)
    (tmp_path / "film.png").write_bytes(content)
    assert read_radiograph(tmp_path / "film.png").source.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_describe_tells_what_reading_gives(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(content)
    read, told = read_radiograph(content), describe(tmp_path / "film")
    assert told == describe(content, name="film")
    assert (told.height, told.width) == read.original_shape
    assert (told.format, told.depth, told.pages) == (read.source.format, read.source.file_depth, 1)
    assert told.bytes == len(content)


@pytest.mark.parametrize("form", ["png", "tiff"])
@pytest.mark.parametrize("pixels", [GREY8, GREY16, RGB8, RGB16], ids=["grey8", "grey16", "rgb8", "rgb16"])
def test_what_is_written_reads_back_the_same(pixels: Array, form: Any, tmp_path: Path) -> None:
    path = tmp_path / "new" / "film"
    content = write_radiograph(pixels, path, form)
    assert path.read_bytes() == content
    np.testing.assert_array_equal(read_radiograph(path, channels=3 if pixels.ndim == 3 else 1).pixels, pixels)
    assert [file.name for file in path.parent.iterdir()] == ["film"]


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8)])
def test_what_is_no_picture_is_not_written(bad: Array, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        write_radiograph(bad, tmp_path / "x.png")
    with pytest.raises(ImageError, match="allowed are png and tiff"):
        write_radiograph(GREY8, None, "jpeg")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_images_in_folders_are_found_by_content(tmp_path: Path) -> None:
    (tmp_path / "deep" / ".hidden").mkdir(parents=True)
    content = png_of(GREY8, 0)
    for name in ("b.txt", "a.png", "deep/c.jpg", ".secret.png", "deep/.hidden/d.png"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "notes.png").write_text("no picture")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "broken.png").symlink_to(tmp_path / "gone.png")
    found = image_paths(tmp_path)
    assert found.images == tuple(tmp_path / name for name in ("a.png", "b.txt", "deep/c.jpg", "link.png"))
    assert found.others == tuple(tmp_path / name for name in ("broken.png", "notes.png", "pipe.png"))
    assert image_paths([tmp_path / "a.png", tmp_path / "a.png"]).images == (tmp_path / "a.png",)
    assert image_paths(str(tmp_path / "*.txt")).images == (tmp_path / "b.txt",)
    assert image_paths(str(tmp_path / "**" / "*.jpg")).images == (tmp_path / "deep/c.jpg",)
    with pytest.raises(ImageError, match="does not exist"):
        image_paths(tmp_path / "absent")


def test_brackets_in_a_name_are_no_pattern(tmp_path: Path) -> None:
    path = tmp_path / "film[1][2].png"
    path.write_bytes(png_of(GREY8, 0))
    assert image_paths(str(path)).images == (path,)


def safe(content: bytes) -> Radiograph | None:
    """Any bytes either decode within the limits or raise ImageError; nothing else."""
    limits = Limits(max_pixels=1_000_000, max_bytes=10_000_000)
    try:
        describe(content, limits=limits)
        radiograph = read_radiograph(content, limits=limits, page=1)
    except ImageError:
        return None
    assert radiograph.pixels.dtype in (np.uint8, np.uint16)
    assert radiograph.pixels.size <= 1_000_000
    return radiograph


HEADS = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"II*\0",
    b"MM\0*",
    b"II+\0\x08\0\0\0",
    b"BM",
    bytes(128) + b"DICM",
]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=600))
def test_random_bytes_never_raise_anything_else(head: bytes, tail: bytes) -> None:
    safe(head + tail)


SEEDS = [
    *WHOLE.values(),
    jpeg(film(), 6),
    packed_tiff(GREY16 >> 4, 12),
    png_of(RGB8, 2, chunk(b"tRNS", bytes(6))),
    bmp(RGB8),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4),
    st.floats(0, 1),
)
def test_altered_files_decode_or_are_refused(seed: bytes, changes: list[tuple[float, bytes]], keep: float) -> None:
    content = bytearray(seed)
    for place, new in changes:
        at = int(place**3 * (len(content) - len(new)))  # headers sit at the beginning
        content[at : at + len(new)] = new
    safe(bytes(content[: max(1, int(len(content) * (1 if keep > 0.3 else keep * 3)))]))


def test_importing_the_loader_wakes_no_decoder() -> None:
    decoders = "'cv2', 'simplejpeg', 'pydicom', 'tifffile'"
    code = f"import sys, lopore.radiograph; print([name for name in ({decoders}) if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_no_other_module_of_lopore_opens_images() -> None:
    own = {"decode.py", "dicom.py"}
    entry = re.compile(r"\b(imread\w*|imdecode\w*|simplejpeg\.decode_jpeg|Image\.open|dcmread)\s*\(")
    packages = Path(__file__).parents[2]
    modules = [
        path for path in packages.glob("*/src/**/*.py") if not (path.parent.name == "reading" and path.name in own)
    ]
    assert len(modules) > 10
    assert [str(path) for path in modules if entry.search(path.read_text(encoding="utf-8"))] == []


def test_every_real_image_is_read_at_its_own_depth(shared_data: Path) -> None:
    pytest.importorskip("pydicom")
    found = image_paths(shared_data / "weld-radiographs").images + image_paths(shared_data / "diconde-welds").images
    assert len(found) == 269
    for path in found:
        radiograph = read_radiograph(path)
        assert radiograph.pixels.ndim == 2
        assert radiograph.pixels.std() > 0
        deep = path.name.endswith("_16b.dcm")
        assert radiograph.pixels.dtype == (np.uint16 if deep else np.uint8)
