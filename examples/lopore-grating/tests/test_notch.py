"""A planted grating goes, planted pores stay, and a film without lines is left as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lopore_grating.notch import remove_gratings
from numpy.typing import NDArray

SIDE = (300, 360)
SETTINGS: dict[str, Any] = {"threshold": 8.0, "longest_period": 48.0, "lines": 12}
PORES = ((80, 90), (150, 260), (220, 140))


def film(dtype: Any, seed: int = 0) -> NDArray[np.float64]:
    """A seam across the film, grain, a lead letter's straight edges and three dark pores; values of ``dtype``."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : SIDE[0], 0 : SIDE[1]]
    values = 0.35 + 0.25 * np.exp(-(((rows - 150) / 45.0) ** 2)) + 0.1 * columns / SIDE[1]
    values[20:60, 300:308] = 0.8
    values[52:60, 300:330] = 0.8
    for row, column in PORES:
        values -= 0.1 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18.0)
    return (values + rng.normal(0, 0.012, SIDE)) * np.iinfo(dtype).max


def wave(period: float, degrees: float) -> NDArray[np.float64]:
    rows, columns = np.mgrid[0 : SIDE[0], 0 : SIDE[1]]
    angle = np.deg2rad(degrees)
    return np.cos(2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / period + 0.7)


def left_of(line: NDArray[np.float64], rest: NDArray[np.float64]) -> float:
    """What is left of a planted line, in dB of its amplitude."""
    return float(20 * np.log10(abs((rest * line).sum()) / (line * line).sum()))


def contrast(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Each pore's mean against its surroundings."""
    values = pixels.astype(np.float64)
    return np.array(
        [
            values[y - 2 : y + 3, x - 2 : x + 3].mean() - np.median(values[y - 14 : y + 15, x - 14 : x + 15])
            for y, x in PORES
        ]
    )


def rounded(values: NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    return np.rint(np.clip(values, 0, np.iinfo(dtype).max)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("period", "degrees"), [(2, 0), (2.7, 31), (4.4, 90), (7.3, 0), (16.2, 118)])
def test_a_planted_grating_goes_and_planted_pores_stay(dtype: Any, period: float, degrees: float) -> None:
    clean, line = film(dtype), wave(period, degrees) * 0.025 * np.iinfo(dtype).max
    given = rounded(clean + line, dtype)
    result = remove_gratings(given, **SETTINGS)
    assert left_of(line, result - clean) < -20
    assert np.allclose(contrast(result) / contrast(rounded(clean, dtype)), 1, atol=0.05)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_film_without_lines_stays_as_it_is(dtype: Any) -> None:
    for seed in range(4):
        given = rounded(film(dtype, seed), dtype)
        assert np.array_equal(remove_gratings(given, **SETTINGS), given)


def test_the_harmonics_of_thin_lines_go_with_them() -> None:
    clean = film(np.uint16)
    comb = np.zeros(SIDE)
    comb[:, ::9] = -2500.0
    result = remove_gratings(rounded(clean + comb, np.uint16), **SETTINGS)
    varying = comb - comb.mean()
    rest = result - clean - comb.mean()
    assert left_of(varying, rest) < -20


def test_wires_in_one_corner_are_no_grating() -> None:
    """The wires of an image quality indicator are regular, but not all over the film: they stay."""
    clean = film(np.uint8)
    clean[40:130, 30:150] -= 12.0 * (wave(9.0, 0)[40:130, 30:150] > 0.7)
    given = rounded(clean, np.uint8)
    assert np.array_equal(remove_gratings(given, **SETTINGS), given)


def test_slow_waves_belong_to_the_weld() -> None:
    given = rounded(film(np.uint16) + 3000 * wave(60, 0), np.uint16)
    assert np.array_equal(remove_gratings(given, **SETTINGS), given)
    changed = remove_gratings(given, threshold=8.0, longest_period=80.0, lines=12)
    assert not np.array_equal(changed, given)


def test_colour_keeps_its_tint() -> None:
    line = (wave(5.3, 0) * 6)[:, :, None]
    clean = film(np.uint8)[:, :, None] * np.array([1.0, 0.95, 0.9])
    result = remove_gratings(rounded(clean + line, np.uint8), **SETTINGS).astype(np.float64)
    for channel in range(3):
        assert left_of(line[:, :, 0], result[:, :, channel] - clean[:, :, channel]) < -15
    assert np.allclose((result - clean).mean(axis=(0, 1)), 0, atol=0.3)
