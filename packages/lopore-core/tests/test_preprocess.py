"""One resize, one record, one geometry: the same numbers as Pillow, PyTorch and ONNX, and marks that stay in place."""

from __future__ import annotations

import math
from fractions import Fraction
from io import BytesIO
from itertools import accumulate
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from lopore.affine import Affine
from lopore.errors import ConfigError
from lopore.preprocessing.geometry import Geometry
from lopore.preprocessing.geometry import fit_to_input as place
from lopore.preprocessing.lookup_tables import histogram
from lopore.preprocessing.pipeline import percentile_limits, preprocess, read_for, stretch_between, to_batch, to_depth
from lopore.preprocessing.resampling import MEAN_PARTS, TIE_SHIFT, WEIGHT_PARTS, resize, resize_grey
from lopore.reading.encode import write_radiograph
from lopore.reading.radiograph import Radiograph, Source
from lopore.record.preprocessing import Preprocessing, Window

Array = NDArray[Any]
GENERATOR = np.random.default_rng(5)
NOISE = GENERATOR.integers(0, 256, (91, 133), dtype=np.uint8)
DEEP = GENERATOR.integers(0, 65536, (91, 133), dtype=np.uint16)
COLOUR = GENERATOR.integers(0, 256, (91, 133, 3), dtype=np.uint8)
SIZES = [(32, 32), (91, 133), (45, 40), (200, 77), (91, 60), (8, 300)]
Mode = Literal["stretch", "letterbox", "crop"]


def radiograph(pixels: Array, window: tuple[float, float] | None = None) -> Radiograph:
    source = Source("film.png", None, "0" * 64, "png", 1, 1, 8 * pixels.dtype.itemsize)
    return Radiograph(pixels, source, (pixels.shape[0], pixels.shape[1]), window=window)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixels", [NOISE, COLOUR], ids=["grey", "colour"])
