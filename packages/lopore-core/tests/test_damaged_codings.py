"""A thousand damaged TIFF files, and as many others: refused in one line, read right, or marked as not provable.

Codings without a checksum (LZW, PackBits, zstd as TIFF writes it, fax, JPEG, plain values) have streams in which one
changed bit is another valid image; nobody can tell. Such files say so in a note. Cut and zeroed data are always seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from made.codings import tiff
from made.images import Array

from lopore.errors import ImageError
from lopore.reading.radiograph import read_radiograph

ROUNDS = 25


def weld(height: int = 96, width: int = 160) -> Array:
    """A grey slope with film grain and a pore, 16 bits."""
    generator = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    values = 12000 + 4000 * np.sin(x / 40) + 3000 * np.cos(y / 25) + generator.normal(0, 60, (height, width))
    values[50:56, 70:78] -= 900
    deep: Array = values.clip(0, 65535).astype(np.uint16)
    return deep


DEEP = weld()
GREY = (DEEP // 100).astype(np.uint8)
MASK = cv2.GaussianBlur(GREY, (0, 0), 3) > 120


def fax(compression: str) -> bytes:
    image = pytest.importorskip("PIL.Image")
    stream = BytesIO()
    image.fromarray(MASK).save(stream, "TIFF", compression=compression)
    return stream.getvalue()


TIFFS: dict[str, Callable[[], bytes]] = {
    "deflate": lambda: tiff(GREY, compression="zlib", rowsperstrip=1000),
    "deflate, tiles": lambda: tiff(GREY, compression="zlib", tile=(64, 64)),
    "deflate, 16 bits, predictor": lambda: tiff(DEEP, compression="zlib", predictor=True),
    "LZMA": lambda: tiff(DEEP, compression="lzma"),
    "LZW": lambda: tiff(GREY, compression="lzw", rowsperstrip=1000),
    "LZW, 16 bits, predictor": lambda: tiff(DEEP, compression="lzw", predictor=True),
    "PackBits": lambda: tiff(GREY, compression="packbits"),
    "JPEG": lambda: tiff(GREY, compression="jpeg", compressionargs={"level": 95}, rowsperstrip=32),
    "zstd": lambda: tiff(DEEP, compression="zstd", predictor=True),
    "CCITT group 4": lambda: fax("group4"),
}
SUMMED = ("deflate", "LZMA")
FAXES = {"CCITT group 3": lambda: fax("group3"), "CCITT run lengths": lambda: fax("tiff_ccitt")}


def spans(content: bytes) -> list[tuple[int, int]]:
    """(start, length) of each strip or tile."""
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffFile(BytesIO(content)) as file:
        page = file.pages.first
        return list(zip(page.dataoffsets, page.databytecounts, strict=True))


def damaged(content: bytes, parts: list[tuple[int, int]]) -> Iterator[tuple[str, bytes]]:
    """Zeroed tails, cuts, single bits and random bytes within the given parts, ``ROUNDS`` of each."""
    for number in range(ROUNDS):
        chance = np.random.default_rng(number)
        start, length = parts[int(chance.integers(len(parts)))]
        at = start + int(chance.integers(length // 20 + 1, length - 2))
        end = start + length
        yield "zeroed tail", content[:at] + bytes(end - at) + content[end:]
        yield "cut", content[:at]
        bit = content[at] ^ (1 << int(chance.integers(8)))
        yield "one bit", content[:at] + bytes([bit]) + content[at + 1 :]
        many = min(64, end - at)
        yield "random bytes", content[:at] + chance.bytes(many) + content[at + many :]


def outcome(content: bytes, truth: Array) -> str:
    """refused, right, marked (wrong, with a note that says why nobody can know) or silent."""
    try:
        read = read_radiograph(content)
    except ImageError as error:
        assert "\n" not in str(error)
        return "refused"
    if read.pixels.shape == truth.shape and (read.pixels == truth).all():
        return "right"
    return "marked" if any("checksum" in note or "only zeros" in note for note in read.notes) else "silent"


def outcomes(content: bytes, parts: list[tuple[int, int]]) -> dict[str, dict[str, int]]:
    truth = read_radiograph(content).pixels
    counts: dict[str, dict[str, int]] = {}
    for kind, broken in damaged(content, parts):
        if broken != content:
            seen = outcome(broken, truth)
            counts.setdefault(kind, {})[seen] = counts.get(kind, {}).get(seen, 0) + 1
    return counts


@pytest.mark.parametrize("coding", [*TIFFS, *FAXES])
def test_a_damaged_tiff_is_never_silently_wrong(coding: str) -> None:
    pytest.importorskip("imagecodecs")
    content = {**TIFFS, **FAXES}[coding]()
    counts = outcomes(content, spans(content))
    summed = coding.startswith(SUMMED)
    for kind, seen in counts.items():
        assert "silent" not in seen, (coding, kind, seen)
        if summed or kind in ("zeroed tail", "cut"):
            assert set(seen) <= {"refused", "right"}, (coding, kind, seen)


def test_plain_tiff_and_bmp_that_end_with_zeros_say_so() -> None:
    for content, start in ((tiff(DEEP), spans(tiff(DEEP))[0][0]), (cv2.imencode(".bmp", GREY)[1].tobytes(), 1078)):
        assert not any("zeros" in note for note in read_radiograph(content).notes)
        half = start + (len(content) - start) // 2
        read = read_radiograph(content[:half] + bytes(len(content) - half))
        assert any("rows in the file hold only zeros" in note for note in read.notes)


@pytest.mark.parametrize("pixels", [GREY, DEEP], ids=["8", "16"])
def test_a_damaged_png_is_never_wrong(pixels: Array) -> None:
    content = cv2.imencode(".png", pixels)[1].tobytes()
    for seen in outcomes(content, [(8, len(content) - 8)]).values():
        assert set(seen) <= {"refused", "right"}


@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_that_is_cut_or_zeroed_is_refused(progressive: int) -> None:
    content = cv2.imencode(".jpg", GREY, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1].tobytes()
    start = content.index(b"\xff\xda") + 14
    counts = outcomes(content, [(start, len(content) - start)])
    for kind in ("zeroed tail", "cut"):
        assert set(counts[kind]) <= {"refused", "right"}
    # Random bytes leave a valid stream now and then; most do not.
    assert counts["random bytes"]["refused"] >= ROUNDS * 0.6


def test_a_bmp_whose_header_was_altered_is_refused_or_right() -> None:
    content = cv2.imencode(".bmp", GREY)[1].tobytes()
    truth = read_radiograph(content).pixels
    # Size, planes, depth, coding and the place of the pixels; the resolution at 38 means nothing.
    wrong = []
    for at in (*range(10, 38), *range(46, 50)):
        for bit in range(8):
            broken = bytearray(content)
            broken[at] ^= 1 << bit
            seen = outcome(bytes(broken), truth)
            mirrored = at in range(22, 26)  # a negative height is a valid image upside down
            if seen not in ("refused", "right") and not mirrored:
                wrong.append((at, bit))
    assert wrong == []


@pytest.mark.parametrize("colours", [0, 256, 200])
def test_a_palette_bmp_whose_pixels_begin_within_its_palette_is_refused(colours: int) -> None:
    content = bytearray(cv2.imencode(".bmp", GREY)[1].tobytes())
    content[46:50] = colours.to_bytes(4, "little")
    for start in (14 + 40, 14 + 40 + 4, 14 + 40 + 4 * (colours or 256) - 1):
        content[10:14] = start.to_bytes(4, "little")
        with pytest.raises(ImageError, match="within its palette"):
            read_radiograph(bytes(content))


def os2_bmp(start: int) -> bytes:
    """A BMP of OS/2: a header of 12 bytes and a palette of three bytes a colour."""
    head = b"BM" + bytes(8) + start.to_bytes(4, "little")
    info = b"".join(value.to_bytes(size, "little") for value, size in ((12, 4), (4, 2), (4, 2), (1, 2), (8, 2)))
    palette = bytes(value for grey in range(256) for value in (grey,) * 3)
    return head + info + palette + bytes(range(16))


def test_an_os2_palette_counts_three_bytes_a_colour() -> None:
    read = read_radiograph(os2_bmp(14 + 12 + 768))
    np.testing.assert_array_equal(read.pixels, np.arange(16).reshape(4, 4)[::-1])
    with pytest.raises(ImageError, match="within its palette"):
        read_radiograph(os2_bmp(14 + 12 + 700))


def dicom_file(name: str) -> bytes:
    data = pytest.importorskip("pydicom.data")
    return Path(str(data.get_testdata_file(name, download=False))).read_bytes()


DICOM: dict[str, tuple[str, ...]] = {
    # kinds of damage that are always seen, beside a cut
    "MR_small_RLE.dcm": ("zeroed tail",),
    "MR_small_jpeg_ls_lossless.dcm": ("zeroed tail", "random bytes"),
    "SC_rgb_jls_lossy_line.dcm": ("zeroed tail", "random bytes"),
    "MR_small_jp2klossless.dcm": ("zeroed tail",),
    "SC_rgb_jpeg_dcmtk.dcm": ("zeroed tail",),
    "JPGExtended.dcm": ("zeroed tail",),
}


@pytest.mark.parametrize("name", DICOM)
def test_a_damaged_dicom_is_never_silently_wrong(name: str) -> None:
    pytest.importorskip("imagecodecs")
    pydicom = pytest.importorskip("pydicom")
    content = dicom_file(name)
    pixels = pydicom.dcmread(BytesIO(content)).PixelData
    # Past the table of offsets and the heads of items, which are no part of the frame.
    parts = [(content.rindex(pixels) + 24, len(pixels) - 24 - 8 + 8 * (name != "MR_small_RLE.dcm"))]
    counts = outcomes(content, parts)
    for kind, seen in counts.items():
        assert "silent" not in seen, (name, kind, seen)
        if kind == "cut" or kind in DICOM[name]:
            assert set(seen) <= {"refused", "right"}, (name, kind, seen)


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_jpeg_in_dicom_is_exact_and_damage_is_seen(predictor: int, bits: int) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    from lopore.reading.dicom_codings import FrameShape, decode_frame

    values = (DEEP >> (16 - bits) if bits < 16 else DEEP).astype(np.uint8 if bits == 8 else np.uint16)
    stream = bytes(imagecodecs.jpeg8_encode(values, lossless=True, predictor=predictor, bitspersample=bits))
    shape = FrameShape(*values.shape, 1, 8 if bits == 8 else 16)

    def decoded(frame: bytes) -> Array:
        return decode_frame(frame, "1.2.840.10008.1.2.4.70", shape, "MONOCHROME2", "film.dcm")

    np.testing.assert_array_equal(decoded(stream), values)
    start, seen = stream.index(b"\xff\xda") + 10, 0
    for number in range(ROUNDS):
        chance = np.random.default_rng(number)
        at = start + int(chance.integers(20, len(stream) - start - 80))
        for broken in (stream[:at] + bytes(len(stream) - at), stream[:at] + b"\xff\xd9"):
            with pytest.raises((ValueError, ImageError, RuntimeError)):
                decoded(broken)
        try:
            decoded(stream[:at] + chance.bytes(64) + stream[at + 64 :])
        except Exception:  # each decoder raises what it likes
            seen += 1
    assert seen >= ROUNDS * 0.6


def test_an_lzw_stream_that_no_encoder_writes_is_refused() -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    from lopore.reading.lzw import check_lzw

    values = np.tile(np.arange(40, dtype=np.uint8), 200).tobytes()
    stream = imagecodecs.lzw_encode(values)
    assert check_lzw(stream, len(values)) == len(values)
    with pytest.raises(ValueError, match="of"):
        check_lzw(stream, len(values) + 1)
    with pytest.raises(ValueError, match="end code"):
        check_lzw(stream + bytes(3), len(values))
    # 1 2 1 2 in single bytes, where a longer code stands ready, among many that are chosen rightly
    codes = [256, *range(100), 1, 2, 1, 2, 257]
    bits = "".join(f"{code:09b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    written = int(bits, 2).to_bytes(len(bits) // 8, "big")
    with pytest.raises(ValueError, match="no encoder chooses"):
        check_lzw(written, 104)
