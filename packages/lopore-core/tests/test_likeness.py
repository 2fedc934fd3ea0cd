"""What tells whether a film is like those of training: grey level, contrast, sharpness."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lopore.contracts import Pixels
from lopore.data.appearance import STATISTICS, Appearance, noise, sharpness
from lopore.data.likeness import distance_of, fit_likeness, middle_of
from lopore.synthesis.sampling import sample_film


def grain(seed: int, side: int = 48, top: int = 120) -> Pixels:
    """An image of grain with some structure, (side, side, 1) uint8 up to twice ``top``."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, top, (6, 6)).astype(np.float32), (side, side))
    return np.rint(coarse + rng.integers(0, top, (side, side))).astype(np.uint8)[..., None]


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma)).reshape(pixels.shape)


@given(st.integers(0, 2**32), st.sampled_from((2, 64, 257)))
@settings(max_examples=30, deadline=None)
def test_sharpness_knows_neither_depth_nor_contrast(seed: int, gain: int) -> None:
    pixels = grain(seed)
    deep = (pixels.astype(np.uint16) * gain + 100).astype(np.uint16)
    assert sharpness(deep) == pytest.approx(sharpness(pixels), abs=1e-4)


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_a_blur_lowers_sharpness_and_more_blur_lowers_it_further(seed: int) -> None:
    pixels = grain(seed)
    steps = [sharpness(pixels), *(sharpness(blurred(pixels, sigma)) for sigma in (0.8, 1.6, 3.2))]
    assert steps == sorted(steps, reverse=True)
    assert 1 >= steps[0] > 2 * steps[-1] > 0


def test_motion_along_one_side_alone_is_seen() -> None:
    pixels = grain(1)
    moved = np.asarray(cv2.blur(pixels, (7, 1))).reshape(pixels.shape)
    assert sharpness(moved) < 0.8 * sharpness(pixels)
    assert sharpness(moved) == pytest.approx(sharpness(moved.transpose(1, 0, 2)))


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 200, 3)])
def test_a_flat_picture_has_no_sharpness_and_no_contrast(shape: tuple[int, int, int]) -> None:
    assert Appearance.of(np.full(shape, 255, np.uint8)) == Appearance(1.0, 0.0, 0.0, 0.0, 0.0)


def test_the_picture_is_not_modified() -> None:
    pixels = grain(2)
    before = pixels.copy()
    Appearance.of(pixels)
    np.testing.assert_array_equal(pixels, before)


def test_the_bounds_hold_made_films_and_not_their_unsharp_copies() -> None:
    films = [cv2.resize(sample_film("pore", seed, size=(256, 256)).pixels, (128, 128)) for seed in range(12)]
    known, _ = fit_likeness([Appearance.of(film[..., None]) for film in films])
    inside = [known["sharpness_low"] <= sharpness(film[..., None]) <= known["sharpness_high"] for film in films]
    assert sum(inside) >= len(films) - 2
    assert all(sharpness(blurred(film[..., None], 4)) < known["sharpness_low"] for film in films)


def test_the_spread_is_that_of_all_pixels_together() -> None:
    films = [grain(seed) for seed in range(4)]
    known, pixels = fit_likeness([Appearance.of(film) for film in films])[0], np.stack(films) / 255
    assert known["mean"] == pytest.approx(pixels.mean())
    assert known["std"] == pytest.approx(pixels.std())
    for name in STATISTICS:
        assert known[f"{name}_low"] <= known[f"{name}_high"]


@given(
    st.integers(0, 2**31),
    st.sampled_from([(1, 1), (1, 7), (5, 1), (2, 3), (33, 20)]),
    st.sampled_from([1, 3]),
    st.sampled_from([np.uint8, np.uint16]),
)
@settings(deadline=None, max_examples=60)
def test_the_statistics_are_those_of_their_definitions(
    seed: int, size: tuple[int, int], planes: int, depth: type
) -> None:
    full = float(np.iinfo(depth).max)
    pixels = np.random.default_rng(seed).integers(0, int(full) + 1, (*size, planes)).astype(depth)
    found, ordered = Appearance.of(pixels), np.sort(pixels.ravel())
    low, high = (ordered[max(int(np.ceil(share * ordered.size)), 1) - 1] for share in (0.01, 0.99))
    grey = pixels.mean(axis=-1)
    shares = []
    for axis in (0, 1):
        smooth = cv2.blur(grey, (9, 1) if axis else (1, 9)).reshape(grey.shape)
        own, left = np.abs(np.diff(grey, axis=axis)), np.abs(np.diff(smooth, axis=axis))
        shares.append(np.maximum(own - left, 0).sum() / own.sum() if own.sum() else 0.0)
    wanted = (pixels.mean() / full, pixels.std() / full, min(shares), (float(high) - float(low)) / full)
    np.testing.assert_allclose((found.mean, found.std, found.sharpness, found.grey_range), wanted, rtol=1e-4, atol=1e-6)


