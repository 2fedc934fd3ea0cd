"""Probability of detection from hits and misses over size (MIL-HDBK-1823A; ASTM E2862).

Six candidates (three links; size and its logarithm) are compared by AIC. Where the data cannot tell several apart
(AIC within 2), the upper bounds are the largest of theirs: choosing the best and bounding it alone held the true a90
in 88 to 94 of 100 simulated studies of 60 marks, the largest of the like ones in 95 to 98.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lopore.metrics.binomial import exact_share
from lopore.metrics.bootstrap import Floats
from lopore.metrics.statement import Refusal

from .asymptotes import shape_faults
from .likelihood import HitMissFit, Trials, fit_hit_miss
from .links import LINKS, LinkName
from .size_bounds import BoundMethod, film_effect, lower_band, upper_size
from .sizes import SCALES, Scale, checked_sizes, curve_points, curve_sizes, on_scale, to_size
from .study import LEVELS, PodModel, PodStudy, SizeLevel, false_call_rate, within_range

LEAST_MARKS, CUSTOMARY_MARKS, LEAST_FILMS, LEAST_OF_A_KIND = 30, 60, 8, 5
LIKE = 2.0
Candidate = tuple[Scale, HitMissFit]


def hit_miss_study(
    sizes: ArrayLike,
    hits: ArrayLike,
    films: ArrayLike | None = None,
    *,
    size_name: str = "size",
    false_calls: tuple[int, int] | None = None,
    link: LinkName | None = None,
    scale: Scale | None = None,
    firth: bool = False,
) -> PodStudy:
    """POD over size with a50, a90, a90/95 and their curve, or refusals that name what is missing.

    sizes: (N,) positive, in mm say. hits: (N,) of 0 and 1. films: (N,) names of what belongs together, None for
    independent marks. false_calls: (calls, places looked at that hold no flaw). link, scale: fixed instead of chosen
    by AIC. firth: the penalised likelihood also where maximum likelihood has an answer.
    ValueError for sizes that are not positive numbers, other hits, or lengths that differ.
    """
    hit = np.asarray(hits, np.float64).reshape(-1)
    size, ids = checked_sizes(sizes, films, len(hit))
    if not np.isin(hit, (0, 1)).all():
        raise ValueError("hits must be 0 or 1")
    study = PodStudy(
        kind="hit/miss",
        size_name=size_name,
        marks=len(size),
        hits=int(hit.sum()),
        films=int(ids.max()) + 1 if ids is not None and len(ids) else 0,
        smallest=float(size.min()) if len(size) else None,
        largest=float(size.max()) if len(size) else None,
        false_calls=false_call_rate(*false_calls) if false_calls else None,
    )
    if missing := _missing(study, size):
        return study.model_copy(update={"refusals": (Refusal(what="The curve", missing=missing),)})
    candidates = fit_candidates(size, hit, ids, firth=firth)
    allowed = [one for one in candidates if link in (None, one[1].link.name) and scale in (None, one[0])]
    return _stated(study, allowed, size)


def _missing(study: PodStudy, size: Floats) -> tuple[str, ...]:
    """Why no curve can be fitted at all."""
    misses = study.marks - study.hits
    found = []
    if study.marks < LEAST_MARKS:
        found.append(f"There are {study.marks} marks; at least {LEAST_MARKS} are needed, {CUSTOMARY_MARKS} are usual.")
    if not study.hits:
        found.append("There is no hit; add larger flaws.")
    elif not misses:
        share = exact_share(study.hits, study.marks).low or 0.0
        found.append(
            f"There is no miss; add smaller flaws. What can be said: at least {share:.3f} of such flaws are found "
            "(95 % bound, if the marks are independent)."
        )
    elif min(study.hits, misses) < LEAST_OF_A_KIND:
        kind, way = ("hits", "larger") if study.hits < misses else ("misses", "smaller")
        found.append(
            f"There are {min(study.hits, misses)} {kind}; at least {LEAST_OF_A_KIND} are needed, add {way} flaws."
        )
    if len(size) and len(np.unique(size)) < 3:
        found.append(f"The flaws have {len(np.unique(size))} sizes; at least 3 are needed.")
    if study.films and study.films < LEAST_FILMS:
        found.append(
            f"The marks lie on {study.films} films and those of one film are not independent; at least {LEAST_FILMS} "
            "films are needed."
        )
    return tuple(found)


def fit_candidates(
    size: Floats, hit: Floats, films: NDArray[np.int64] | None, *, firth: bool = False
) -> list[Candidate]:
    """All models that converge, the best AIC first; penalised under separation."""
    found: list[Candidate] = []
    for scale in SCALES:
        trials = Trials(on_scale(scale, size), hit, films)
        for link in LINKS.values():
            fit = fit_hit_miss(trials, link, firth=firth or trials.separated)
            if fit.converged:
                found.append((scale, fit))
    return sorted(found, key=lambda one: one[1].aic)


def models_alike(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The rising candidates that the data cannot tell from the best; films as clusters tell less than their marks."""
    best = candidates[0][1]
    least = LIKE * (film_effect(best, 0.9) if best.beta[1] > 0 else 1.0)
    return [one for one in candidates if one[1].aic - best.aic <= least and one[1].beta[1] > 0]


