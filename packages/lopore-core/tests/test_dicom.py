"""DICOM and DICONDE: grey values as stored, in every coding, with window, polarity and pitch in the same terms."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made.codings import altered, refusal
from made.images import GREY8, GREY16, Array

from lopore.errors import ImageError
from lopore.reading.encode import write_radiograph
from lopore.reading.headers import Limits
from lopore.reading.radiograph import describe, image_paths, read_radiograph

pydicom = pytest.importorskip("pydicom")

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
LITTLE = "1.2.840.10008.1.2.1"


def dicom(pixels: Array, *, syntax: str = LITTLE, frames: int = 1, **tags: Any) -> bytes:
    """A DICOM file of ``pixels``: (H, W), (H, W, 3) or (frames, H, W); ``tags`` overrule what the array suggests."""
    from pydicom.dataset import Dataset, FileMetaDataset

    height, width = pixels.shape[1:3] if frames > 1 else pixels.shape[:2]
    colour = pixels.ndim == 3 and frames == 1
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.1.1")
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3.4")
    data.Rows, data.Columns, data.SamplesPerPixel = height, width, 3 if colour else 1
    data.BitsAllocated = data.BitsStored = 8 * pixels.dtype.itemsize
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        data.PlanarConfiguration = 0
    if frames > 1:
        data.NumberOfFrames = frames
    for name, value in tags.items():
        setattr(data, name, value)
    data.HighBit = tags.get("HighBit", data.BitsStored - 1)
    little = pydicom.uid.UID(syntax).is_little_endian
    raw = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
    data.PixelData = raw + bytes(len(raw) % 2)
    data["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    stream = BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()


@settings(max_examples=25, deadline=None)
@given(arrays(st.sampled_from([np.uint8, np.uint16]), st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_a_dicom_file_gives_the_pixels_of_the_png(image: Array) -> None:
    expected = read_radiograph(write_radiograph(image, None)).pixels
    for syntax in (LITTLE, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"):
        radiograph = read_radiograph(dicom(image, syntax=syntax))
        assert radiograph.pixels.dtype == expected.dtype
        np.testing.assert_array_equal(radiograph.pixels, expected)
        assert (radiograph.source.format, radiograph.source.file_depth) == ("dicom", 8 * image.dtype.itemsize)


def test_colour_keeps_rgb_order_and_becomes_grey_as_elsewhere() -> None:
    colour = np.random.default_rng(3).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_radiograph(dicom(colour), channels=3).pixels, colour)
    expected = read_radiograph(write_radiograph(colour, None)).pixels
    np.testing.assert_array_equal(read_radiograph(dicom(colour)).pixels, expected)


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_monochrome1_is_turned_within_the_stored_bits(bits: int) -> None:
    stored = GREY16 >> (16 - bits)
    radiograph = read_radiograph(dicom(stored, BitsStored=bits, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(radiograph.pixels, (1 << bits) - 1 - stored)
    assert radiograph.source.file_depth == bits
    assert any("inverted" in note for note in radiograph.notes)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_signed_values_are_shifted_up_by_half_their_range(bits: int) -> None:
    signed = (GREY16.view(np.int16) >> (16 - bits)).astype(np.int16)
    radiograph = read_radiograph(dicom(signed, BitsStored=bits, WindowCenter=0.5, WindowWidth=101))
    np.testing.assert_array_equal(radiograph.pixels, signed.astype(np.int32) + (1 << (bits - 1)))
    assert radiograph.window == ((1 << (bits - 1)) - 50, (1 << (bits - 1)) + 50)


def test_bits_above_the_stored_ones_are_no_grey_values() -> None:
    stored = GREY16 >> 4
    radiograph = read_radiograph(dicom(stored | 0xF000, BitsStored=12))
    np.testing.assert_array_equal(radiograph.pixels, stored)
    left = read_radiograph(dicom((stored << 4) | 0x3, BitsStored=12, HighBit=15))
    np.testing.assert_array_equal(left.pixels, stored)


@pytest.mark.parametrize(
    ("tags", "window"),
    [
        ({}, None),
        ({"WindowCenter": 324.5, "WindowWidth": 119}, (265, 383)),
        ({"WindowCenter": [324.5, 9], "WindowWidth": [119, 4]}, (265, 383)),
        ({"WindowCenter": 300, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"}, (250, 350)),
        ({"WindowCenter": 324.5, "WindowWidth": 119, "PhotometricInterpretation": "MONOCHROME1"}, (65152, 65270)),
        ({"WindowCenter": 324.5, "WindowWidth": 119, "RescaleSlope": 1, "RescaleIntercept": -1000}, (1265, 1383)),
        ({"WindowCenter": 100.5, "WindowWidth": 21, "RescaleSlope": 2, "RescaleIntercept": 10}, (40, 50)),
        ({"WindowCenter": 100, "WindowWidth": 0}, None),
    ],
)
def test_the_window_is_given_in_grey_values_of_the_pixels(
    tags: dict[str, Any], window: tuple[float, float] | None
) -> None:
    assert read_radiograph(dicom(GREY16, **tags)).window == window


def test_the_window_shows_the_same_range_whatever_the_coding() -> None:
    """A window over values 100..200 of the physical scale must select the same pixels in every coding of them."""
    scale = np.random.default_rng(3).integers(0, 1000, (20, 20)).astype(np.uint16)
    common: dict[str, Any] = {"BitsStored": 12, "WindowCenter": 150.5, "WindowWidth": 101}
    codings = [
        (dicom(scale, **common), 1),
        (dicom(scale + 500, RescaleSlope=1, RescaleIntercept=-500, **common), 1),
        (dicom((scale + 500).astype(np.int16), RescaleSlope=1, RescaleIntercept=-500, **common), 1),
        (dicom(scale, PhotometricInterpretation="MONOCHROME1", **common), -1),
        (dicom(4000 - scale, RescaleSlope=-1, RescaleIntercept=4000, **common), 1),
    ]
    inside = (scale >= 100) & (scale <= 200)
    for content, direction in codings:
        radiograph = read_radiograph(content)
        assert radiograph.window is not None
        low, high = radiograph.window
        np.testing.assert_array_equal((radiograph.pixels >= low) & (radiograph.pixels <= high), inside)
        order = radiograph.pixels.astype(int) * direction - scale
        assert len(np.unique(order)) == 1


@pytest.mark.parametrize(
    ("tags", "polarity"),
    [
        ({}, "unknown"),
        ({"PixelIntensityRelationshipSign": 1}, "detector"),
        ({"PixelIntensityRelationshipSign": -1}, "film"),
        ({"PixelIntensityRelationshipSign": 1, "PhotometricInterpretation": "MONOCHROME1"}, "film"),
        ({"PixelIntensityRelationshipSign": -1, "PhotometricInterpretation": "MONOCHROME1"}, "detector"),
        ({"ConversionType": "DF"}, "film"),
        ({"NominalScannedPixelSpacing": [0.05, 0.05]}, "film"),
    ],
)
def test_polarity_says_what_brighter_means(tags: dict[str, Any], polarity: str) -> None:
    assert read_radiograph(dicom(GREY16, **tags)).polarity == polarity


@pytest.mark.parametrize(
    ("tags", "pitch", "note"),
    [
        ({}, None, None),
        ({"ImagerPixelSpacing": [0.2, 0.2]}, 0.2, "not corrected"),
        ({"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 1.25}, 0.16, "magnification"),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.15, 0.15]}, 0.15, "PixelSpacing"),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.2, 0.2]}, 0.2, "not corrected"),
        ({"NominalScannedPixelSpacing": [0.05, 0.05]}, 0.05, "NominalScanned"),
        ({"PixelSpacing": [0.2, 0.1]}, None, "not square"),
        ({"PixelSpacing": [0, 0]}, None, None),
        ({"PixelSpacing": [1e9, 1e9]}, None, None),
    ],
)
def test_pixel_pitch_follows_the_standard(tags: dict[str, Any], pitch: float | None, note: str | None) -> None:
    radiograph = read_radiograph(dicom(GREY16, **tags))
    assert radiograph.pixel_pitch_mm == (pitch if pitch is None else pytest.approx(pitch))
    assert note is None or any(note in line for line in radiograph.notes)


def test_several_frames_are_asked_for_and_given() -> None:
    content = dicom(np.stack([GREY16, GREY16[::-1], GREY16 // 2]), frames=3)
    assert "holds 3 pages; choose one of 1 to 3" in refusal(content)
    np.testing.assert_array_equal(read_radiograph(content, page=2).pixels, GREY16[::-1])
    assert "no page 4" in refusal(content, page=4)


def test_what_would_be_narrowed_or_misread_is_refused() -> None:
    deep = dicom(GREY16, BitsStored=16)
    data = pydicom.dcmread(BytesIO(deep))
    data.BitsAllocated = data.BitsStored = 32
    data.HighBit = 31
    stream = BytesIO()
    data.save_as(stream)
    assert "32 of 32 bits" in refusal(stream.getvalue())
    assert "lookup table" in refusal(dicom(GREY16, ModalityLUTSequence=[pydicom.Dataset()]))
    assert "colour model" in refusal(dicom(GREY8, PhotometricInterpretation="CMYK"))


def test_limits_hold_before_pixels_are_decoded() -> None:
    content = dicom(GREY16, Rows=60_000, Columns=60_000)
    assert "60000 x 60000 px" in refusal(content)
    with pytest.raises(ImageError, match="60000 x 60000"):
        describe(content)
    assert "5000 pages" in refusal(dicom(GREY16, NumberOfFrames=5000), page=1)


def test_a_deflated_bomb_is_refused(tmp_path: Path) -> None:
    content = dicom(GREY16, syntax="1.2.840.10008.1.2.1.99")
    start = 144 + int.from_bytes(content[140:144], "little")
    plain = zlib.decompress(content[start:], -zlib.MAX_WBITS)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = content[:start] + packer.compress(plain + bytes(30_000_000)) + packer.flush()
    assert len(bomb) < 100_000
    small = Limits(max_bytes=10_000_000)
    assert "unpacks to more than" in refusal(bomb, limits=small)
    (tmp_path / "bomb.dcm").write_bytes(bomb)
    with pytest.raises(ImageError, match="unpacks to more than"):
        describe(tmp_path / "bomb.dcm", limits=small)
    headless = bomb[:132] + bomb[144:]  # without the length of its first group, which readers do not need
    assert "unpacks to more than" in refusal(headless, limits=small)


@pytest.mark.parametrize("size", [200, 700, 1500, 3500, -2, -1000])
def test_a_file_cut_short_is_refused(size: int) -> None:
    refusal(dicom(GREY16)[:size])


@pytest.mark.parametrize("name", ["MR_truncated.dcm", "rtplan.dcm", "rtdose.dcm", "SC_rgb_rle_32bit.dcm"])
def test_files_without_a_readable_picture_are_refused_in_one_line(name: str) -> None:
    assert refusal(FILES / name).startswith(name)


MR = ["MR_small_bigendian", "MR_small_implicit", "MR_small_expb", "MR_small_padded", "MR_small_RLE"]


@pytest.mark.parametrize("name", [*MR, "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless"])
def test_one_picture_in_many_transfer_syntaxes_gives_the_same_pixels(name: str) -> None:
    if "jp" in name:
        pytest.importorskip("imagecodecs")
    expected = read_radiograph(FILES / "MR_small.dcm")
    radiograph = read_radiograph(FILES / f"{name}.dcm")
    np.testing.assert_array_equal(radiograph.pixels, expected.pixels)
    assert radiograph.window == expected.window
    assert radiograph.pixel_pitch_mm == 0.3125


@pytest.mark.parametrize("name", ["ExplVR_BigEnd", "SC_rgb_rle", "SC_rgb_small_odd_big_endian", "image_dfl"])
def test_8_bit_files_stay_8_bit(name: str) -> None:
    if not (FILES / f"{name}.dcm").exists():
        pytest.skip("this pydicom does not bring the file")
    assert read_radiograph(FILES / f"{name}.dcm").pixels.dtype == np.uint8


def test_every_file_that_comes_with_pydicom_is_read_or_refused_in_one_line() -> None:
    read = refused = 0
    for path in sorted(FILES.glob("*.dcm")):
        try:
            radiograph = read_radiograph(path, page=1)
            facts = describe(path)
            assert (facts.height, facts.width) == radiograph.pixels.shape
            assert facts.polarity == radiograph.polarity
            read += 1
        except ImageError:
            refused += 1
    assert read > 30
    assert refused > 10


@pytest.mark.parametrize("name", ["CT_small", "MR_small_implicit", "MR_small_RLE"])
def test_a_data_set_without_the_head_of_a_file_is_read_and_says_so(name: str, tmp_path: Path) -> None:
    content = (FILES / f"{name}.dcm").read_bytes()
    expected = read_radiograph(content)
    meta = pydicom.dcmread(BytesIO(content)).file_meta.FileMetaInformationGroupLength + 12
    bare = [content[132:]] if name.endswith("RLE") else [content[132:], content[132 + meta :]]
    for number, part in enumerate(bare):
        path = tmp_path / f"{number}"
        path.write_bytes(part)
        assert image_paths(path).images == (path,)
        read = read_radiograph(path)
        np.testing.assert_array_equal(read.pixels, expected.pixels)
        assert read.window == expected.window
        assert any("without the head of a file" in note for note in read.notes)
        assert set(describe(path).notes) <= set(read.notes)


def test_an_inverted_presentation_is_noted_where_it_contradicts_the_pixels() -> None:
    inverse = dicom(GREY16, PresentationLUTShape="INVERSE")
    np.testing.assert_array_equal(read_radiograph(inverse).pixels, GREY16)
    assert any("PresentationLUTShape INVERSE" in note for note in read_radiograph(inverse).notes)
    usual = dicom(GREY16, PresentationLUTShape="INVERSE", PhotometricInterpretation="MONOCHROME1")
    assert not any("PresentationLUTShape" in note for note in read_radiograph(usual).notes)


SEEDS = [dicom(GREY16), dicom(GREY8, syntax="1.2.840.10008.1.2"), (FILES / "MR_small_RLE.dcm").read_bytes()]


@settings(max_examples=150, deadline=None)
@given(altered(SEEDS))
def test_altered_files_decode_or_are_refused(content: bytes) -> None:
    try:
        describe(content)
        radiograph = read_radiograph(content, page=1)
    except ImageError:
        return
    assert radiograph.pixels.dtype in (np.uint8, np.uint16)


def test_without_pydicom_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert 'pip install "lopore-core[dicom]"' in refusal(dicom_bytes)


dicom_bytes = dicom(GREY8)


def test_real_weld_files_keep_their_window_and_pitch(shared_data: Path) -> None:
    folder = shared_data / "diconde-welds"
    windows = {path.name: read_radiograph(path).window for path in sorted(folder.glob("*.dcm"))}
    assert windows == {
        "B3660-Y1_16b.dcm": (265, 383),
        "B3714-E1RM1_16b.dcm": (200, 336),
        "B3714-E1_16b.dcm": (215, 346),
        "C472-Y1A_RM1.dcm": None,
    }
    for path in folder.glob("*.dcm"):
        radiograph = read_radiograph(path)
        assert radiograph.pixel_pitch_mm == 0.2
        assert radiograph.polarity == "detector"
        assert radiograph.pixels.shape == (1000, 1000)
