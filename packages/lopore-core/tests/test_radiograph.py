"""The one image loader: every coding gives the same pixels, their source is told, and nothing gets past it."""

from __future__ import annotations

import os
import re
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made.codings import WHOLE, chunk, png, png_of, refusal, tiff
from made.images import GREY8, GREY16, GREY_AND_COLOUR, RGB8, RGB16, Array, coded
from made.modules import awake_after

from lopore.errors import ImageError
from lopore.reading.encode import write_radiograph
from lopore.reading.radiograph import describe, read_radiograph
from lopore.reading.regular_files import image_paths

pictures8 = arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20)))

pictures16 = arrays(np.uint16, st.tuples(st.integers(1, 20), st.integers(1, 20)))


@settings(max_examples=40, deadline=None)
@given(pictures8)
def test_one_8_bit_picture_gives_the_same_pixels_in_every_coding(image: Array) -> None:
    codings = [
        png_of(image, 0),
        png_of(np.dstack([image] * 3), 2),
        png_of(np.dstack([image, np.full_like(image, 255)]), 4),
        write_radiograph(image, None, "png"),
        write_radiograph(image, None, "tiff"),
        tiff(image, byteorder=">", compression="packbits"),
        tiff(255 - image, photometric="miniswhite"),
        tiff(np.dstack([image] * 3), bigtiff=True),
        coded(".bmp", image),
        coded(".bmp", np.dstack([image] * 3)),
    ]
    for content in codings:
        for channels in (1, 3):
            pixels = read_radiograph(content, channels=channels).pixels
            assert pixels.dtype == np.uint8
            expected = image if channels == 1 else np.dstack([image] * 3)
            np.testing.assert_array_equal(pixels, expected)


@settings(max_examples=40, deadline=None)
@given(pictures16)
@example(np.arange(65536, dtype=np.uint16).reshape(256, 256))
def test_a_16_bit_picture_keeps_every_bit_in_every_coding(image: Array) -> None:
    codings = [
        png_of(image, 0),
        png_of(np.dstack([image] * 3), 2),
        write_radiograph(image, None, "png"),
        write_radiograph(image, None, "tiff"),
        tiff(image, byteorder=">"),
        tiff(image, compression="zlib", predictor=True),
        tiff(65535 - image, photometric="miniswhite"),
        tiff(np.dstack([image] * 3), compression="lzw"),
    ]
    for content in codings:
        radiograph = read_radiograph(content)
        assert radiograph.pixels.dtype == np.uint16
        assert radiograph.source.file_depth == 16
        np.testing.assert_array_equal(radiograph.pixels, image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_equal_colour_planes_stay_exactly_equal_at_every_grey_value(dtype: type) -> None:
    ramp: Array = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 256)
    content = write_radiograph(np.dstack([ramp] * 3), None)
    np.testing.assert_array_equal(read_radiograph(content).pixels, ramp)


def test_colour_becomes_grey_by_bt601_and_keeps_rgb_order() -> None:
    for image in (RGB8, RGB16):
        for content in (write_radiograph(image, None, "png"), write_radiograph(image, None, "tiff")):
            np.testing.assert_array_equal(read_radiograph(content, channels=3).pixels, image)
            grey = image @ np.array([0.299, 0.587, 0.114])
            assert np.abs(read_radiograph(content).pixels - grey).max() <= image.dtype.itemsize
    np.testing.assert_array_equal(read_radiograph(coded(".bmp", RGB8[:, :, ::-1]), channels=3).pixels, RGB8)


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


def over(pixels: Array, alpha: Array, ground: int) -> Array:
    """Pixels over one grey, by the plain formula in exact fractions, rounded half up."""
    top = int(np.iinfo(pixels.dtype).max)
    share = alpha.astype(np.int64) if pixels.ndim == 2 else alpha.astype(np.int64)[:, :, None]
    blended: Array = (2 * (pixels.astype(np.int64) * share + ground * (top - share)) + top) // (2 * top)
    return blended.astype(pixels.dtype)


@pytest.mark.parametrize("pixels", GREY_AND_COLOUR.values(), ids=GREY_AND_COLOUR)
def test_opaque_alpha_is_dropped_and_real_transparency_is_shown_over_its_ground(pixels: Array) -> None:
    top = np.iinfo(pixels.dtype).max
    alpha = np.full(pixels.shape[:2], top, pixels.dtype)
    colour = 4 if pixels.ndim == 2 else 6
    content = png_of(np.dstack([pixels, alpha]), colour)
    np.testing.assert_array_equal(read_radiograph(content, channels=1 if pixels.ndim == 2 else 3).pixels, pixels)
    alpha[3, 4] = top - 1
    content = png_of(np.dstack([pixels, alpha]), colour)
    shown = read_radiograph(content, channels=1 if pixels.ndim == 2 else 3)
    assert shown.notes == ("partly transparent; shown over white",)
    np.testing.assert_array_equal(shown.pixels, over(pixels, alpha, int(np.iinfo(pixels.dtype).max)))
    ground = chunk(b"bKGD", struct.pack(">H", 40) * (1 if pixels.ndim == 2 else 3))
    stated = read_radiograph(png_of(np.dstack([pixels, alpha]), colour, ground), channels=1 if pixels.ndim == 2 else 3)
    assert stated.notes == ("partly transparent; shown over the background that it states",)
    np.testing.assert_array_equal(stated.pixels, over(pixels, alpha, 40))


