"""Several readers, or readers and a model, over the same films: Obuchowski and Rockette's analysis.

Obuchowski and Rockette, Communications in Statistics 24 (1995); degrees of freedom by Hillis, Statistics in Medicine 26
(2007). Readers and films are random. Covariances come from the jackknife over films.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import Floats
from .statement import Facts


class ReaderStudy(Facts):
    """The test that all treatments have one figure of merit, and their differences.

    means: of each treatment over readers. f, p: of the test with ``degrees`` (numerator, denominator). ms_treatment,
    denominator: its parts. differences: (first, second, difference, low, high), 95 % intervals.
    """

    readers: int
    films: int
    means: tuple[float, ...]
    f: float
    p: float
    degrees: tuple[float, float]
    ms_treatment: float
    denominator: float
    differences: tuple[tuple[int, int, float, float, float], ...]


def reader_study(figures: ArrayLike, left_out: ArrayLike) -> ReaderStudy:
    """figures: (T, R) of T treatments (such as with and without the model) and R readers. left_out: (T, R, N) the same
    with each of N films left out. ValueError for fewer than two treatments or readers."""
    from scipy.special import fdtrc, stdtrit

    merit, jack = np.asarray(figures, np.float64), np.asarray(left_out, np.float64)
    treatments, readers = merit.shape
    if treatments < 2 or readers < 2:
        raise ValueError(f"{treatments} treatments and {readers} readers; two of each are needed")
    ms_t, ms_tr = _mean_squares(merit)
    _, _, cov_2, cov_3 = _covariances(jack)
    denominator = ms_tr + max(readers * (cov_2 - cov_3), 0.0)
    degrees = denominator**2 / (ms_tr**2 / ((treatments - 1) * (readers - 1)))
    f = ms_t / denominator
    means = merit.mean(axis=1)
    half = float(stdtrit(degrees, 0.975)) * (2 * denominator / readers) ** 0.5
    pairs = [(a, b) for a in range(treatments) for b in range(a + 1, treatments)]
    return ReaderStudy(
        readers=readers,
        films=jack.shape[2],
        means=tuple(float(mean) for mean in means),
        f=float(f),
        p=float(fdtrc(treatments - 1, degrees, f)),
        degrees=(treatments - 1, float(degrees)),
        ms_treatment=float(ms_t),
        denominator=float(denominator),
        differences=tuple(_difference(means, a, b, half) for a, b in pairs),
    )


def _difference(means: Floats, a: int, b: int, half: float) -> tuple[int, int, float, float, float]:
    apart = float(means[a] - means[b])
    return a, b, apart, apart - half, apart + half


def _mean_squares(merit: Floats) -> tuple[float, float]:
    treatments, readers = merit.shape
    grand_mean, rows, columns = merit.mean(), merit.mean(axis=1), merit.mean(axis=0)
    rest = merit - rows[:, None] - columns[None, :] + grand_mean
    ms_t = readers * ((rows - grand_mean) ** 2).sum() / (treatments - 1)
    return float(ms_t), float((rest**2).sum() / ((treatments - 1) * (readers - 1)))


def _covariances(jack: Floats) -> tuple[float, float, float, float]:
    """Variance, and covariances of one reader in two treatments, two readers in one, two readers in two."""
    treatments, readers, films = jack.shape
    away = (jack - jack.mean(axis=2, keepdims=True)).reshape(treatments * readers, films)
    table = (away @ away.T * (films - 1) / films).reshape(treatments, readers, treatments, readers)
    same_t = np.eye(treatments, dtype=bool)[:, None, :, None]
    same_r = np.eye(readers, dtype=bool)[None, :, None, :]
    parts = (same_t & same_r, ~same_t & same_r, same_t & ~same_r, ~same_t & ~same_r)
    var, cov_1, cov_2, cov_3 = (float(table[part].mean()) for part in np.broadcast_arrays(*parts))
    return var, cov_1, cov_2, cov_3


def study_of(readings: Sequence[Sequence[tuple[float, Sequence[float]]]]) -> ReaderStudy:
    """The same from (figure, figures with each film left out) by treatment and reader."""
    figures = [[one[0] for one in row] for row in readings]
    return reader_study(figures, [[one[1] for one in row] for row in readings])
