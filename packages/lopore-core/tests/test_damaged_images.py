"""Files that are cut, altered, too large or no image: one clear line, and never anything else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made.codings import WHOLE, altered, chunk, jpeg, packed_tiff, png, png_of, refusal, tiff
from made.images import GREY8, GREY16, RGB8, coded, film

from lopore.errors import ConfigError, ImageError
from lopore.reading.headers import Limits
from lopore.reading.radiograph import Radiograph, describe, read_radiograph


@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_cut_short_anywhere_is_refused(kind: str) -> None:
    content = WHOLE[kind]
    # libjpeg-turbo needs no end marker once the last block is whole.
    last = len(content) - (4 if kind in ("jpeg", "progressive") else 1)
    for size in np.unique(np.linspace(1, last, 60).astype(int)):
        refusal(content[:size])


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
    coded(".bmp", RGB8),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(altered(SEEDS))
def test_altered_files_decode_or_are_refused(content: bytes) -> None:
    safe(content)
