"""The checks of acceptance rules: one value of the film's marks against one limit, in the rule's unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from .acceptance_profile import Rule
from .indication import Group, Indication
from .limits import MissingVariableError
from .neighbours import nearest_marks
from .stretches import Stretch, most_in_stretch, most_marks_in_stretch


class Undecided(Exception):  # noqa: N818 - it is an answer, not a mistake
    """A rule that cannot be answered; its text says what is missing."""


@dataclass(frozen=True)
class RuleMark:
    """What a rule sees of an indication, or of a cluster that counts as one; sizes in px of the film."""

    ids: tuple[int, ...]
    length: float
    width: float
    diameter: float
    area: float
    box: tuple[float, float, float, float]
    outline: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, mark: Indication) -> RuleMark:
        """One indication."""
        return cls(
            (mark.id,), mark.length_px, mark.width_px, mark.diameter_px, mark.area_px, mark.box, mark.contour
        )  # fmt: skip

    @classmethod
    def of_group(cls, group: Group, members: Sequence[Indication]) -> RuleMark:
        """A cluster or line as one mark: its own length and width, its members' area, its length as diameter."""
        outline = tuple(point for mark in members for point in mark.contour)
        ids = tuple(mark.id for mark in members)
        return cls(ids, group.length_px, group.width_px, group.length_px, group.area_px, group.box, outline)


@dataclass(frozen=True)
class Finding:
    """What a check found. ids: marks that decide the value; where the rule is broken, those that break it."""

    holds: bool
    value: float | None
    limit: float | None
    reason: str
    ids: tuple[int, ...] = ()


def check_rule(
    rule: Rule,
    marks: Sequence[RuleMark],
    shape: tuple[int, int],
    pitch_mm: float | None,
    variables: Mapping[str, float],
) -> Finding:
    """One rule over the marks that it applies to; Undecided where a pitch or a variable is missing.

    Without a mark every rule holds: nothing has to be known then.
    """
    if not marks:
        return Finding(True, 0.0 if rule.check != "distance" else None, None, "no indication that it applies to")
    scale = _Scale(rule, shape, pitch_mm, variables)
    if rule.smallest is not None:
        least = scale.number("smallest")
        marks = [mark for mark in marks if scale.size(mark) >= least]
        if not marks:
            return Finding(True, 0.0, None, f"no indication of {least:g} or more")
    if rule.check == "not_permitted":
        ids = tuple(number for mark in marks for number in mark.ids)
        return Finding(False, float(len(marks)), 0.0, f"{len(marks)} found, none is permitted", ids)
    check = _CHECKS[rule.check or ""]
    return check(rule, marks, scale)


