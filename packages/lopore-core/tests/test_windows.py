"""Films in windows: the values of the whole film, at any place and size, with pitch and its origin."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.codings import packed_tiff, tiff
from made.images import GENERATOR, Array, coded

from lopore.errors import ImageError
from lopore.reading.film_sidecar import calibrate, sidecar_path
from lopore.reading.film_source import ArrayFilm, FilmSource
from lopore.reading.headers import Limits
from lopore.reading.radiograph import read_radiograph
from lopore.reading.windows import open_film

DEEP = GENERATOR.integers(0, 65536, (301, 203)).astype(np.uint16)
LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {},
    "strips of 7": {"rowsperstrip": 7},
    "strips of 96": {"rowsperstrip": 96},
    "tiles": {"tile": (32, 64)},
    "deflated strips": {"compression": "zlib", "rowsperstrip": 10, "predictor": True},
    "LZW": {"compression": "lzw"},
    "big, big-endian": {"bigtiff": True, "byteorder": ">"},
}


def windows_of(film: FilmSource, count: int = 15) -> list[tuple[int, int, int, int]]:
    """Corners, the whole, single pixels, and windows by chance."""
    height, width = film.shape
    chosen = [(0, 0, height, width), (height - 1, width - 1, 1, 1), (0, 0, 1, width), (0, width - 1, height, 1)]
    for _ in range(count):
        y, x = int(GENERATOR.integers(height)), int(GENERATOR.integers(width))
        chosen.append((y, x, int(GENERATOR.integers(1, height - y + 1)), int(GENERATOR.integers(1, width - x + 1))))
    return chosen


def assert_windows_equal(film: FilmSource, whole: Array) -> None:
    assert film.shape == whole.shape
    assert film.dtype == whole.dtype
    for y, x, height, width in windows_of(film):
        window = film.read(y, x, height, width)
        np.testing.assert_array_equal(window, whole[y : y + height, x : x + width])
        assert window.dtype == whole.dtype
        assert window.flags.c_contiguous
        assert window.flags.writeable


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_windows_of_a_tiff_are_those_of_the_whole_in_every_orientation(
    tmp_path: Path, options: dict[str, Any], photometric: str
) -> None:
    for orientation in range(1, 9):
        path = tmp_path / f"{orientation}.tif"
        path.write_bytes(tiff(DEEP, photometric=photometric, extratags=[(274, 3, 1, orientation, True)], **options))
        whole = read_radiograph(path)
        with open_film(path) as film:
            assert_windows_equal(film, whole.pixels)
            assert film.sha256 == whole.source.sha256
            assert film.file_depth == 16


def test_windows_of_packed_colour_and_floating_point_tiff_are_those_of_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "film.tif"
    files = [
        packed_tiff(DEEP >> 4, 12),
        tiff(GENERATOR.integers(0, 256, (90, 70, 3), dtype=np.uint8), rowsperstrip=9),
        tiff(GENERATOR.normal(0, 1, (90, 70)).astype(np.float32), rowsperstrip=9),
        tiff(GENERATOR.integers(-9000, 9000, (90, 70)).astype(np.int16)),
    ]
    for content in files:
        path.write_bytes(content)
        whole = read_radiograph(path)
        with open_film(path) as film:
            assert_windows_equal(film, whole.pixels)
            assert set(film.notes) <= set(whole.notes)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_windows_of_other_formats_are_those_of_the_whole(tmp_path: Path, suffix: str) -> None:
    pixels = DEEP if suffix == ".png" else (DEEP >> 8).astype(np.uint8)
    path = tmp_path / f"film{suffix}"
    path.write_bytes(coded(suffix, pixels))
    with open_film(path) as film:
        assert_windows_equal(film, read_radiograph(path).pixels)


def test_large_decoded_films_wait_on_disk_with_equal_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lopore.reading.film_windows.SPILL_BYTES", 1000)
    path = tmp_path / "film.png"
    path.write_bytes(coded(".png", DEEP))
    with open_film(path) as film:
        assert_windows_equal(film, DEEP)
        with ThreadPoolExecutor(4) as pool:
            rows = list(pool.map(lambda y: film.read(y, 0, 1, film.shape[1]), range(film.shape[0])))
        np.testing.assert_array_equal(np.concatenate(rows), DEEP)


def test_windows_of_a_dicom_are_those_of_the_whole(tmp_path: Path) -> None:
    data = pytest.importorskip("pydicom.data")
    names = ("CT_small.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm", "image_dfl.dcm", "examples_overlay.dcm")
    found = [data.get_testdata_file(name, download=False) for name in names]
    brought = [Path(str(path)) for path in found if path is not None]
    assert len(brought) >= 3, "an older pydicom brings fewer"
    for path in brought:
        whole = read_radiograph(path)
        with open_film(path) as film:
            assert_windows_equal(film, whole.pixels)
            assert film.pixel_pitch_mm == whole.pixel_pitch_mm
            assert film.window == whole.window
            if whole.pixel_pitch_mm is not None:
                assert film.pitch_source == "DICOM PixelSpacing"
    short = tmp_path / "short.dcm"
    path = Path(str(data.get_testdata_file("CT_small.dcm", download=False)))
    short.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ImageError, match="bytes of pixels"):
        open_film(short)


def test_an_array_is_a_film() -> None:
    film = ArrayFilm(DEEP, pixel_pitch_mm=0.05, polarity="film")
    assert_windows_equal(film, DEEP)
    assert (film.pixel_pitch_mm, film.pitch_source, film.polarity, film.path) == (
        0.05,
        "given by the user",
        "film",
        None,
    )
    film.read(0, 0, 5, 5)[:] = 0
    np.testing.assert_array_equal(film.read(0, 0, 5, 5), DEEP[:5, :5])
    assert film.sha256 == ArrayFilm(DEEP.copy()).sha256 != ArrayFilm(DEEP.T.copy()).sha256
    with pytest.raises(ImageError, match="is no film"):
        ArrayFilm(DEEP.astype(np.float32))


def test_windows_off_the_film_and_closed_films_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "film.tif"
    path.write_bytes(tiff(DEEP))
    film = open_film(path)
    for window in ((-1, 0, 5, 5), (0, 0, 302, 5), (0, 200, 5, 4), (0, 0, 0, 5), (301, 0, 1, 1)):
        with pytest.raises(ValueError, match=r"is not on film\.tif, 301 x 203 px"):
            film.read(*window)
    film.close()
    film.close()
    with pytest.raises(ValueError, match="is closed"):
        film.read(0, 0, 5, 5)


def test_a_damaged_strip_is_refused_where_it_is_met_and_nowhere_else(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "film.tif"
    path.write_bytes(tiff(DEEP, compression="zlib", rowsperstrip=50))
    with tifffile.TiffFile(path) as file:
        start, count = file.pages.first.dataoffsets[3], file.pages.first.databytecounts[3]
    content = bytearray(path.read_bytes())
    content[start + count // 2] ^= 4
    path.write_bytes(content)
    with open_film(path) as film:
        np.testing.assert_array_equal(film.read(0, 0, 150, 203), DEEP[:150])
        np.testing.assert_array_equal(film.read(200, 0, 101, 203), DEEP[200:])
        with pytest.raises(ImageError, match=r"film.tif is cut short or damaged \(TIFF, deflate"):
            film.read(140, 0, 20, 203)


def test_a_film_longer_than_the_limits_of_an_image_is_read_by_its_blocks(tmp_path: Path) -> None:
    path = tmp_path / "film.tif"
    pixels = GENERATOR.integers(0, 256, (70_000, 40), dtype=np.uint8)
    path.write_bytes(tiff(pixels))
    limits = Limits(max_pixels=100_000)
    with pytest.raises(ImageError, match="allowed are"):
        read_radiograph(path, limits=limits)
    with open_film(path, limits=limits) as film:
        np.testing.assert_array_equal(film.read(69_990, 3, 10, 30), pixels[69_990:, 3:33])


def test_several_pages_must_be_chosen_from(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "films.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in (DEEP, DEEP[::-1]):
            writer.write(page, photometric="minisblack", metadata=None)
    with pytest.raises(ImageError, match="holds 2 pages"):
        open_film(path)
    with open_film(path, page=2) as film:
        assert (film.page, film.pages) == (2, 2)
        assert_windows_equal(film, DEEP[::-1])


def test_the_pitch_is_the_given_one_then_the_calibrated_one_then_the_files(tmp_path: Path) -> None:
    path = tmp_path / "film.tif"
    path.write_bytes(tiff(DEEP, resolution=(508, 508), resolutionunit="INCH"))
    with open_film(path) as film:
        assert film.pixel_pitch_mm == pytest.approx(0.05)
        assert film.pitch_source == "TIFF resolution tags"
    found = calibrate(path, (10, 20), (130, 180), 10.0, note="ruler")
    assert found.mm_per_pixel == pytest.approx(0.05)
    calibrate(path, (10, 20), (130, 180), 12.0)
    with open_film(path) as film:
        assert film.pixel_pitch_mm == pytest.approx(0.06)
        assert film.pitch_source == "calibration by a known object of 12 mm, to 0.7% at best"
        assert "the file states a pixel pitch of 0.05 mm (TIFF resolution tags); 0.06 mm is used" in film.notes
    with open_film(path, mm_per_pixel=0.04) as film:
        assert (film.pixel_pitch_mm, film.pitch_source) == (0.04, "given by the user")
    with pytest.raises(ImageError, match="micrometres"):
        open_film(path, mm_per_pixel=40)


def test_a_film_without_pitch_says_so(tmp_path: Path) -> None:
    path = tmp_path / "film.tif"
    path.write_bytes(tiff(DEEP))
    with open_film(path) as film:
        assert film.pixel_pitch_mm is None
        assert film.pitch_source is None


def test_a_calibration_belongs_to_one_film_alone(tmp_path: Path) -> None:
    path = tmp_path / "film.tif"
    path.write_bytes(tiff(DEEP))
    calibrate(path, (0, 0), (100, 0), 5.0)
    path.write_bytes(tiff(DEEP[::-1].copy()))
    with pytest.raises(ImageError, match="was made for another version of"):
        open_film(path)
    for broken in (b"{}", b"[" * 10_000, b"\xff"):
        sidecar_path(path).write_bytes(broken)
        with pytest.raises(ImageError, match="no calibration that lopore can read"):
            open_film(path)


@pytest.mark.parametrize(
    ("end", "distance"), [((3, 0), 1.0), ((100, 0), -5.0), ((100, 0), float("nan")), ((100, 0), 1e6)]
)
def test_a_calibration_that_makes_no_sense_is_refused(tmp_path: Path, end: tuple[int, int], distance: float) -> None:
    path = tmp_path / "film.tif"
    path.write_bytes(tiff(DEEP))
    with pytest.raises(ImageError):
        calibrate(path, (0, 0), end, distance)
    assert not sidecar_path(path).exists()


def test_the_digest_of_a_film_is_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(coded(".png", DEEP))
    with open_film(path) as film:
        assert film.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