def test_resize_equals_pillow_bilinear(pixels: Array, size: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    expected = np.asarray(image.fromarray(pixels).resize((size[1], size[0]), image.Resampling.BILINEAR))
    # Pillow rounds after each of the two passes.
    assert np.abs(resize(pixels, size) - expected).max() <= 1.01


@pytest.mark.parametrize("size", SIZES)
def test_resize_equals_pillow_in_floating_point_and_of_a_part(size: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    floating = image.fromarray(DEEP.astype(np.float32))
    expected = np.asarray(floating.resize((size[1], size[0]), image.Resampling.BILINEAR))
    np.testing.assert_allclose(resize(DEEP, size), expected, atol=0.05)
    box = (10.25, 3.5, 101.75, 80.0)
    expected = np.asarray(floating.resize((size[1], size[0]), image.Resampling.BILINEAR, box=box))
    np.testing.assert_allclose(resize(DEEP, size, box), expected, atol=0.05)


@pytest.mark.parametrize("size", SIZES)
def test_resize_equals_pytorch_with_antialias(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    planes = torch.from_numpy(np.moveaxis(COLOUR, 2, 0)[None].astype(np.float32))
    expected = torch.nn.functional.interpolate(planes, size=size, mode="bilinear", antialias=True, align_corners=False)
    np.testing.assert_allclose(resize(COLOUR, size), np.moveaxis(expected[0].numpy(), 0, 2), atol=0.01)


@pytest.mark.parametrize("size", SIZES)
def test_resize_equals_onnx_with_antialias(size: tuple[int, int]) -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    node = onnx.helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear", antialias=1, exclude_outside=1)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node],
        "resize",
        [value("x", onnx.TensorProto.FLOAT, [1, 1, *NOISE.shape])],
        [value("y", onnx.TensorProto.FLOAT, [1, 1, *size])],
        [onnx.numpy_helper.from_array(np.array([1, 1, *size], np.int64), "sizes")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": NOISE[None, None].astype(np.float32)})
    np.testing.assert_allclose(resize(NOISE, size), expected[0, 0], atol=0.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 90), st.integers(1, 90), st.integers(0, 65535))
def test_a_flat_picture_stays_flat_at_any_size(height: int, width: int, high: int, wide: int, grey: int) -> None:
    flat = np.full((height, width), grey, np.uint16)
    placed, _ = place(flat, "stretch", (high, wide))
    assert placed.dtype == np.uint16
    np.testing.assert_array_equal(placed, grey)


def test_a_wide_film_is_resized_like_its_parts() -> None:
    """Blocks of columns and rows, used to stay within one thread, leave no seam."""
    film = GENERATOR.integers(0, 65536, (300, 3001), dtype=np.uint16)
    rows, columns = resize(np.eye(300, dtype=np.float32), (40, 300)), resize(np.eye(3001, dtype=np.float32), (3001, 64))
    np.testing.assert_allclose(resize(film, (40, 64)), rows @ film.astype(np.float64) @ columns, rtol=1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 30), st.booleans())
def test_repeating_weights_give_what_weights_by_the_line_give(common: int, less: int, more: int, deep: bool) -> None:
    """640 to 224 repeats every 20 inputs; a box of the whole image takes the general way."""
    shape, size = (common * more, common * less), (common * less, common * more)
    pixels = np.random.default_rng(common).integers(0, 65536 if deep else 256, shape).astype(np.float32)
    general = resize(pixels, size, (0.0, 0.0, float(shape[1]), float(shape[0])))
    np.testing.assert_allclose(resize(pixels, size), general, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(("side", "out"), [(640, 224), (640, 320), (320, 224), (1000, 250), (512, 1024)])
def test_usual_sizes_equal_the_general_way(side: int, out: int) -> None:
    pixels = np.random.default_rng(side).integers(0, 65536, (side, side), dtype=np.uint16)
    general = resize(pixels, (out, out), (0.0, 0.0, float(side), float(side)))
    np.testing.assert_allclose(resize(pixels, (out, out)), general, atol=0.05)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pixels", [NOISE, COLOUR, DEEP], ids=["grey", "colour", "deep"])
def test_whole_grey_values_are_the_rounded_resize(pixels: Array, size: tuple[int, int]) -> None:
    """4096ths of a weight and 16ths of a level move a mean of noise by less than a sixth of one of 256 levels."""
    found = resize_grey(pixels, size)
    assert found.dtype == pixels.dtype
    level = 1 if pixels.dtype == np.uint8 else 257
    assert np.abs(found - resize(pixels, size)).max() <= 0.5 + 0.15 * level


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 8), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_an_8_bit_resize_does_not_depend_on_the_order_of_its_sums(common: int, less: int, more: int, seed: int) -> None:
    """What two ways of summing, and double precision, all give is what any BLAS, processor or runtime gives."""
    shape, size = (common * more, common * less), (common * less, common * more)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    found = resize_grey(pixels, size)
    np.testing.assert_array_equal(found, resize_grey(pixels, size, (0, 0, shape[1], shape[0])))
    lines = [_whole_weights(length, out) for length, out in zip(shape, size, strict=True)]
    means = np.rint(lines[0] @ pixels.astype(np.float64) * (MEAN_PARTS / WEIGHT_PARTS))
    grey = np.rint(means @ lines[1].T / (MEAN_PARTS * WEIGHT_PARTS) + TIE_SHIFT)
    np.testing.assert_array_equal(found, grey)


def _whole_weights(length: int, out: int) -> NDArray[np.float64]:
    """The weights by their definition, in whole numbers: a triangle, its running sum rounded to 4096ths."""
    weights = np.zeros((out, length))
    for line in range(out):
        reach = 2 * max(length, out)
        inside = [max(0, reach - abs((2 * place + 1) * out - (2 * line + 1) * length)) for place in range(length)]
        total = Fraction(sum(inside), WEIGHT_PARTS)
        parts = [math.floor(reached / total + Fraction(1, 2)) for reached in accumulate(inside)]
        weights[line] = np.diff(parts, prepend=0)
    return weights


def marked(shape: tuple[int, int], x: int, y: int, side: int = 12) -> Array:
    image = np.full(shape, 40, np.uint8)
    image[y : y + side, x : x + side] = 240
    return image


@pytest.mark.parametrize("mode", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("shape", [(300, 500), (500, 300), (257, 391), (96, 96), (60, 50)])
@pytest.mark.parametrize("size", [(96, 96), (64, 128)])
def test_a_planted_mark_lands_within_one_pixel(mode: Mode, shape: tuple[int, int], size: tuple[int, int]) -> None:
    x, y, side = shape[1] // 2 - 14, shape[0] // 2 - 4, 12
    record = Preprocessing(resize=mode, size=size)
    seen, geometry = preprocess(radiograph(marked(shape, x, y, side)), record)
    heat = np.maximum(seen[:, :, 0].astype(np.float32) - 45, 0)
    if mode == "letterbox":
        assert abs(float(np.median(seen)) - 40) <= 1
    back = geometry.map_to_original(heat)
    assert back.shape == shape
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]] + 0.5
    weight = back / back.sum()
    assert abs((columns * weight).sum() - (x + side / 2)) < 1
    assert abs((rows * weight).sum() - (y + side / 2)) < 1
    there = geometry.to_input(x + side / 2, y + side / 2)
    ys, xs = np.mgrid[0 : size[0], 0 : size[1]] + 0.5
    assert abs((xs * heat).sum() / heat.sum() - there[0]) < 1
    assert abs((ys * heat).sum() / heat.sum() - there[1]) < 1


@pytest.mark.parametrize("mode", ["stretch", "letterbox", "crop"])
def test_a_mark_lands_when_the_jpeg_decoder_shrank_and_turned_the_picture(mode: Mode) -> None:
    simplejpeg = pytest.importorskip("simplejpeg")
    image = marked((641, 835), 300, 200, 40)
    plain = bytes(simplejpeg.encode_jpeg(image[:, :, None], colorspace="GRAY"))
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    content = plain[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + plain[2:]
    record = Preprocessing(resize=mode, size=(96, 96), decoder_scaling=True)
    read = read_for(record, content)
    assert read.pixels.shape == (209, 161)  # a quarter: an eighth would be under 96
    seen, geometry = preprocess(read, record)
    assert geometry.original == (835, 641)
    back = geometry.map_to_original(np.maximum(seen[:, :, 0].astype(np.float32) - 50, 0))
    rows, columns = np.mgrid[0:835, 0:641] + 0.5
    # Turned by 90 degrees clockwise, (x, y) goes to (641 - y, x).
    assert abs((columns * back).sum() / back.sum() - (641 - 220)) < 1
    assert abs((rows * back).sum() / back.sum() - 320) < 1


def test_a_crop_leaves_the_fill_where_the_network_saw_nothing() -> None:
    _, geometry = preprocess(radiograph(NOISE), Preprocessing(resize="crop", size=(64, 64)))
    drawn = geometry.map_to_original(np.ones((7, 7), np.float32), fill=-1)
    assert (drawn[:, :20] == -1).all()
    assert (drawn[:, 22:110] == 1).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.1, 4), min_size=2, max_size=2), st.lists(st.floats(-50, 50), min_size=4, max_size=4))
