"""How far made films are from real ones: a classifier two-sample test on sound parts, and what it looks at.

python tools/made_against_real.py WELD_FILMS [--films 24]

WELD_FILMS holds ``films.csv`` with columns ``file`` and ``mm_per_px``, and the films. Parts of 6.4 x 6.4 mm without a
strong mark are brought to 0.1 mm a pixel and to contrast over noise; a logistic regression on their statistics tells
made from real, films left out in five folds. Its ROC AUC is the distance: 0.5 cannot be told apart, 1 always.
Source: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lopore.synthesis import sample_film
from lopore.synthesis.whole_film import whole_film
from lopore_enhance.contrast_to_noise import contrast_to_noise

MM, SIDE, KNEE = 0.1, 64, 8.0
PARTS = 40
"""Most parts of one film."""
NAMES = ("spread", "skew", "tails", "lag 1 along", "lag 1 across", "lag 2 along", "lag 2 across",
         *(f"spectrum {band}" for band in range(6)))  # fmt: skip


def to_ratio(grey: NDArray[np.uint16]) -> NDArray[np.float64]:
    """A film of 16 bits as contrast over noise."""
    bent = contrast_to_noise(grey, radius=12, noise_radius=24, knee=KNEE, floor=0.05) / 32767.5 - 1.0
    return np.asarray(KNEE * bent / np.maximum(1.0 - np.abs(bent), 1e-3), np.float64)


def statistics(part: NDArray[np.float64]) -> list[float]:
    """Spread, shape, correlation and spectrum of one part."""
    values = part - part.mean()
    spread = float(values.std()) + 1e-9
    unit = values / spread
    lags = (
        [(unit[:, k:] * unit[:, : SIDE - k]).mean() for k in (1, 2)],
        [(unit[k:] * unit[: SIDE - k]).mean() for k in (1, 2)],
    )
    power = np.abs(np.fft.fft2(unit)) ** 2
    row, column = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE), indexing="ij")
    radius = np.hypot(row, column)
    bands = [power[(radius >= a) & (radius < a + 0.085)].mean() for a in np.arange(6) * 0.085 + 0.005]
    shape = [float((unit**3).mean()), float((unit**4).mean())]
    return [float(np.log(spread)), *shape, lags[0][0], lags[1][0], lags[0][1], lags[1][1], *map(float, np.log(bands))]


def parts(ratio: NDArray[np.float64], rng: np.random.Generator) -> Iterator[list[float]]:
    """Statistics of parts without a strong mark, at random places."""
    height, width = ratio.shape
    for _ in range(PARTS):
        top, left = int(rng.integers(height - SIDE)), int(rng.integers(width - SIDE))
        part = ratio[top : top + SIDE, left : left + SIDE]
        if np.percentile(np.abs(part - part.mean()), 99) < 3.2 * part.std():
            yield statistics(part)


def table(films: Callable[[], Iterator[NDArray[np.uint16]]], seed: int) -> tuple[NDArray[np.float64], list[int]]:
    """Rows of statistics, and the number of the film of each."""
    rng, rows, owners = np.random.default_rng(seed), [], []
    for number, film in enumerate(films()):
        found = list(parts(to_ratio(film), rng))
        rows += found
        owners += [number] * len(found)
    return np.array(rows), owners


def real(folder: Path) -> Iterator[NDArray[np.uint16]]:
    with (folder / "films.csv").open(newline="") as stream:
        listed = [(folder / row["file"], float(row["mm_per_px"])) for row in csv.DictReader(stream)]
    for path, pitch in listed:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float32) * 257
        small = cv2.resize(grey, None, fx=pitch / MM, fy=pitch / MM, interpolation=cv2.INTER_AREA)
        yield np.rint(small).astype(np.uint16)


def compare(
    name: str, made: tuple[NDArray[np.float64], list[int]], true: tuple[NDArray[np.float64], list[int]]
) -> None:
    rows = np.concatenate([made[0], true[0]])
    truth = np.repeat([0, 1], [len(made[0]), len(true[0])])
    films = np.concatenate([made[1], np.array(true[1]) + 10_000])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    scores = cross_val_predict(model, rows, truth, groups=films, cv=GroupKFold(5), method="predict_proba")[:, 1]
    print(f"{name}: ROC AUC made against real {roc_auc_score(truth, scores):.3f} on {len(rows)} parts")
    for index, label in enumerate(NAMES):
        alone = roc_auc_score(truth, rows[:, index])
        print(f"  {label:14s} made {np.median(made[0][:, index]):7.3f}  real {np.median(true[0][:, index]):7.3f}  "
              f"alone {max(alone, 1 - alone):.3f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weld_films", type=Path)
    parser.add_argument("--films", type=int, default=24)
    asked = parser.parse_args()
    true = table(lambda: real(asked.weld_films), 0)
    size = {"size": (520, 1000), "pixel_pitch_mm": MM, "bit_depth": 16}
    before = table(lambda: (sample_film("no_defect", seed, **size).pixels for seed in range(asked.films)), 1)
    after = table(
        lambda: (
            whole_film(10_000 + seed, length_mm=100.0, bit_depth=16, sound_share=1.0).pixels
            for seed in range(asked.films)
        ),
        2,
    )
    compare("sample_film", before, true)
    compare("whole_film", after, true)


if __name__ == "__main__":
    main()
