"""What every enhancer promises, for each one that the plugin lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made.modules import awake_after

from lopore.contracts import Enhancer, Pixels
from lopore.errors import LoporeError
from lopore_enhance import plugin
from lopore_enhance.presets import PRESETS

ENHANCERS = {enhancer.name: enhancer for enhancer in plugin.lopore_enhancers()}
BY_NAME = pytest.mark.parametrize("enhancer", ENHANCERS.values(), ids=ENHANCERS)
GENTLE = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.differing_executors])


def sample(height: int, width: int, channels: int, dtype: Any, seed: int) -> Pixels:
    """Smooth shading, two marks and noise, over the whole range of the type."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    shade = 0.5 + 0.4 * np.sin(columns / 9 + seed) * np.cos(rows / 13)
    shade[height // 3 : height // 3 + 2] = 0.05
    shade[:, width // 2] = 0.98
    noisy = shade + generator.normal(0, 0.02, shade.shape)
    plane: Pixels = np.rint(np.clip(noisy, 0, 1) * np.iinfo(dtype).max).astype(dtype)
    if channels == 1:
        return plane
    colour: Pixels = np.dstack([plane, np.roll(plane, 3, axis=1), plane.max() - plane // 2]).astype(dtype)
    return colour


samples = st.builds(
    sample,
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    seed=st.integers(0, 1000),
)


def enhanced(enhancer: Enhancer, image: Pixels, **values: Any) -> Pixels:
    return enhancer.apply(image, enhancer.params.model_validate(values))


@BY_NAME
@given(image=samples)
@example(image=sample(80, 70, 1, np.uint16, 1))
@example(image=sample(1, 1, 3, np.uint8, 2))
@GENTLE
def test_depth_and_channels_stay_and_the_input_is_untouched(enhancer: Enhancer, image: Pixels) -> None:
    before = image.copy()
    image.flags.writeable = False
    try:
        result = enhanced(enhancer, image)
    except LoporeError as error:
        assert "\n" not in str(error)
        assert enhancer.name == "clahe", "only tiles need an image of some size"
        assert min(image.shape[:2]) < 64
        return
    assert np.array_equal(image, before)
    assert result.dtype == image.dtype
    assert result.ndim == image.ndim
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert not np.shares_memory(result, image)
    if enhancer.motion is None:
        assert result.shape == image.shape
    assert np.array_equal(result, enhanced(enhancer, image)), "the same image and parameters gave two results"


@BY_NAME
@pytest.mark.parametrize("grey", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_even_picture_has_no_wrapped_values(enhancer: Enhancer, grey: int, dtype: Any) -> None:
    """Curves may move an even grey, but to one value; noise may spread it, but not to the far end of the range."""
    step = np.iinfo(dtype).max // 255
    result = enhanced(enhancer, np.full((72, 80), grey * step, dtype))
    spread = int(result.max()) - int(result.min())
    allowed = {"gaussian-noise": 60 * step, "salt-and-pepper": 255 * step}.get(enhancer.name, 0)
    assert spread <= allowed


CLIPPING = [
    ("brightness", {"amount": 60}),
    ("brightness", {"amount": -60}),
    ("contrast", {"factor": 8}),
    ("window", {"level": 40, "width": 5}),
    ("unsharp-mask", {"amount": 10, "sigma": 3}),
    ("sharpness", {"factor": 10}),
    ("flatten", {"sigma": 4, "mode": "divide"}),
    ("flatten", {"sigma": 4, "mode": "subtract"}),
    ("sobel", {"gain": 100}),
    ("gaussian-noise", {"sigma": 50}),
    ("resize", {"width": 201, "height": 77, "resampling": "lanczos"}),
    ("resize", {"width": 201, "height": 77, "resampling": "cubic"}),
]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("name", "values"), CLIPPING)
def test_what_passes_the_ends_of_the_range_is_clipped(name: str, values: dict[str, Any], dtype: Any) -> None:
    """A black half beside a white one: whatever overshoots must stay on its own side."""
    top = int(np.iinfo(dtype).max)
    image = np.zeros((80, 200), dtype)
    image[:, 100:] = top
    result = enhanced(ENHANCERS[name], image, **values)
    dark, bright = result[:, : result.shape[1] // 2 - 2], result[:, -result.shape[1] // 2 + 2 :]
    assert dark.mean() <= bright.mean()
    if name not in ("sobel", "gaussian-noise"):
        assert dark.max() <= bright.min()


LOOSE: dict[str, tuple[float, float]] = {
    "non-local-means": (4.0, 0.5),  # squared differences in 8 bits, absolute ones in 16
    "flatten": (2.0, 0.9),  # three roundings on the way
    "clahe": (1.5, 0.5),
    "adaptive-threshold": (255.0, 6.0),  # the 8-bit mean is rounded before it is compared
}
"""Largest and mean difference in 8-bit grey levels where rounding is not the only reason for one."""


@BY_NAME
@pytest.mark.parametrize("seed", [0, 1])
def test_sixteen_bits_say_the_same_as_eight(enhancer: Enhancer, seed: int) -> None:
    if enhancer.name == "window-grey":
        pytest.skip("its parameters are grey values of the file")
    image = sample(96, 88, 1, np.uint8, seed)
    eight = enhanced(enhancer, image)
    sixteen = enhanced(enhancer, image.astype(np.uint16) * 257)
    difference = np.abs(eight.astype(np.float64) - sixteen / 257.0)
    largest, mean = LOOSE.get(enhancer.name, (1.01, 0.51))
    assert difference.max() <= largest
    assert difference.mean() <= mean


@BY_NAME
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_film_saved_as_colour_is_enhanced_as_grey(enhancer: Enhancer, dtype: Any) -> None:
    image = sample(72, 80, 1, dtype, 3)
    grey, colour = enhanced(enhancer, image), enhanced(enhancer, np.dstack([image] * 3))
    assert np.array_equal(colour[..., 0], colour[..., 1])
    difference = np.abs(colour[..., 0].astype(np.int64) - grey)
    rounding = {"non-local-means": 3, "bilateral": 1}.get(enhancer.name, 0)
    assert difference.max() <= rounding * (np.iinfo(dtype).max // 255)


@BY_NAME
@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((8, 8), np.float32),
        np.zeros((8, 8), np.int16),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros(8, np.uint8),
        np.zeros((0, 8), np.uint8),
    ],
    ids=["float", "signed", "alpha", "line", "empty"],
)
def test_what_is_no_picture_is_refused_in_one_line(enhancer: Enhancer, wrong: Pixels) -> None:
    with pytest.raises(LoporeError, match="image") as caught:
        enhancer.apply(wrong, enhancer.params())
    assert "\n" not in str(caught.value)


@BY_NAME
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_view_gives_what_its_copy_gives(enhancer: Enhancer, dtype: Any) -> None:
    image = sample(160, 140, 1, dtype, 4)[::-2, ::2]
    assert np.array_equal(enhanced(enhancer, image), enhanced(enhancer, image.copy()))


@BY_NAME
def test_every_parameter_is_explained_and_bounded(enhancer: Enhancer) -> None:
    schema = enhancer.params.model_json_schema()
    for name, field in schema.get("properties", {}).items():
        assert "default" in field, name
        assert field.get("description"), name
        assert "enum" in field or {"minimum", "exclusiveMinimum"} & set(field), name
        assert "enum" in field or {"maximum", "exclusiveMaximum"} & set(field), name


POINTWISE = [enhancer for enhancer in ENHANCERS.values() if enhancer.lookup]


@pytest.mark.parametrize("enhancer", POINTWISE, ids=lambda enhancer: enhancer.name)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@given(data=st.data())
@GENTLE
def test_a_lookup_table_equals_its_enhancer_on_every_grey_value(enhancer: Enhancer, dtype: Any, data: Any) -> None:
    fields = enhancer.params.model_json_schema().get("properties", {})
    values = {name: data.draw(st.floats(field["minimum"], field["maximum"])) for name, field in fields.items()}
    params = enhancer.params.model_validate(values)
    every_value = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(16, -1)
    assert enhancer.lookup is not None
    table = enhancer.lookup(np.dtype(dtype), params)
    assert table.dtype == dtype
    assert np.array_equal(table[every_value], enhancer.apply(every_value, params))


def test_previews_for_the_eye_are_marked() -> None:
    marked = {name for name, enhancer in ENHANCERS.items() if enhancer.preview_only}
    assert marked == {"adaptive-threshold", "otsu", "canny", "sobel", "felzenszwalb"}


def test_presets_hold_known_steps_that_a_model_may_use() -> None:
    offered = {title: steps for enhancer in ENHANCERS.values() for title, steps in enhancer.presets.items()}
    assert offered == dict(PRESETS)
    assert {"CLAHE + Denoise", "Sharpen + Gamma", "Film window", "Flatten + CLAHE"} <= set(offered)
    for dtype in (np.uint8, np.uint16):
        for steps in offered.values():
            image = sample(96, 88, 1, dtype, 5)
            for step in steps:
                enhancer = ENHANCERS[step["name"]]
                assert not enhancer.preview_only
                values = {key: value for key, value in step.items() if key != "name"}
                image = enhancer.apply(image, enhancer.params.model_validate(values))
            assert image.dtype == dtype
            assert image.std() > 0


def test_listing_the_enhancers_imports_no_opencv() -> None:
    code = "import lopore_enhance.plugin as p; assert len(list(p.lopore_enhancers())) >= 30"
    assert not awake_after(code, "cv2", "skimage", "scipy", "stringzilla", "torch")


def test_readme_names_every_enhancer_and_preset() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    missing = [name for name in ENHANCERS if f"`{name}`" not in readme]
    missing += [title for title in PRESETS if f'"{title}"' not in readme]
    assert not missing
