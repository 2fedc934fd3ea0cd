"""Equal to the reference where there is one: OpenCV, scikit-image, or the definition written out."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lopore.contracts import Pixels
from lopore.errors import ImageError
from lopore_enhance import clahe, contrast, denoise, detail, noise, preview
from lopore_enhance import parameters as p

DEPTHS = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])


def film(height: int, width: int, dtype: Any, seed: int = 0) -> Pixels:
    generator = np.random.default_rng(seed)
    shade = 0.45 + 0.25 * np.sin(np.arange(width) / 17)[None, :] + 0.1 * np.cos(np.arange(height) / 11)[:, None]
    return (np.clip(shade + generator.normal(0, 0.03, (height, width)), 0, 1) * np.iinfo(dtype).max).astype(dtype)


def windows(image: Pixels, radius: int) -> Pixels:
    padded = np.pad(image, radius, mode="edge")
    size = 2 * radius + 1
    return np.lib.stride_tricks.sliding_window_view(padded, (size, size)).reshape(*image.shape, -1)


@DEPTHS
@given(
    radius=st.integers(1, 5),
    height=st.integers(1, 40),
    width=st.integers(1, 150),
    seed=st.integers(0, 99),
)
@settings(max_examples=15, deadline=None)
def test_median_is_the_middle_of_the_window(dtype: Any, radius: int, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width)).astype(dtype)
    assert np.array_equal(denoise.median(image, radius=radius), np.median(windows(image, radius), axis=2))


@DEPTHS
def test_minimum_and_maximum_are_those_of_the_window(dtype: Any) -> None:
    image = film(31, 45, dtype)
    assert np.array_equal(denoise.minimum(image, radius=3), windows(image, 3).min(axis=2))
    assert np.array_equal(denoise.maximum(image, radius=3), windows(image, 3).max(axis=2))


@DEPTHS
@pytest.mark.parametrize("radius", [1, 2])
def test_mode_is_the_most_frequent_value_of_the_window(dtype: Any, radius: int) -> None:
    image = np.random.default_rng(1).integers(0, 6, (20, 26)).astype(dtype) * dtype(40)
    result = denoise.mode(image, radius=radius, classes=256)
    for own, got, values in zip(image.flat, result.flat, windows(image, radius).reshape(image.size, -1), strict=True):
        kinds, counts = np.unique(values, return_counts=True)
        most = kinds[counts == counts.max()].astype(int)
        nearest = most[np.abs(most - int(own)) == np.abs(most - int(own)).min()]
        assert got == nearest.min()


def test_mode_leaves_a_deep_grainy_picture_but_for_its_specks() -> None:
    image = film(60, 60, np.uint16)
    image[::7, ::7] = 65535
    result = denoise.mode(image, radius=2, classes=32)
    assert (result == 65535).sum() < (image == 65535).sum() / 10


@DEPTHS
def test_opencv_is_met_exactly(dtype: Any) -> None:
    image, top = film(70, 90, dtype), int(np.iinfo(dtype).max)
    smooth = cv2.GaussianBlur(image, (0, 0), 1.5)
    pairs = {
        "median": (denoise.median(image, radius=2), cv2.medianBlur(image, 5)),
        "mean": (denoise.mean(image, radius=2), cv2.blur(image, (5, 5))),
        "gaussian": (denoise.gaussian(image, sigma=1.5), smooth),
        "unsharp": (
            detail.unsharp_mask(image, sigma=1.5, amount=1, threshold=0),
            cv2.addWeighted(image, 2, smooth, -1, 0),
        ),
        "invert": (contrast.invert(image), top - image),
        "otsu": (preview.otsu(image), cv2.threshold(image, 0, top, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1]),
    }
    for name, (ours, reference) in pairs.items():
        assert np.array_equal(ours, reference), name


def test_opencv_is_met_exactly_where_it_knows_8_bits_only() -> None:
    image = film(96, 104, np.uint8)
    pairs = {
        "clahe": (clahe.clahe(image, clip_limit=3, tiles=4), cv2.createCLAHE(3, (4, 4)).apply(image)),
        "equalize": (contrast.equalize(image), cv2.equalizeHist(image)),
        "bilateral": (
            denoise.bilateral(image, radius=3, sigma_grey=12, sigma_space=3),
            cv2.bilateralFilter(image, 7, 12, 3),
        ),
        "non-local-means": (
            denoise.non_local_means(image, strength=4, patch_radius=3, search_radius=5),
            cv2.fastNlMeansDenoising(image, None, 4, 7, 11),
        ),
        "adaptive threshold": (
            preview.adaptive_threshold(image, radius=7, offset=5, method="gaussian"),
            cv2.adaptiveThreshold(image, 255, cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY, 15, 5),
        ),
        "canny": (preview.canny(image, low=50, high=100), cv2.Canny(image, 50, 100)),
    }
    for name, (ours, reference) in pairs.items():
        assert np.array_equal(ours, reference), name


def test_canny_of_16_bits_draws_the_same_edges() -> None:
    image = film(96, 104, np.uint8)
    deep = preview.canny(image.astype(np.uint16) * 257, low=50, high=100)
    assert np.array_equal(deep, preview.canny(image, low=50, high=100).astype(np.uint16) * 257)
    assert 0 < (deep > 0).mean() < 0.5


@given(gamma=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_gamma_is_that_of_scikit_image(gamma: float) -> None:
    exposure = pytest.importorskip("skimage.exposure")
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(contrast.gamma(image, gamma=gamma), exposure.adjust_gamma(image, gamma))


@DEPTHS
def test_equalize_gives_even_shares(dtype: Any) -> None:
    result = contrast.equalize(film(200, 300, dtype)).astype(float) / np.iinfo(dtype).max
    shares, _ = np.histogram(result, bins=8, range=(0, 1))
    assert shares.min() / shares.max() > 0.85


@DEPTHS
@given(low=st.floats(0, 40), high=st.floats(60, 100), seed=st.integers(0, 50))
@example(low=0.55, high=60.0, seed=46)  # 2000 pixels * 0.55 / 100 is a hair over the 11 that it should be
@settings(max_examples=20, deadline=None)
def test_stretch_puts_the_percentiles_on_the_ends(dtype: Any, low: float, high: float, seed: int) -> None:
    image = film(40, 50, dtype, seed) // 3 + 20
    bottom, top = np.percentile(image, [low, high], method="inverted_cdf")
    result = contrast.stretch(image, low=low, high=high)
    assert np.all(result[image <= bottom] == 0)
    assert np.all(result[image >= top] == np.iinfo(dtype).max)
    assert np.all(np.diff(result.reshape(-1)[np.argsort(image, axis=None)].astype(int)) >= 0)


def test_a_narrow_16_bit_film_is_brought_to_sight() -> None:
    """150 to 400 of 65 535 with dead pixels at both ends, as the inspection files have it."""
    image = np.rint(film(128, 128, np.uint16) / 65535 * 250 + 150).astype(np.uint16)
    image[3, 3], image[5, 5] = 0, 65535
    seen = contrast.stretch(image, low=0.5, high=99.5)
    assert seen.std() > 65535 / 8
    wired = contrast.window_grey(image, level=275, width=250)
    assert wired.std() > 65535 / 12
    local = clahe.clahe(seen, clip_limit=4, tiles=4)
    assert len(np.unique(local)) > 200


@pytest.mark.parametrize("clip_limit", [1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("shape", [(96, 96), (100, 131), (97, 96), (64, 200), (65, 33_000), (33_000, 64)])
def test_clahe_of_16_bits_follows_the_clip_limit_as_8_bits_do(clip_limit: float, shape: tuple[int, int]) -> None:
    image = film(*shape, np.uint8)
    deep = clahe.clahe(image.astype(np.uint16) * 257, clip_limit=clip_limit, tiles=8)
    shallow = cv2.createCLAHE(clip_limit, (8, 8)).apply(image)
    assert np.abs(deep / 257 - shallow).max() < 1.5


def test_clahe_of_16_bits_lies_straight_between_256_points_to_one_grey_value() -> None:
    image = np.random.default_rng(4).integers(0, 65536, (400, 500)).astype(np.uint16)
    share = np.cumsum(np.bincount(image.ravel() >> 8, minlength=256)) / image.size
    expected = np.interp(image, np.arange(256) * 257, share * 65535)
    assert np.abs(clahe.clahe(image, clip_limit=100, tiles=1) - expected).max() < 1.1


def test_clahe_on_several_threads_equals_one() -> None:
    image, before = film(300, 500, np.uint16), cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = [clahe.clahe(image, clip_limit=2, tiles=8), denoise.median(image, radius=3)]
        cv2.setNumThreads(2)
        assert np.array_equal(alone[0], clahe.clahe(image, clip_limit=2, tiles=8))
        assert np.array_equal(alone[1], denoise.median(image, radius=3))
    finally:
        cv2.setNumThreads(before)


def test_clahe_says_how_many_tiles_a_small_picture_takes() -> None:
    with pytest.raises(ImageError, match="at most 3 tiles"):
        clahe.clahe(film(30, 90, np.uint8), clip_limit=2, tiles=8)


@DEPTHS
@pytest.mark.parametrize("offset", [-20, -1, 0, 1, 7, 300])
def test_adaptive_threshold_holds_at_both_ends_of_the_range(dtype: Any, offset: float) -> None:
    step = np.iinfo(dtype).max // 255
    for value in (0, 255 * step):
        even = np.full((9, 9), value, dtype)
        marked = preview.adaptive_threshold(even, radius=2, offset=min(offset, 255), method="mean")
        assert np.all(marked == (255 * step if offset > 0 else 0))


@DEPTHS
@pytest.mark.parametrize("mode", ["subtract", "divide"])
def test_flatten_removes_shading_and_keeps_mean_and_marks(dtype: Any, mode: Any) -> None:
    top = np.iinfo(dtype).max
    shade = np.linspace(0.3, 0.7, 300)[None, :].repeat(200, axis=0)
    shade[95:105, 145:155] -= 0.08
    flat = detail.flatten((shade * top).astype(dtype), sigma=30, mode=mode) / top
    away = np.delete(flat, np.s_[60:140], axis=0)[:, 40:-40]
    assert away.std() < 0.01
    assert abs(flat.mean() - shade.mean()) < 0.02
    assert flat[98:102, 148:152].mean() < away.mean() - 0.04


@DEPTHS
def test_unsharp_mask_leaves_differences_under_its_threshold(dtype: Any) -> None:
    step = np.iinfo(dtype).max // 255
    image = film(60, 60, dtype) // 4 + dtype(100 * step)
    image[30, 30] += dtype(60 * step)
    result = detail.unsharp_mask(image, sigma=1.5, amount=2, threshold=40)
    assert result[30, 30] > image[30, 30]
    result[28:33, 28:33] = image[28:33, 28:33]
    assert np.array_equal(result, image)


@DEPTHS
def test_blur_draws_a_point_as_an_even_disc(dtype: Any) -> None:
    top = int(np.iinfo(dtype).max)
    image = np.zeros((41, 41), dtype)
    image[20, 20] = top
    result = denoise.blur(image, radius=5.0)
    assert abs(float(result.sum()) / top - 1) < 0.2
    rows, columns = np.nonzero(result)
    assert np.hypot(rows - 20, columns - 20).max() <= 6
    assert result[20, 20] == result[20, 23] == result[17, 20]


@DEPTHS
def test_noise_has_the_stated_size_and_follows_its_seed(dtype: Any) -> None:
    top = np.iinfo(dtype).max
    image = np.full((400, 400), top // 2, dtype)
    noisy = noise.gaussian_noise(image, sigma=4, seed=1)
    assert abs(noisy.std() / top - 0.04) < 0.001
    assert np.array_equal(noisy, noise.gaussian_noise(image, sigma=4, seed=1))
    assert not np.array_equal(noisy, noise.gaussian_noise(image, sigma=4, seed=2))
    specks = noise.salt_and_pepper(image, amount=10, salt=25, seed=1)
    assert abs((specks == 0).mean() - 0.075) < 0.005
    assert abs((specks == top).mean() - 0.025) < 0.003
    assert np.array_equal(noise.salt_and_pepper(image, amount=0, salt=50, seed=1), image)


@DEPTHS
def test_bilateral_keeps_an_edge_that_gaussian_smears(dtype: Any) -> None:
    step = np.iinfo(dtype).max // 255
    image = np.full((40, 40), 60 * step, dtype)
    image[:, 20:] = 180 * step
    noisy = noise.gaussian_noise(image, sigma=1, seed=0)
    smooth = denoise.bilateral(noisy, radius=4, sigma_grey=20, sigma_space=3).astype(float)
    assert smooth[:, 20:].mean() - smooth[:, :20].mean() > 118 * step
    assert smooth[:, :20].std() < 0.5 * noisy[:, :20].std()


@DEPTHS
def test_felzenszwalb_fills_regions_or_draws_their_borders(dtype: Any) -> None:
    pytest.importorskip("skimage")
    image = np.zeros((60, 60), dtype)
    image[:, 30:] = np.iinfo(dtype).max // 2
    filled = preview.felzenszwalb(image, scale=100, sigma=0, smallest=50, show="mean")
    assert np.array_equal(filled, image)
    drawn = preview.felzenszwalb(image, scale=100, sigma=0, smallest=50, show="borders")
    assert np.all(drawn[:, 30] == np.iinfo(dtype).max)
    assert (drawn == np.iinfo(dtype).max).sum() == 60


def test_felzenszwalb_without_scikit_image_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from lopore.errors import ConfigError

    monkeypatch.setitem(__import__("sys").modules, "skimage.segmentation", None)
    with pytest.raises(ConfigError, match=r"lopore-enhance\[segmentation\]"):
        preview.felzenszwalb(np.zeros((9, 9), np.uint8), scale=1, sigma=0, smallest=1, show="mean")


def test_impossible_pairs_of_parameters_are_refused_when_they_are_read() -> None:
    with pytest.raises(ValidationError, match="not under high"):
        p.Stretch(low=60, high=40)
    with pytest.raises(ValidationError, match="over high"):
        p.Canny(low=200, high=100)
