"""How often 95 % intervals of scores hold the true score, and contracts keep their recall, on made films.

    python benchmarks/simulate_intervals.py [DRAWS]

Films of three images share a label and a normal shift of 0.7 (scores) or 1 (contracts); the truth is that of 40 000
films. Printed: the share of draws whose interval holds the truth, for 10, 20 and 60 films, and the share of contracts
of recall 0.95 with 95 % confidence that are kept, for 59 to 200 films.
"""

from __future__ import annotations

import sys

import numpy as np

from lopore.metrics.classification import measure
from lopore.metrics.contract import recall_contract
from lopore.record.contract import RecallContract

NAMES = ("roc_auc", "pr_auc", "recall", "precision", "f1", "accuracy")


def made(films: int, apart: float, seed: list[int], shift: float = 0.7):
    rng = np.random.default_rng(seed)
    film = np.repeat(np.arange(films), 3)
    carries = (rng.random(films) < 0.5).astype(int)
    carries[:4] = 1, 1, 0, 0
    label = carries[film]
    z = apart * label + shift * rng.normal(size=films)[film] + rng.normal(size=len(film))
    score = 1 / (1 + np.exp(-(z - apart / 2)))
    return score, label, film


def scores_of(score, label, film, resamples, seed=0):
    both = np.column_stack([1 - score, score])
    named = {"task": "binary", "classes": ("sound", "pore"), "positive": "pore"}
    return measure(both, label, groups=film, resamples=resamples, seed=seed, **named).overall


def intervals(draws: int) -> None:
    for apart in (1.5, 3.0, 4.5):
        truth = scores_of(*made(40000, apart, [1]), 0)
        for films in (10, 20, 60):
            held = dict.fromkeys(NAMES, 0)
            for draw in range(draws):
                found = scores_of(*made(films, apart, [films, draw]), 2000, draw)
                for name in NAMES:
                    low, high = found[name].low, found[name].high
                    held[name] += low is None or low <= truth[name].value <= high
            text = ", ".join(f"{name} {count / draws:.3f}" for name, count in held.items())
            print(f"ROC AUC {truth['roc_auc'].value:.3f}, {films} films, {draws} draws: {text}", flush=True)


def contracts(draws: int) -> None:
    score, label, _ = made(40000, 2.5, [2], 1.0)
    lowest = np.sort(score[label == 1].reshape(-1, 3).min(axis=1))
    for films in (130, 200, 400):
        kept, stated = 0, 0
        for draw in range(draws):
            found = recall_contract(*made(films, 2.5, [films, draw, 3], 1.0), recall=0.95, confidence=0.95)
            if isinstance(found, RecallContract):
                stated += 1
                kept += 1 - np.searchsorted(lowest, found.threshold) / len(lowest) >= 0.95
        print(f"contract, {films} films, {stated} of {draws} stated: kept in {kept / max(1, stated):.4f}", flush=True)


if __name__ == "__main__":
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    contracts(draws)
    intervals(draws)