@pytest.mark.parametrize("pixels", GREY_AND_COLOUR.values(), ids=GREY_AND_COLOUR)
def test_a_transparent_colour_counts_only_where_it_occurs(pixels: Array) -> None:
    even, colour = pixels & ~pixels.dtype.type(1), 0 if pixels.ndim == 2 else 2
    absent = chunk(b"tRNS", struct.pack(">H", 1) * (1 if pixels.ndim == 2 else 3))
    present = chunk(b"tRNS", np.atleast_1d(even[5, 6]).astype(">u2").tobytes())
    assert read_radiograph(png_of(even, colour, absent)).pixels.shape == pixels.shape[:2]
    shown = read_radiograph(png_of(even, colour, present), channels=1 if pixels.ndim == 2 else 3)
    assert shown.notes[0] == "partly transparent; shown over white"
    hidden = even == even[5, 6] if pixels.ndim == 2 else (even == even[5, 6]).all(axis=2)
    expected = even.copy()
    expected[hidden] = np.iinfo(even.dtype).max
    np.testing.assert_array_equal(shown.pixels, expected)


def test_a_transparent_palette_is_shown_over_the_colour_that_the_file_names() -> None:
    palette = chunk(b"PLTE", bytes([10, 10, 10, 200, 200, 200, 90, 90, 90]))
    rows = [bytes([0, 1, 2])] * 3
    content = png(3, 3, 8, 3, rows, before=palette + chunk(b"tRNS", bytes([255, 0, 255])) + chunk(b"bKGD", b"\2"))
    shown = read_radiograph(content)
    assert shown.notes == ("partly transparent; shown over the background that it states",)
    np.testing.assert_array_equal(shown.pixels, [[10, 90, 90]] * 3)


def test_the_still_image_of_an_animated_png_is_read_and_named() -> None:
    image = pytest.importorskip("PIL.Image")
    frames = [image.fromarray(GREY8), image.fromarray(GREY8[::-1].copy()), image.fromarray(255 - GREY8)]
    stream = BytesIO()
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    read = read_radiograph(stream.getvalue())
    np.testing.assert_array_equal(read.pixels, GREY8)
    assert read.notes == ("the still image of an animated PNG of 3 frames",)


def test_a_png_that_needs_too_much_memory_is_refused_by_its_header() -> None:
    text = refusal(png(9000, 9000, 16, 6, []))
    assert "9000 x 9000 px of 4 x 16 bits, 648 MB in memory; allowed are 600" in text


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
    opaque = coded(".bmp", np.dstack([RGB8[:, :, ::-1], np.full(RGB8.shape[:2], 255, np.uint8)]))
    np.testing.assert_array_equal(read_radiograph(opaque, channels=3).pixels, RGB8)
    shown = read_radiograph(coded(".bmp", np.dstack([RGB8[:, :, ::-1], GREY8])), channels=3)
    np.testing.assert_array_equal(shown.pixels, over(RGB8, GREY8, 255))
    assert shown.notes == ("partly transparent; shown over white",)


def run_length_bmp(indices: Array, *, nibbles: bool, chance: np.random.Generator) -> bytes:
    """RLE8 or RLE4 by hand: runs, absolute stretches and jumps, chosen at random; grey palette of 16 steps."""
    height, width = indices.shape
    data = bytearray()
    for row in indices[::-1]:
        at = 0
        while at < width:
            end = at + 1
            while end < width and row[end] == row[at] and end - at < 255:
                end += 1
            many = min(int(chance.integers(3, 9)), width - at)
            if end - at < 3 and many >= 3:
                part = row[at : at + many]
                packed = (
                    bytes((int(part[n]) << 4) | (int(part[n + 1]) if n + 1 < many else 0) for n in range(0, many, 2))
                    if nibbles
                    else part.tobytes()
                )
                data += bytes([0, many]) + packed + bytes(len(packed) % 2)
                at += many
            elif row[at] == 0 and chance.random() < 0.5:
                data += bytes([0, 2, end - at, 0])
                at = end
            else:
                data += bytes([end - at, int(row[at]) * (17 if nibbles else 1)])
                at = end
        data += b"\0\0"
    data += b"\0\1"
    palette = b"".join(bytes([grey * 17] * 3 + [0]) for grey in range(16))
    start = 54 + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start)
    bits, coding = (4, 2) if nibbles else (8, 1)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, coding, len(data), 0, 0, 16, 0)
    return head + info + palette + bytes(data)


@pytest.mark.parametrize("nibbles", [False, True])
def test_run_length_bmp_gives_its_pixels_and_damage_is_refused(nibbles: bool) -> None:
    chance = np.random.default_rng(5)
    indices = np.repeat(chance.integers(0, 16, (23, 12), dtype=np.uint8), 4, axis=1)
    indices[::3, ::5] = chance.integers(0, 16, indices[::3, ::5].shape)
    content = run_length_bmp(indices, nibbles=nibbles, chance=chance)
    np.testing.assert_array_equal(read_radiograph(content).pixels, indices * 17)
    for size in range(130, len(content) - 1, 7):
        refusal(content[:size])
        refusal(content[:size] + bytes(len(content) - size))


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "film.jpg"
    path.write_bytes(png_of(GREY16, 0))
    radiograph = read_radiograph(path)
    assert radiograph.source.format == "png"
    assert radiograph.source.name == "film.jpg"
    assert radiograph.source.path == path
    np.testing.assert_array_equal(radiograph.pixels, GREY16)


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
@pytest.mark.parametrize("pixels", GREY_AND_COLOUR.values(), ids=GREY_AND_COLOUR)
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
    (tmp_path / "notes.png").write_text("no image")
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


def test_importing_the_loader_wakes_no_decoder() -> None:
    assert not awake_after("import lopore.reading.radiograph", "cv2", "simplejpeg", "pydicom", "tifffile")


def test_no_other_module_of_lopore_opens_images() -> None:
    own = {"opencv.py", "jpeg.py", "dicom.py"}
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