def test_there_and_back_is_the_same_place(scales: list[float], values: list[float]) -> None:
    geometry = Geometry((100, 90), (64, 64), Affine(xx=scales[0], yy=-scales[1], x0=values[0], y0=values[1]))
    assert geometry.to_original(*geometry.to_input(*values[2:])) == pytest.approx(values[2:], abs=1e-9)


def test_the_fingerprint_changes_when_anything_changes() -> None:
    variants = [
        Preprocessing(),
        Preprocessing(channels=3),
        Preprocessing(depth=16),
        Preprocessing(window=Window(mode="percentile")),
        Preprocessing(window=Window(mode="percentile", low=1)),
        Preprocessing(enhance=({"name": "clahe"},)),
        Preprocessing(enhance=({"name": "clahe", "tiles": 4},)),
        Preprocessing(enhance=({"name": "clahe"}, {"name": "gamma"})),
        Preprocessing(enhance=({"name": "gamma"}, {"name": "clahe"})),
        Preprocessing(resize="letterbox"),
        Preprocessing(size=(224, 225)),
        Preprocessing(size=(225, 224)),
        Preprocessing(decoder_scaling=True),
        Preprocessing(mean=(0.5,)),
        Preprocessing(mean=(0.5,), std=(0.25,)),
        Preprocessing(mean=(0.25,), std=(0.5,)),
    ]
    prints = [record.fingerprint for record in variants]
    assert len(set(prints)) == len(variants)
    assert all(
        Preprocessing.model_validate_json(record.model_dump_json()).fingerprint == record.fingerprint
        for record in variants
    )
    assert Preprocessing.model_validate({"size": 224}).fingerprint == Preprocessing().fingerprint