def test_noise_and_grey_range_are_those_of_a_known_image() -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(1000, 50000, 400)[None, :].repeat(300, axis=0)
    noisy = np.rint(ramp + rng.normal(0, 200, ramp.shape)).astype(np.uint16)[..., None]
    assert noise(noisy) == pytest.approx(200, rel=0.03)
    seen = Appearance.of(noisy)
    assert seen.grey_range == pytest.approx(0.98 * 49000 / 65535, rel=0.02)
    assert seen.cnr == pytest.approx(0.98 * 49000 / 200, rel=0.05)


def made(rng: np.random.Generator, films: int, each: int = 3) -> tuple[list[Appearance], np.ndarray]:  # type: ignore[type-arg]
    """Films of several images: statistics that go together, and films that differ."""
    found = []
    for _ in range(films):
        base = rng.normal()
        for _ in range(each):
            own = base + 0.3 * rng.normal()
            found.append(
                Appearance(
                    0.5 + 0.05 * own, 0.2 + 0.02 * own + 0.005 * rng.normal(), 0.4 + 0.04 * rng.normal(),
                    0.7 + 0.06 * own + 0.01 * rng.normal(), float(np.exp(3 + 0.1 * rng.normal())),
                )
            )  # fmt: skip
    return found, np.repeat(np.arange(films), each)


def marked(grey: dict[str, float], likeness: object, seen: list[Appearance]) -> np.ndarray:  # type: ignore[type-arg]
    beyond = [
        any(not grey[f"{name}_low"] <= getattr(one, name) <= grey[f"{name}_high"] for name in STATISTICS)
        or (distance_of(likeness, one) or 0) > likeness.distance_high  # type: ignore[arg-type, attr-defined]
        for one in seen
    ]
    return np.array(beyond)


def test_like_films_are_marked_no_oftener_than_is_stated() -> None:
    rng = np.random.default_rng(3)
    rates = []
    for _ in range(40):
        grey, likeness = fit_likeness(*made(rng, 40))
        assert likeness.false_alarms == 0.05
        fresh, films = made(rng, 50)
        hits = marked(grey, likeness, fresh)
        rates.append(np.mean([hits[films == film].any() for film in range(50)]))
    assert np.mean(rates) <= 0.065
    assert np.mean(rates) >= 0.01


def test_statistics_that_do_not_go_together_are_told_though_each_lies_within_its_bounds() -> None:
    seen, films = made(np.random.default_rng(4), 60)
    grey, likeness = fit_likeness(seen, films)
    odd = Appearance(0.57, 0.17, 0.4, 0.79, 20.0)  # bright as films of high contrast are, and flat
    assert all(grey[f"{name}_low"] <= getattr(odd, name) <= grey[f"{name}_high"] for name in STATISTICS)
    assert distance_of(likeness, odd) > likeness.distance_high


def test_few_films_state_no_rate_and_one_film_gives_bounds_still() -> None:
    rng = np.random.default_rng(5)
    for films in (1, 3, 38):
        grey, likeness = fit_likeness(*made(rng, films))
        assert likeness.false_alarms is None
        assert "is not known" in likeness.rate_text
        assert all(grey[f"{name}_low"] < grey[f"{name}_high"] for name in STATISTICS)
    assert fit_likeness(*made(rng, 199))[1].false_alarms == 0.01
    assert "At most 5% of films" in fit_likeness(*made(rng, 39))[1].rate_text


def test_a_film_of_tiles_counts_by_their_middle() -> None:
    seen, films = made(np.random.default_rng(6), 30, each=5)
    grey, likeness = fit_likeness(seen, films, whole_films=True)
    assert (likeness.films, likeness.images) == (30, 150)
    assert likeness.whole_films
    middle = middle_of(seen[:5])
    assert middle.mean == pytest.approx(np.median([one.mean for one in seen[:5]]))
    assert not marked(grey, likeness, [middle]).any()
