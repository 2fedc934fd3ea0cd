"""How often the 95 % bound of a90 lies over the true a90, in simulated studies of 60 and 120 flaws.

    python benchmarks/simulate_pod.py [STUDIES] [FLAWS/FILMS ...]      such as 2000 60/0 120/20

Sizes are log-uniform from 0.1 to 2.5 mm; POD is a logit of ln size with a90 0.812 mm; films, where there are any, move
their flaws by a normal draw of 1.5 on the logit's scale (the truth is then where POD over all films is 0.9).
Printed for each setting: the share of studies whose bound holds, by method, and the median bound.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from lopore.metrics.pod.hit_miss import fit_candidates, models_alike
from lopore.metrics.pod.size_bounds import upper_size

TRUE = (2.81002, 2.93219)
SETTINGS = ((60, 0, 0.0), (120, 0, 0.0), (60, 20, 1.5), (120, 20, 1.5), (60, 12, 1.5))


def bounds_of(size, hit, film):
    """a90/95 by each way: the default over models that fit alike, and of the true model alone."""
    candidates = fit_candidates(size, hit, film)

    def back(scale, x):
        return np.inf if x is None else float(np.exp(min(x, 700))) if scale == "ln" else x

    def bound(one, method):
        scale, fit = one
        return back(scale, upper_size(fit, 0.9, "likelihood ratio" if fit.firth and method != "pointwise" else method))

    like = models_alike(candidates)
    true_model = next(one for one in candidates if one[0] == "ln" and one[1].link.name == "logit")
    return {
        "default (modified root, all alike)": max(bound(one, "modified root") for one in like),
        "modified root, best alone": bound(candidates[0], "modified root"),
        "modified root, true model": bound(true_model, "modified root"),
        "likelihood ratio, true model": bound(true_model, "likelihood ratio"),
        "pointwise, true model": bound(true_model, "pointwise"),
    }


def simulate(flaws: int, films: int, between: float, studies: int) -> None:
    moved = between * np.random.default_rng(0).normal(size=20001)
    truth = np.exp(brentq(lambda x: expit(TRUE[0] + TRUE[1] * x + moved).mean() - 0.9, -3, 5))
    film = np.arange(flaws) % films if films else None
    found: dict[str, list[float]] = {}
    started = time.perf_counter()
    for study in range(studies):
        rng = np.random.default_rng([flaws, films, study])
        x = rng.uniform(np.log(0.1), np.log(2.5), flaws)
        shift = between * rng.normal(size=films)[film] if films else 0.0
        hit = (rng.random(flaws) < expit(TRUE[0] + TRUE[1] * x + shift)).astype(float)
        if 0 < hit.sum() < flaws:
            for name, bound in bounds_of(np.exp(x), hit, film).items():
                found.setdefault(name, []).append(bound)
    head = f"{flaws} flaws" + (f" on {films} films" if films else "")
    print(f"{head}, {studies} studies, true a90 {truth:.3f}, {time.perf_counter() - started:.0f} s")
    for name, values in found.items():
        print(f"  {name:<36} {np.mean(np.array(values) >= truth):.4f}  median {np.median(values):.3f}", flush=True)


if __name__ == "__main__":
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    wanted = sys.argv[2:] or [f"{flaws}/{films}" for flaws, films, _ in SETTINGS]
    for flaws, films, between in SETTINGS:
        if f"{flaws}/{films}" in wanted:
            simulate(flaws, films, between, studies)