@pytest.mark.parametrize(
    "wrong",
    [{"size": 4}, {"channels": 2}, {"mean": [0.5, 0.5]}, {"std": [0]}, {"sise": 224}, {"window": {"low": 9, "high": 3}},
     {"window": {"mode": "percentile", "high": 101}}, {"decoder_scaling": True, "resize": "tile"},
     {"decoder_scaling": True, "enhance": [{"name": "clahe"}]}],
)  # fmt: skip
def test_an_impossible_record_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing.model_validate(wrong)


def test_sixteen_bits_are_never_cut_to_eight_in_silence() -> None:
    with pytest.raises(ConfigError, match="erase faint defects"):
        preprocess(radiograph(DEEP), Preprocessing())
    for mode in ("percentile", "tags"):
        seen, _ = preprocess(radiograph(DEEP), Preprocessing(window=Window(mode=mode)))
        assert seen.dtype == np.uint8
        assert seen.shape == (224, 224, 1)


def test_depth_is_kept_or_widened_exactly() -> None:
    np.testing.assert_array_equal(to_depth(radiograph(DEEP), Preprocessing(depth=16)), DEEP)
    np.testing.assert_array_equal(to_depth(radiograph(NOISE), Preprocessing(depth=8)), NOISE)
    np.testing.assert_array_equal(to_depth(radiograph(NOISE), Preprocessing(depth=16)), NOISE.astype(np.uint16) * 257)


def test_a_faint_step_on_a_dark_film_survives_a_window() -> None:
    film = np.full((80, 80), 300, np.uint16)
    film[:, 40:] = 306
    film[0, 0], film[0, 1] = 0, 65535  # dead pixels
    seen = to_depth(radiograph(film), Preprocessing(window=Window(mode="percentile", low=0.5, high=99.5)))
    assert int(seen[40, 60]) - int(seen[40, 20]) == 255


