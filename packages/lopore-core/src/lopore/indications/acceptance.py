"""The verdict on a film by a user's acceptance profile: each rule with limit, value and the marks that break it.

A rule that cannot be answered (no pitch, a variable that was not given, a class that the model does not know) is
undecided, which is an answer of its own: a film is accepted only where every rule was decided and held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lopore.errors import ConfigError
from lopore.messages import did_you_mean, plain

from .acceptance_checks import Finding, RuleMark, Undecided, check_rule
from .acceptance_profile import Profile, Rule
from .indication import Group, Indication
from .iso_6520 import iso_6520_number, known_numbers, usual_name

Outcome = Literal["holds", "broken", "undecided"]


class RuleResult(BaseModel):
    """One rule's answer. value and limit are in ``unit``; indications: ids of the marks that break it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    answer: Outcome
    reason: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    indications: tuple[int, ...] = ()
    parts: tuple[RuleResult, ...] = ()


class Verdict(BaseModel):
    """The answer for a film. It is a proposal by rules: a person signs, not lopore."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: Literal["accept", "reject", "undecided"]
    title: str
    source: str
    edition: str
    invented: bool
    profile_sha256: str
    variables: dict[str, float]
    rules: tuple[RuleResult, ...]

    @property
    def fired(self) -> tuple[int, ...]:
        """Ids of all marks that break a rule, ascending."""
        return tuple(sorted({number for rule in self.rules if rule.answer == "broken" for number in rule.indications}))


@dataclass(frozen=True)
class FilmMarks:
    """What rules are applied to. classes: those that the model can find at all. shape: (height, width) of the film."""

    indications: Sequence[Indication]
    groups: Sequence[Group]
    shape: tuple[int, int]
    pitch_mm: float | None
    classes: Sequence[str]
    class_numbers: Mapping[str, str] = field(default_factory=dict)


def check_variables(profile: Profile, given: Mapping[str, float]) -> dict[str, float]:
    """The given values; ConfigError in one line for one that the profile does not ask for, or that is not positive."""
    for name, value in given.items():
        if name not in profile.variables:
            known = ", ".join(profile.variables) or "none"
            near = did_you_mean(name, profile.variables) or f"; it asks for {known}"
            raise ConfigError(f"profile '{plain(profile.title, 60)}' asks for no '{plain(name, 40)}'{near}")
        if not 0 < value < 1e6:
            raise ConfigError(f"{name} = {value:g} is no size; give a number above 0 in {profile.variables[name].unit}")
    return {name: float(value) for name, value in given.items()}


def apply_profile(profile: Profile, film: FilmMarks, variables: Mapping[str, float]) -> Verdict:
    """The verdict by a profile.

    Raises ConfigError for a class in a rule that neither the model has nor ISO 6520-1 numbers, and for variables as
    ``check_variables`` does.
    """
    values = check_variables(profile, variables)
    marks = _Marks(profile, film)
    results = tuple(_result(rule, marks, values) for rule in profile.rules)
    answers = {result.answer for result in results}
    answer: Literal["accept", "reject", "undecided"] = (
        "reject" if "broken" in answers else "undecided" if "undecided" in answers else "accept"
    )
    return Verdict(
        answer=answer,
        title=profile.title,
        source=profile.source,
        edition=profile.edition,
        invented=profile.invented,
        profile_sha256=profile.sha256,
        variables=values,
        rules=results,
    )


class _Marks:
    """The marks that a rule looks at, and the classes that it names but the model does not know."""

    def __init__(self, profile: Profile, film: FilmMarks) -> None:
        self.film = film
        own = {**film.class_numbers, **profile.iso_6520}
        self._numbers = {name: iso_6520_number(name, own) for name in film.classes}
        self._known = known_numbers(own)

    def chosen(self, rule: Rule) -> tuple[list[RuleMark], list[str]]:
        """The rule's marks, clusters joined where it asks for it, and the names that the model cannot answer for."""
        if not rule.applies_to:
            return self._marks(set(self.film.classes), rule), []
        classes: set[str] = set()
        absent: list[str] = []
        for name in rule.applies_to:
            own = {found for found, number in self._numbers.items() if name in (found, number)}
            classes |= own
            if not own:
                self._check_known(name, rule)
                absent.append(name)
        return self._marks(classes, rule), absent

    def _check_known(self, name: str, rule: Rule) -> None:
        if name in self._known or iso_6520_number(name) is not None:
            return
        near = did_you_mean(name, self.film.classes)
        raise ConfigError(
            f"rule '{plain(rule.name, 60)}' applies to '{plain(name, 60)}', which is neither a class of the model "
            f"({', '.join(self.film.classes)}) nor a number of ISO 6520-1 in use{near}"
        )

    def _marks(self, classes: set[str], rule: Rule) -> list[RuleMark]:
        own = [mark for mark in self.film.indications if mark.class_name in classes]
        if rule.clusters == "each":
            return [RuleMark.of(mark) for mark in own]
        groups = [group for group in self.film.groups if group.class_name in classes]
        grouped = {number for group in groups for number in group.members}
        by_id = {mark.id: mark for mark in own}
        joined = [
            RuleMark.of_group(group, [by_id[number] for number in group.members if number in by_id]) for group in groups
        ]
        return [RuleMark.of(mark) for mark in own if mark.id not in grouped] + [mark for mark in joined if mark.ids]


def _result(rule: Rule, marks: _Marks, values: Mapping[str, float]) -> RuleResult:
    if rule.any_of:
        return _any_result(rule, marks, values)
    chosen, absent = marks.chosen(rule)
    try:
        found = check_rule(rule, chosen, marks.film.shape, marks.film.pitch_mm, values)
    except Undecided as open_question:
        return RuleResult(rule=rule.name, answer="undecided", reason=str(open_question), unit=rule.unit or "")
    answer: Outcome = "holds" if found.holds else "broken"
    reason = found.reason
    if absent and found.holds:  # a class that nobody looked for is not known to be absent
        answer = "undecided"
        reason = f"the model does not look for {', '.join(_named(name) for name in absent)}"
    return _as_result(rule, answer, reason, found)


def _named(text: str) -> str:
    """A class as it is, and a number of ISO 6520-1 with the name that goes with it."""
    name = usual_name(text)
    return f"{text} ({name})" if name else plain(text, 60)


def _as_result(rule: Rule, answer: Outcome, reason: str, found: Finding) -> RuleResult:
    return RuleResult(
        rule=rule.name,
        answer=answer,
        reason=reason,
        value=None if found.value is None else round(found.value, 4),
        limit=None if found.limit is None else round(found.limit, 4),
        unit=rule.unit or "",
        indications=() if found.holds else found.ids,
    )


def _any_result(rule: Rule, marks: _Marks, values: Mapping[str, float]) -> RuleResult:
    parts = tuple(_result(part, marks, values) for part in rule.any_of)
    answers = [part.answer for part in parts]
    if "holds" in answers:
        return RuleResult(rule=rule.name, answer="holds", reason="one of its parts holds", parts=parts)
    if "undecided" in answers:
        return RuleResult(rule=rule.name, answer="undecided", reason="none of its parts surely holds", parts=parts)
    fired = tuple(sorted({number for part in parts for number in part.indications}))
    return RuleResult(rule=rule.name, answer="broken", reason="none of its parts holds", indications=fired, parts=parts)