def _stated(study: PodStudy, candidates: Sequence[Candidate], size: Floats) -> PodStudy:
    if not candidates:
        refusal = Refusal(what="The curve", missing=("No model converges on these marks.",))
        return study.model_copy(update={"refusals": (refusal,)})
    scale, best = candidates[0]
    study = study.model_copy(update={"models": tuple(_model(*one) for one in candidates)})
    faults = shape_faults(best, max(fit.log_likelihood for _, fit in candidates))
    if faults:
        return study.model_copy(update={"refusals": (Refusal(what="a90", missing=faults),)})
    like = models_alike(candidates)
    method: BoundMethod = "likelihood ratio" if best.firth else "modified root"
    levels = tuple(
        SizeLevel(probability=p, size=to_size(scale, best.size_at(p)), upper=_upper(like, p, method)) for p in LEVELS
    )
    by_level = {level.probability: level for level in levels}
    sizes = curve_sizes(scale, size)
    x = on_scale(scale, sizes)
    found = {
        "like": len(like),
        "method": method + (" of Firth's penalised likelihood" if best.firth else ""),
        "levels": levels,
        "curve": curve_points(sizes, best.link.at(best.beta[0] + best.beta[1] * x).p, lower_band(best, x)),
        "film_effect": film_effect(best, 0.9) if study.films else None,
        "other_bounds": _other_bounds(scale, best),
        "a50": by_level[0.5].size,
        "notes": _notes(study, best, like),
    }
    return within_range(study.model_copy(update=found), by_level[0.9])


def _notes(study: PodStudy, best: HitMissFit, like: Sequence[Candidate]) -> tuple[str, ...]:
    notes = []
    if best.trials.separated:
        notes.append("One size parts all misses from all hits: Firth's penalised likelihood, bounds by its profile.")
    if study.marks < CUSTOMARY_MARKS:
        notes.append(f"{study.marks} marks; {CUSTOMARY_MARKS} are usual for hit/miss data.")
    if len(like) > 1:
        notes.append(f"{len(like)} models fit alike (by AIC); the bounds are the largest of theirs.")
    if not study.films:
        notes.append("Marks count as independent; name the film of each mark where several lie on one film.")
    return tuple(notes)


def _upper(like: Sequence[Candidate], probability: float, method: BoundMethod) -> float | None:
    bounds = [(scale, upper_size(fit, probability, method)) for scale, fit in like]
    sizes = [None if bound is None else to_size(scale, bound) for scale, bound in bounds]
    return None if None in sizes else max(one for one in sizes if one is not None)


def _other_bounds(scale: Scale, best: HitMissFit) -> dict[str, float | None]:
    ways: tuple[BoundMethod, ...] = ("likelihood ratio", "pointwise")
    if not best.firth:
        ways = ("modified root", *ways)
    bounds = {way: upper_size(best, 0.9, way) for way in ways}
    return {way: None if bound is None else to_size(scale, bound) for way, bound in bounds.items()}


def _model(scale: Scale, fit: HitMissFit) -> PodModel:
    return PodModel(
        link=fit.link.name,
        scale=scale,
        aic=fit.aic,
        intercept=float(fit.beta[0]),
        slope=float(fit.beta[1]),
        a90=to_size(scale, fit.size_at(0.9)),
        firth=fit.firth,
    )
