"""Probability of detection from signals over size, "a-hat against a" (MIL-HDBK-1823A, chapter G.3).

The signal, or its logarithm, is a straight line of size, or its logarithm, with normal scatter of one width; signals
at or under a noise floor and at or above saturation are censored (Tobin, Econometrica 26, 1958). POD is the chance
that a signal reaches the decision threshold. Bounds by the profile likelihood with Student's quantile; films as
clusters widen it as in ``size_bounds``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lopore.metrics.bootstrap import Floats
from lopore.metrics.statement import Refusal

from .signal_fit import SignalFit, Signals, fit_signals, upper_size_of_signals
from .sizes import SCALES, Scale, checked_sizes, curve_points, curve_sizes, on_scale, to_size
from .study import LEVELS, PodModel, PodPoint, PodStudy, SizeLevel, false_call_rate, within_range

LEAST_SIGNALS, CUSTOMARY_SIGNALS, LEAST_UNCENSORED, LEAST_FILMS = 20, 40, 15, 8
_ALPHA = 0.01


def signal_study(
    sizes: ArrayLike,
    signals: ArrayLike,
    decision: float,
    films: ArrayLike | None = None,
    *,
    floor: float | None = None,
    saturation: float | None = None,
    size_name: str = "size",
    sound_signals: ArrayLike = (),
) -> PodStudy:
    """POD over size from positive signals and the threshold that makes a call.

    sizes, signals: (N,) positive. decision: in the signal's unit. floor: signals at or under it are noise; saturation:
    signals at or over it are cut off. sound_signals: (M,) at places without a flaw; those that reach ``decision`` are
    false calls. Refusals and the meaning of the result as in ``hit_miss_study``.
    """
    signal = np.asarray(signals, np.float64).reshape(-1)
    size, ids = checked_sizes(sizes, films, len(signal))
    if not (np.isfinite(signal).all() and (signal > 0).all()):
        raise ValueError("a signal is not a positive number; write those in the noise as the floor, and name the floor")
    sound = np.asarray(sound_signals, np.float64).reshape(-1)
    study = PodStudy(
        kind="signal response",
        size_name=size_name,
        marks=len(size),
        hits=int((signal >= decision).sum()),
        films=int(ids.max()) + 1 if ids is not None and len(ids) else 0,
        smallest=float(size.min()) if len(size) else None,
        largest=float(size.max()) if len(size) else None,
        decision=decision,
        false_calls=false_call_rate(int((sound >= decision).sum()), len(sound)),
    )
    below = signal <= floor if floor is not None else np.zeros(len(size), bool)
    above = signal >= saturation if saturation is not None else np.zeros(len(size), bool)
    missing = _missing(study, size, ~(below | above), floor, saturation)
    if missing:
        return study.model_copy(update={"refusals": (Refusal(what="The curve", missing=missing),)})
    fits = _candidates(size, signal, below, above, floor, saturation, ids)
    return _stated(study, fits, size, decision)


def _missing(
    study: PodStudy, size: Floats, plain: NDArray[np.bool_], floor: float | None, saturation: float | None
) -> tuple[str, ...]:
    found = []
    if study.marks < LEAST_SIGNALS:
        found.append(
            f"There are {study.marks} signals; at least {LEAST_SIGNALS} are needed, {CUSTOMARY_SIGNALS} usual."
        )
    elif int(plain.sum()) < LEAST_UNCENSORED:
        found.append(
            f"Only {int(plain.sum())} signals lie between floor and saturation; {LEAST_UNCENSORED} are needed."
        )
    if len(size) and len(np.unique(size)) < 3:
        found.append(f"The flaws have {len(np.unique(size))} sizes; at least 3 are needed.")
    if study.films and study.films < LEAST_FILMS:
        found.append(f"The marks lie on {study.films} films; at least {LEAST_FILMS} are needed.")
    if not (study.decision or 0) > (floor or 0):
        found.append("The decision threshold lies at or under the noise floor, where every place would be called.")
    if saturation is not None and (study.decision or 0) >= saturation:
        found.append("The decision threshold lies at or above saturation.")
    return tuple(found)


def _candidates(
    size: Floats, signal: Floats, below: NDArray[np.bool_], above: NDArray[np.bool_],
    floor: float | None, saturation: float | None, films: NDArray[np.int64] | None,
) -> list[tuple[Scale, Scale, SignalFit]]:  # fmt: skip
    """All four scales, the best AIC first: (scale of the size, of the signal, fit)."""
    held = np.where(below, floor or 0.0, np.where(above, saturation or 0.0, signal))
    plain = ~(below | above)
    found = []
    for scale in SCALES:
        for response in SCALES:
            x, y = on_scale(scale, size), on_scale(response, held)
            jacobian = -float(np.log(signal[plain]).sum()) if response == "ln" else 0.0
            found.append((scale, response, fit_signals(Signals(x, y, below, above, films), jacobian)))
    return sorted(found, key=lambda one: one[2].aic)


def _stated(study: PodStudy, fits: list[tuple[Scale, Scale, SignalFit]], size: Floats, decision: float) -> PodStudy:
    scale, response, best = fits[0]
    limit = float(np.log(decision)) if response == "ln" else decision
    models = tuple(_model(s, r, fit, float(np.log(decision)) if r == "ln" else decision) for s, r, fit in fits)
    study = study.model_copy(update={"models": models})
    faults = _line_faults(best)
    if faults:
        return study.model_copy(update={"refusals": (Refusal(what="a90", missing=faults),)})
    levels = []
    for p in LEVELS:
        bound = upper_size_of_signals(best, p, limit)
        levels.append(
            SizeLevel(
                probability=p,
                size=to_size(scale, best.size_at(p, limit)),
                upper=None if bound is None else to_size(scale, bound),
            )
        )
    by_level = {level.probability: level for level in levels}
    study = study.model_copy(
        update={
            "like": 1,
            "method": "likelihood ratio",
            "levels": tuple(levels),
            "curve": _curve(scale, best, size, limit),
            "film_effect": best.effect(0.9, limit) if study.films else None,
            "a50": by_level[0.5].size,
            "notes": _notes(study, best),
        }
    )
    return within_range(study, by_level[0.9])


def _line_faults(fit: SignalFit) -> tuple[str, ...]:
    error = float(fit.covariance[1, 1]) ** 0.5
    if fit.theta[1] < 1.645 * error:
        return ("The signal does not rise with size.",)
    signals = fit.signals
    plain = ~(signals.below | signals.above)
    x = signals.x[plain]
    rest = signals.y[plain] - fit.theta[0] - fit.theta[1] * x
    widening = _slope_p(x, rest**2)
    bend = _slope_p((x - x.mean()) ** 2, rest)
    faults = []
    if widening < _ALPHA:
        faults.append(f"The scatter of the signals changes with size (Breusch and Pagan, p = {widening:.2g}).")
    if bend < _ALPHA:
        faults.append(f"The signals do not follow a straight line (p = {bend:.2g}).")
    return tuple(faults)


def _slope_p(x: Floats, y: Floats) -> float:
    """Chance of a correlation as large as that of (N,) x and y, if there is none (score test)."""
    from scipy.special import chdtrc

    if len(x) < 4 or not x.std() or not y.std():
        return 1.0
    return float(chdtrc(1, len(x) * float(np.corrcoef(x, y)[0, 1]) ** 2))


def _notes(study: PodStudy, fit: SignalFit) -> tuple[str, ...]:
    notes = []
    censored = int(fit.signals.below.sum()), int(fit.signals.above.sum())
    if any(censored):
        notes.append(f"{censored[0]} signals at or under the noise floor and {censored[1]} at saturation are censored.")
    if study.marks < CUSTOMARY_SIGNALS:
        notes.append(f"{study.marks} signals; {CUSTOMARY_SIGNALS} are usual.")
    if not study.films:
        notes.append("Marks count as independent; name the film of each mark where several lie on one film.")
    return tuple(notes)


def _model(scale: Scale, response: Scale, fit: SignalFit, limit: float) -> PodModel:
    return PodModel(
        link="normal scatter",
        scale=scale,
        response_scale=response,
        aic=fit.aic,
        intercept=float(fit.theta[0]),
        slope=float(fit.theta[1]),
        spread=float(np.exp(fit.theta[2])),
        a90=to_size(scale, fit.size_at(0.9, limit)),
    )


def _curve(scale: Scale, fit: SignalFit, size: Floats, limit: float) -> tuple[PodPoint, ...]:
    from scipy.special import ndtr

    sizes = curve_sizes(scale, size)
    x = on_scale(scale, sizes)
    scatter = np.exp(fit.theta[2])
    z = (fit.theta[0] + fit.theta[1] * x - limit) / scatter
    gradient = np.column_stack([np.full_like(x, 1 / scatter), x / scatter, -z])
    error = np.sqrt(np.einsum("ni,ij,nj->n", gradient, fit.covariance, gradient))
    return curve_points(sizes, ndtr(z), ndtr(z - 1.645 * error))