def test_every_window_mode_takes_its_own_limits() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    fixed = Preprocessing(window=Window(mode="fixed", low=1000, high=2000))
    tags = Preprocessing(window=Window(mode="tags"))
    np.testing.assert_array_equal(
        to_depth(radiograph(ramp), fixed), stretch_between(ramp, 1000, 2000, np.dtype(np.uint8))
    )
    expected = stretch_between(ramp, 265, 383, np.dtype(np.uint8))
    np.testing.assert_array_equal(to_depth(radiograph(ramp, window=(265, 383)), tags), expected)
    by_percentile = to_depth(radiograph(ramp), Preprocessing(window=Window(mode="percentile")))
    np.testing.assert_array_equal(to_depth(radiograph(ramp), tags), by_percentile)
    assert (expected.ravel()[[265, 383, 0, 65535]] == [0, 255, 0, 255]).all()
    assert expected.ravel()[324] == 128


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 50), st.integers(51, 100), st.integers(1, 3000))
def test_percentiles_are_grey_values_that_occur(low: int, high: int, count: int) -> None:
    values = np.random.default_rng(count).integers(0, 4096, (1, count)).astype(np.uint16)
    bottom, top = percentile_limits(values, low, high)
    ordered = np.sort(values, axis=None)
    expected = [int(ordered[max(-(-count * share // 100), 1) - 1]) for share in (low, high)]
    assert bottom == expected[0]
    assert top == max(expected[1], bottom + 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_percentiles_of_a_film_larger_than_one_piece_are_exact(dtype: Any) -> None:
    film = GENERATOR.integers(0, np.iinfo(dtype).max, (4400, 4096), dtype=dtype)
    film[:4300] = 200  # more in one grey value than a float32 counts
    assert np.array_equal(histogram(film), np.bincount(film.reshape(-1), minlength=np.iinfo(dtype).max + 1))
    expected = tuple(np.percentile(film[4000:], [0.5, 99.5], method="inverted_cdf"))
    assert percentile_limits(film[4000:], 0.5, 99.5) == expected


def test_a_flat_film_through_a_percentile_window_gives_no_error() -> None:
    flat = np.full((50, 50), 777, np.uint16)
    seen, _ = preprocess(radiograph(flat), Preprocessing(window=Window(mode="percentile")))
    assert len(np.unique(seen)) == 1


def test_channels_are_repeated_and_never_dropped() -> None:
    seen, _ = preprocess(radiograph(NOISE), Preprocessing(channels=3))
    assert seen.shape == (224, 224, 3)
    assert (seen[:, :, 0] == seen[:, :, 2]).all()
    with pytest.raises(ConfigError, match="channels=1"):
        preprocess(radiograph(COLOUR), Preprocessing())


def test_reading_for_a_record_and_batching_keep_the_records_shape() -> None:
    content = write_radiograph(COLOUR, None)
    for record in (Preprocessing(size=(40, 48)), Preprocessing(size=(40, 48), channels=3)):
        seen = preprocess(read_for(record, content), record)[0]
        assert to_batch([seen, seen]).shape == (2, 40, 48, record.channels)


def test_a_one_pixel_picture_is_no_trouble() -> None:
    for mode in ("stretch", "letterbox", "crop"):
        seen, geometry = preprocess(radiograph(np.full((1, 1), 7, np.uint8)), Preprocessing(resize=mode))
        assert (seen == 7).all()
        assert geometry.map_to_original(np.ones((4, 4), np.float32)).shape == (1, 1)


def test_preprocessing_does_not_touch_what_was_read() -> None:
    pixels = NOISE.copy()
    preprocess(radiograph(pixels), Preprocessing(window=Window(mode="percentile")))
    np.testing.assert_array_equal(pixels, NOISE)
    assert BytesIO(write_radiograph(pixels, None)).read(4) == b"\x89PNG"


def test_a_tile_is_taken_as_it_is_and_another_size_is_refused_with_the_command_that_covers_a_film() -> None:
    record = Preprocessing(resize="tile", size=(91, 133), mm_per_pixel=0.08)
    pixels, geometry = preprocess(radiograph(NOISE), record)
    np.testing.assert_array_equal(pixels[:, :, 0], NOISE)
    assert geometry.to_input == Affine()
    with pytest.raises(ConfigError, match=r"133 x 91 px and the model takes tiles of 64 x 32 px .*lopore inspect"):
        preprocess(radiograph(NOISE), Preprocessing(resize="tile", size=(32, 64)))


def test_the_scale_belongs_to_tiles_and_is_part_of_the_fingerprint() -> None:
    with pytest.raises(ValidationError, match="set resize to 'tile'"):
        Preprocessing(mm_per_pixel=0.1)
    with pytest.raises(ValidationError, match="decoder_scaling changes what"):
        Preprocessing(resize="tile", decoder_scaling=True)
    one, other = (Preprocessing(resize="tile", mm_per_pixel=mm) for mm in (0.08, 0.1))
    assert one.fingerprint != other.fingerprint
