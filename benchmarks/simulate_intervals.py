"""How often 95 % intervals of scores hold the true score, on made films.

    python benchmarks/simulate_intervals.py [DRAWS]

Films of three images share a label and a normal shift of 0.7; at least two films have the class and two have not. The
truth is that of 40 000 films. Printed for 10, 20 and 60 films: the share of draws whose interval holds the truth, and
in brackets the shares of draws whose interval lies above it and below it, which are 0.025 each where all is well.
"""

from __future__ import annotations

import sys

import numpy as np

from lopore.metrics.classification import measure

NAMES = ("roc_auc", "pr_auc", "recall", "precision", "f1", "accuracy")


def made(films: int, apart: float, seed: list[int]):
    rng = np.random.default_rng(seed)
    film = np.repeat(np.arange(films), 3)
    carries = (rng.random(films) < 0.5).astype(int)
    while not 1 < carries.sum() < films - 1:
        carries = (rng.random(films) < 0.5).astype(int)
    label = carries[film]
    z = apart * label + 0.7 * rng.normal(size=films)[film] + rng.normal(size=len(film))
    score = 1 / (1 + np.exp(-(z - apart / 2)))
    return score, label, film


def scores_of(score, label, film, resamples, seed=0):
    both = np.column_stack([1 - score, score])
    named = {"task": "binary", "classes": ("sound", "pore"), "positive": "pore"}
    return measure(both, label, groups=film, resamples=resamples, seed=seed, **named).overall


def intervals(draws: int) -> None:
    for apart in (1.5, 3.0):
        truth = scores_of(*made(40000, apart, [1]), 0)
        for films in (10, 20, 60):
            above, below = dict.fromkeys(NAMES, 0), dict.fromkeys(NAMES, 0)
            for draw in range(draws):
                found = scores_of(*made(films, apart, [films, draw]), 1000, draw)
                for name in NAMES:
                    low, high, true = found[name].low, found[name].high, truth[name].value
                    above[name] += low is not None and low > true
                    below[name] += high is not None and high < true
            text = ", ".join(
                f"{name} {1 - (above[name] + below[name]) / draws:.3f} "
                f"({above[name] / draws:.3f}, {below[name] / draws:.3f})"
                for name in NAMES
            )
            print(f"ROC AUC {truth['roc_auc'].value:.3f}, {films} films, {draws} draws: {text}", flush=True)


if __name__ == "__main__":
    intervals(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