class _Scale:
    """Formulas and sizes of a rule in its own unit."""

    def __init__(
        self, rule: Rule, shape: tuple[int, int], pitch_mm: float | None, variables: Mapping[str, float]
    ) -> None:
        self.rule, self.pitch, self._variables, self._limits = rule, pitch_mm, variables, rule.limits
        self.axis = 0 if shape[1] >= shape[0] else 1
        self.film_length = float(max(shape)) * self._per_px

    @property
    def _in_mm(self) -> bool:
        return self.rule.unit in ("mm", "mm2", "%") or (
            self.rule.unit is None and (self.rule.within is not None or self.rule.smallest is not None)
        )

    @property
    def _per_px(self) -> float:
        if not self._in_mm:
            return 1.0
        if self.pitch is None:
            raise Undecided("the size of the film's pixels is not known; give it with --mm-per-pixel")
        return self.pitch

    def number(self, field: str) -> float:
        """The value of one of the rule's formulas."""
        try:
            return self._limits[field].value(self._variables)
        except MissingVariableError as missing:
            name = missing.args[0]
            raise Undecided(f"{name} was not given; set it with --set {name}=...") from None

    def size(self, mark: RuleMark) -> float:
        """The rule's measure of a mark."""
        value = float(getattr(mark, self.rule.measure))
        return value * self._per_px ** (2 if self.rule.measure == "area" else 1)

    def sizes(self, marks: Sequence[RuleMark]) -> NDArray[np.float64]:
        return np.array([self.size(mark) for mark in marks])

    def spans(self, marks: Sequence[RuleMark]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where marks begin and end along the film's longer side."""
        boxes = np.array([mark.box for mark in marks]) * self._per_px
        return boxes[:, self.axis], boxes[:, self.axis + 2]

    def stretch_length(self) -> float:
        """``within``, or the whole film where it is missing or longer."""
        return self.film_length if self.rule.within is None else min(self.number("within"), self.film_length)


def _ids(marks: Sequence[RuleMark], chosen: NDArray[np.bool_] | None = None) -> tuple[int, ...]:
    chosen_marks = marks if chosen is None else [mark for mark, use in zip(marks, chosen, strict=True) if use]
    return tuple(sorted({number for mark in chosen_marks for number in mark.ids}))


def _largest(rule: Rule, marks: Sequence[RuleMark], scale: _Scale) -> Finding:
    limit, sizes = scale.number("limit"), scale.sizes(marks)
    over = sizes > limit
    worst = float(sizes.max())
    reason = f"largest {rule.measure} {worst:.4g} {rule.unit}, limit {limit:.4g} {rule.unit}"
    return Finding(not over.any(), worst, limit, reason, _ids(marks, over if over.any() else sizes == worst))


def _stretch_reason(stretch: Stretch, scale: _Scale, unit: str) -> str:
    if scale.rule.within is None:
        return "on the whole film"
    return (
        f"in the worst stretch of {stretch.end - stretch.begin:.4g} {unit}, from {max(stretch.begin, 0):.4g} {unit} on"
    )


def _inside(marks: Sequence[RuleMark], stretch: Stretch, scale: _Scale) -> tuple[int, ...]:
    begins, ends = scale.spans(marks)
    return _ids(marks, (ends > stretch.begin) & (begins < stretch.end))


def _sum(rule: Rule, marks: Sequence[RuleMark], scale: _Scale) -> Finding:
    limit = scale.number("limit")
    stretch = most_in_stretch(*scale.spans(marks), scale.sizes(marks), scale.stretch_length())
    reason = f"{rule.measure}s together {stretch.value:.4g} {rule.unit}, limit {limit:.4g} {rule.unit}, "
    reason += _stretch_reason(stretch, scale, "px" if rule.unit in ("px", "px2") else "mm")
    return Finding(stretch.value <= limit * (1 + 1e-9), stretch.value, limit, reason, _inside(marks, stretch, scale))


def _area_share(rule: Rule, marks: Sequence[RuleMark], scale: _Scale) -> Finding:
    limit, height = scale.number("limit"), scale.number("height")
    length = scale.stretch_length()
    areas = np.array([mark.area * (scale.pitch or 1.0) ** 2 for mark in marks])
    stretch = most_in_stretch(*scale.spans(marks), areas, length)
    share = 100 * stretch.value / (length * height)
    reason = f"{share:.4g} % of a window of {length:.4g} x {height:.4g} mm, limit {limit:.4g} %, "
    reason += _stretch_reason(stretch, scale, "mm")
    return Finding(share <= limit * (1 + 1e-9), share, limit, reason, _inside(marks, stretch, scale))


def _count(rule: Rule, marks: Sequence[RuleMark], scale: _Scale) -> Finding:
    limit = scale.number("limit")
    if rule.within is None:
        count = Stretch(float(len(marks)), 0.0, 0.0)
        return Finding(
            len(marks) <= limit, count.value, limit, f"{len(marks)} on the film, limit {limit:g}", _ids(marks)
        )
    begins, ends = scale.spans(marks)
    centres = (begins + ends) / 2
    stretch = most_marks_in_stretch(centres, scale.stretch_length())
    inside = (centres >= stretch.begin) & (centres <= stretch.end * (1 + 1e-12))
    reason = f"{stretch.value:.0f} marks, limit {limit:g}, {_stretch_reason(stretch, scale, 'mm')}"
    return Finding(stretch.value <= limit, stretch.value, limit, reason, _ids(marks, inside))


def _distance(rule: Rule, marks: Sequence[RuleMark], scale: _Scale) -> Finding:
    limit = scale.number("limit")
    if len(marks) < 2:
        return Finding(True, None, limit, "only one indication that it applies to")
    unit = 1.0 if rule.unit == "px" else scale.pitch or 1.0
    apart = np.array([(found[1] if found else np.inf) * unit for found in nearest_marks(_outlines(marks))])
    nearest = float(apart.min())
    close = apart < limit
    reason = f"smallest distance {nearest:.4g} {rule.unit}, at least {limit:.4g} {rule.unit} is asked"
    return Finding(not close.any(), nearest, limit, reason, _ids(marks, close if close.any() else apart == nearest))


def _outlines(marks: Sequence[RuleMark]) -> list[Indication]:
    """Marks as neighbours are looked for: by their outlines."""
    return [
        Indication(
            id=number, class_name="", peak=0, mean=0, centre=(0, 0), box=mark.box, contour=mark.outline,
            area_px=mark.area, length_px=mark.length, width_px=mark.width, diameter_px=mark.diameter, orientation_deg=0,
        )
        for number, mark in enumerate(marks)
    ]  # fmt: skip


def _no_check(rule: Rule, marks: Sequence[RuleMark], scale: _Scale) -> NoReturn:
    raise AssertionError(f"{rule.check} is decided before")


_CHECKS: dict[str, Callable[[Rule, Sequence[RuleMark], _Scale], Finding]] = {
    "largest": _largest,
    "sum": _sum,
    "area_share": _area_share,
    "count": _count,
    "distance": _distance,
    "not_permitted": _no_check,
}
