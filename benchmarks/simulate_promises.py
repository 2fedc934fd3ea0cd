"""How often promises about films are kept, on made films whose truth is known exactly: contract, abstention, alarm.

    python benchmarks/simulate_promises.py [DRAWS]

Films of three images share a label and a normal shift of 1; the share of films that a threshold finds is an integral
over that shift (Gauss and Hermite), no sample. Printed: the share of contracts of recall 0.95 with 95 % confidence that
are kept, the coverage of abstention at 95 %, and the share of films like those of training that "unlike training"
marks, by image statistics and by features. Contracts are exact for every number of films with the class; printed
beside them is the smallest share that Clopper and Pearson allow at these numbers.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.special import betainc, ndtr

from lopore.data.appearance import STATISTICS, Appearance
from lopore.data.feature_likeness import FeatureReference, limit_of
from lopore.data.likeness import as_values, distances, fit_likeness
from lopore.metrics.conformal import fit_abstention
from lopore.metrics.contract import failures_allowed, recall_contract
from lopore.record.contract import RecallContract

APART, SHIFT, IMAGES = 2.5, 1.0, 3
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)


def share_found(scores):
    """The share of films with the class whose images all score at or above each threshold, exact."""
    z = np.log(scores / (1 - scores)) + APART / 2
    found = ndtr(APART + SHIFT * _NODES[None, :] - np.atleast_1d(z)[:, None]) ** IMAGES
    return found @ _WEIGHTS / _WEIGHTS.sum()


def made(rng, films):
    film = np.repeat(np.arange(films), IMAGES)
    label = (rng.random(films) < 0.5).astype(int)[film]
    z = APART * label + SHIFT * rng.normal(size=films)[film] + rng.normal(size=len(film))
    return 1 / (1 + np.exp(-(z - APART / 2))), label, film


def contracts(draws):
    for films in (130, 200, 400):
        rng = np.random.default_rng([films, 3])
        thresholds, exact = [], []
        for _ in range(draws):
            scores, label, film = made(rng, films)
            found = recall_contract(scores, label, film, recall=0.95, confidence=0.95)
            if isinstance(found, RecallContract):
                thresholds.append(found.threshold)
                allowed = failures_allowed(found.films, 0.95, 0.95)
                exact.append(1 - betainc(found.films - allowed, allowed + 1, 0.95))
        kept = (share_found(np.array(thresholds)) >= 0.95).mean()
        error = (kept * (1 - kept) / len(thresholds)) ** 0.5
        print(
            f"contract, {films} films: {len(thresholds)} of {draws} stated, kept in {kept:.4f} (standard error "
            f"{error:.4f}); by theory {np.mean(exact):.4f} or more",
            flush=True,
        )


def abstention(draws):
    for films in (60, 120, 400):
        rng, held = np.random.default_rng([films, 4]), []
        for _ in range(draws):
            scores, label, film = made(rng, films)
            both, truth = np.column_stack([1 - scores, scores]), np.column_stack([label == 0, label == 1])
            found = fit_abstention(both, truth, film, classes=("sound", "pore"), coverage=0.95, fitted_on="made")
            if hasattr(found, "limits"):
                held.append(float(share_found(np.clip(1 - found.limits["pore"], 1e-9, 1 - 1e-9))[0]))
        print(
            f"abstention, {films} films: {len(held)} of {draws} stated, coverage {np.mean(held):.4f} in the mean",
            flush=True,
        )


def statistics(rng, films):
    base, out = rng.normal(size=films), []
    for film in range(films):
        own = base[film] + 0.3 * rng.normal(size=IMAGES)
        more = rng.normal(size=(4, IMAGES))
        columns = (
            0.5 + 0.05 * own, 0.2 + 0.02 * own + 0.005 * more[0], 0.4 + 0.04 * more[1],
            0.7 + 0.06 * own + 0.01 * more[2], np.exp(3 + 0.2 * more[3]),
        )  # fmt: skip
        out += [Appearance(*(float(value) for value in row)) for row in zip(*columns, strict=True)]
    return out, np.repeat(np.arange(films), IMAGES)


def alarms(draws):
    for films in (39, 80, 200):
        rng, marked, stated = np.random.default_rng([films, 5]), [], None
        for _ in range(draws):
            grey, likeness = fit_likeness(*statistics(rng, films))
            fresh, ids = statistics(rng, 40)
            table = np.array([[getattr(one, name) for name in STATISTICS] for one in fresh])
            low, high = ([grey[f"{name}_{end}"] for name in STATISTICS] for end in ("low", "high"))
            odd = ((table < low) | (table > high)).any(axis=1)
            odd |= distances(as_values(fresh), likeness.centre, likeness.precision) > likeness.distance_high
            marked.append(len(np.unique(ids[odd])) / 40)
            stated = likeness.false_alarms
        error = np.std(marked) / len(marked) ** 0.5
        print(
            f"unlike training, {films} films: {np.mean(marked):.4f} of like films marked (standard error {error:.4f}); "
            f"stated at most {stated}",
            flush=True,
        )


def features(rng, films, axes):
    """Features of (films * IMAGES, 256) images: films differ along a few axes, images by noise, none is below 0."""
    film = np.repeat(np.arange(films), IMAGES)
    base = 3 * axes[0] + rng.normal(size=(films, len(axes) - 1)) @ axes[1:]
    return np.maximum(base[film] + 0.3 * rng.normal(size=(len(film), axes.shape[1])), 0), film


def feature_alarms(draws):
    axes = np.random.default_rng(9).normal(size=(12, 256))
    for held in (19, 60, 99):
        rng, marked, stated = np.random.default_rng([held, 7]), [], None
        for _ in range(draws):
            reference = FeatureReference.of(features(rng, 60, axes)[0])
            values, films = features(rng, held, axes)
            limit, stated, *_ = limit_of(reference.distances(values), films)
            fresh, ids = features(rng, 40, axes)
            marked.append(len(np.unique(ids[reference.distances(fresh) > limit])) / 40)
        error = np.std(marked) / len(marked) ** 0.5
        print(
            f"features unlike training, {held} validation films: {np.mean(marked):.4f} of like films marked "
            f"(standard error {error:.4f}); stated at most {stated}",
            flush=True,
        )


if __name__ == "__main__":
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    contracts(draws)
    abstention(draws // 2)
    alarms(draws // 50)
    feature_alarms(draws // 50)
