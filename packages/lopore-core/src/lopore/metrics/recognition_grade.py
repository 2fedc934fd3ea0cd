"""Grades of systems that recognise defects on radiographs: rates with bounds, and the level that they support.

The limits are the user's (a profile with its source and edition); none ships. Rates as in the published standards of
this kind: TDR found in place with the right class, WDR found in place, KDR found in place of key defects, each over
all such marks; FRR sound films with any call over sound films.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from lopore.messages import counted, plain
from lopore.record.interval import Interval

from .binomial import exact_share
from .bootstrap import ratio_with_bounds
from .statement import Facts

RateName = Literal["tdr", "wdr", "kdr", "frr"]
RATES: tuple[RateName, ...] = ("tdr", "wdr", "kdr", "frr")
TITLES: dict[RateName, str] = {
    "tdr": "found in place with the right class",
    "wdr": "found in place",
    "kdr": "key defects found in place",
    "frr": "sound films with a call",
}


class RecognitionLevel(Facts):
    """One level of a profile: least tdr, wdr, kdr and most frr; a rate that is None is not asked for."""

    name: str = Field(min_length=1, max_length=100)
    tdr: float | None = Field(None, ge=0, le=1)
    wdr: float | None = Field(None, ge=0, le=1)
    kdr: float | None = Field(None, ge=0, le=1)
    frr: float | None = Field(None, ge=0, le=1)


class RecognitionProfile(Facts):
    """A user's profile. iou: overlap of boxes from which a mark counts as found in place. key_classes: of ``kdr``.
    levels: the easiest first. sha256: of the file as it was read."""

    title: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=500)
    edition: str = Field("", max_length=200)
    invented: bool = False
    iou: float = Field(gt=0, le=1)
    key_classes: tuple[str, ...] = ()
    levels: tuple[RecognitionLevel, ...] = Field(min_length=1, max_length=50)
    sha256: str = ""

    @model_validator(mode="after")
    def _levels_rise(self) -> RecognitionProfile:
        names = [level.name for level in self.levels]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two levels are called {plain(twice, 40)!r}; name each once")
        for easier, harder in pairwise(self.levels):
            for name in RATES:
                low, high = getattr(easier, name), getattr(harder, name)
                eased = low is not None and (high is None or (high > low if name == "frr" else high < low))
                if eased:
                    asked = "nothing" if high is None else f"{high:g}"
                    raise ValueError(
                        f"level {plain(harder.name, 40)!r} asks {asked} of {name}, less than "
                        f"{plain(easier.name, 40)!r} with {low:g}; list the easiest level first, each with all limits"
                    )
        if any(level.kdr is not None for level in self.levels) and not self.key_classes:
            raise ValueError("a level asks kdr, and key_classes names no class")
        return self


@dataclass(frozen=True)
class GradedMark:
    """One true mark: its film, its class, whether it was found in place, and whether with the right class."""

    film: str
    class_name: str
    in_place: bool
    right_class: bool


class RecognitionGrade(Facts):
    """rates: by name, with 95 % intervals over films (frr: exact). observed: the highest level whose limits the rates
    meet. supported: the highest level whose limits their bounds meet; empty where none is. missing: rates that a level
    asks for and that nothing was counted of."""

    profile: str
    sha256: str = ""
    invented: bool = False
    marks: int
    key_marks: int
    sound_films: int
    rates: dict[RateName, Interval]
    observed: str
    supported: str
    missing: tuple[RateName, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person reads."""
        rates = [f"  {name.upper()} {TITLES[name]}: {_text(one)}" for name, one in self.rates.items()]
        counts = (
            f"{counted(self.marks, 'mark')}, {self.key_marks} of key defects, {counted(self.sound_films, 'sound film')}"
        )
        levels = (
            f"Level by the rates themselves: {self.observed or 'none'}. Level that their 95 % bounds support: "
            f"{self.supported or 'none'}."
        )
        lines = [f"{self.profile}{' (invented limits)' if self.invented else ''}: {counts}", *rates, levels]
        if self.missing:
            lines.append(
                f"No level is stated without {', '.join(name.upper() for name in self.missing)}: none was there."
            )
        return tuple(lines)


def recognition_grade(
    marks: Sequence[GradedMark], sound_films: int, sound_films_called: int, profile: RecognitionProfile
) -> RecognitionGrade:
    """The rates of a system over marks and sound films, and the levels that they meet."""
    key = [mark for mark in marks if mark.class_name in profile.key_classes]
    rates: dict[RateName, Interval] = {
        "tdr": _share(marks, [mark.in_place and mark.right_class for mark in marks]),
        "wdr": _share(marks, [mark.in_place for mark in marks]),
        "kdr": _share(key, [mark.in_place for mark in key]),
        "frr": exact_share(sound_films_called, sound_films),
    }
    return RecognitionGrade(
        profile=f"{profile.title}, {profile.edition}" if profile.edition else profile.title,
        sha256=profile.sha256,
        invented=profile.invented,
        marks=len(marks),
        key_marks=len(key),
        sound_films=sound_films,
        rates=rates,
        observed=_level(profile, rates, bounded=False),
        supported=_level(profile, rates, bounded=True),
        missing=tuple(
            name
            for name in RATES
            if rates[name].value is None and any(getattr(level, name) is not None for level in profile.levels)
        ),
    )


def _share(marks: Sequence[GradedMark], right: Sequence[bool]) -> Interval:
    """Marks that are right over all, films resampled."""
    if not marks:
        return Interval(value=None)
    ids = np.unique([mark.film for mark in marks], return_inverse=True)[1].reshape(-1)
    return ratio_with_bounds(np.array(right, float), np.ones(len(marks)), ids, share=True)


def _level(profile: RecognitionProfile, rates: dict[RateName, Interval], *, bounded: bool) -> str:
    reached = ""
    for level in profile.levels:
        if not all(_meets(name, getattr(level, name), rates[name], bounded) for name in rates):
            break
        reached = level.name
    return reached


def _meets(name: RateName, limit: float | None, rate: Interval, bounded: bool) -> bool:
    if limit is None:
        return True
    value = (rate.high if name == "frr" else rate.low) if bounded else rate.value
    if value is None:
        return False
    return value <= limit if name == "frr" else value >= limit


def _text(rate: Interval) -> str:
    if rate.value is None:
        return "not defined"
    return f"{rate.value:.3f}" + ("" if rate.low is None else f" ({rate.low:.3f} to {rate.high:.3f})")
