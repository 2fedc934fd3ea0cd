"""The results of a probability-of-detection study, as they leave in JSON and are drawn."""

from __future__ import annotations

from pydantic import Field

from lopore.metrics.binomial import exact_share
from lopore.metrics.statement import Facts, Refusal
from lopore.record.interval import Interval

LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98)


class PodModel(Facts):
    """One candidate. scale: of the size (and ``response_scale`` of the response). aic: smaller fits better."""

    link: str
    scale: str
    response_scale: str = ""
    aic: float
    intercept: float
    slope: float
    spread: float | None = None
    a90: float
    firth: bool = False

    @property
    def title(self) -> str:
        """Such as ``probit, ln size``."""
        size = "ln size" if self.scale == "ln" else "size"
        response = {"": "", "ln": ", ln response", "linear": ", response"}[self.response_scale]
        return f"{self.link}, {size}{response}"


class PodPoint(Facts):
    """One point of the curve. low: pointwise 95 % Wald bound."""

    size: float
    pod: float
    low: float


class SizeLevel(Facts):
    """A size found with ``probability``, and its upper 95 % bound by the study's method; None: not reached."""

    probability: float
    size: float
    upper: float | None


class FalseCalls(Facts):
    """Calls at places without a flaw. rate: a share of the places, with its exact 95 % interval."""

    calls: int
    places: int
    rate: Interval


class PodStudy(Facts):
    """Probability of detection over size.

    kind: hit/miss or signal response. films: 0 where marks count as independent. models: every candidate, the best
    first; the curve is the first one's. like: how many of them the data cannot tell from it (AIC within 2); every upper
    bound is the largest of theirs. method: of the bounds ``a90_95`` and ``levels``. other_bounds: a90/95 of the first
    model alone by each method. refusals: what is not stated, and why; what is refused is None.
    """

    kind: str
    size_name: str
    marks: int
    hits: int
    films: int
    smallest: float | None
    largest: float | None
    models: tuple[PodModel, ...] = ()
    like: int = 0
    method: str = ""
    a50: float | None = None
    a90: float | None = None
    a90_95: float | None = None
    other_bounds: dict[str, float | None] = Field(default_factory=dict)
    film_effect: float | None = None
    decision: float | None = None
    levels: tuple[SizeLevel, ...] = ()
    curve: tuple[PodPoint, ...] = ()
    false_calls: FalseCalls | None = None
    notes: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def stated(self) -> bool:
        """Whether a90/95 stands."""
        return self.a90_95 is not None


def false_call_rate(calls: int, places: int) -> FalseCalls | None:
    """False calls with their exact interval; None where no place without a flaw was looked at."""
    return FalseCalls(calls=calls, places=places, rate=exact_share(calls, places)) if places else None


def within_range(study: PodStudy, level: SizeLevel) -> PodStudy:
    """a90 and a90/95 of ``level`` where they lie inside the sizes that were tried, else refusals."""
    low, high = study.smallest or 0.0, study.largest or 0.0
    refusals = []
    if not low <= level.size <= high:
        way = "larger" if level.size > high else "smaller"
        text = f"It would be {level.size:.3g}, outside the sizes tried ({low:.3g} to {high:.3g}); add {way} flaws."
        refusals.append(Refusal(what="a90", missing=(text,)))
    if level.upper is None or level.upper > high:
        reach = "beyond every size" if level.upper is None else f"at {level.upper:.3g}"
        text = f"The bound lies {reach}, above the largest flaw tried ({high:.3g}); add flaws around and above a90."
        refusals.append(Refusal(what="a90/95", missing=(text,)))
    names = {refusal.what for refusal in refusals}
    return study.model_copy(
        update={
            "a90": None if "a90" in names else level.size,
            "a90_95": None if names else level.upper,
            "refusals": tuple(refusals),
        }
    )
