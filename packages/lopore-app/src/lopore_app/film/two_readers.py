"""Two readers of the same films: where they differ, how far they agree, and what an arbiter begins with.

No Streamlit in here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lopore.indications.indication import Indication
from lopore.metrics.agreement import cohen_kappa
from lopore.record.interval import Interval
from lopore_app.film.film_review import FilmReview, ReviewedMark
from lopore_app.film.same_marks import same_mark

NOT_MARKED = "not marked"
REJECTED = "rejected"


@dataclass(frozen=True)
class Pair:
    """One place on a film and what both readers say of it: a class, ``rejected`` or ``not marked``; None where one
    has not decided yet."""

    indication: Indication
    first: str | None
    second: str | None

    @property
    def differs(self) -> bool:
        """Whether both decided, and not alike: a mark that one rejected and the other never drew is no difference."""
        said = {REJECTED if word == NOT_MARKED else word for word in (self.first, self.second)}
        return None not in said and len(said) > 1


def pairs(first: FilmReview, second: FilmReview) -> tuple[Pair, ...]:
    """The marks of two reviews of one film, place by place."""
    left = list(second.marks)
    found = []
    for mark in first.marks:
        other = same_mark(mark.indication, left)
        if other is not None:
            left.remove(other)
        found.append(Pair(mark.indication, _word(mark), NOT_MARKED if other is None else _word(other)))
    return (*found, *(Pair(mark.indication, NOT_MARKED, _word(mark)) for mark in left))


def _word(mark: ReviewedMark) -> str | None:
    return {"open": None, "accepted": mark.class_name, "rejected": REJECTED}[mark.verdict]


@dataclass(frozen=True)
class Agreement:
    """kappa over ``marks`` marks of ``films`` films that both decided on."""

    kappa: Interval
    marks: int
    films: int

    @property
    def text(self) -> str:
        """In words, with what it rests on."""
        rests = f"over {self.marks} marks of {self.films} {'film' if self.films == 1 else 'films'} that both decided on"
        if self.kappa.value is None:
            return f"kappa is not defined {rests}: it needs more than one answer"
        if self.kappa.low is None or self.kappa.high is None:
            return f"kappa {self.kappa.value:.2f} {rests}; an interval needs two films or more"
        return f"kappa {self.kappa.value:.2f} (95 %: {self.kappa.low:.2f} to {self.kappa.high:.2f}) {rests}"


def agreement(first: Sequence[FilmReview], second: Sequence[FilmReview]) -> Agreement:
    """Cohen's kappa over the films that are in both lists; a mark that one never drew counts as rejected."""
    others: Mapping[tuple[str, int], FilmReview] = {(one.sha256, one.page): one for one in second}
    said: list[tuple[str, str, str]] = []
    for review in first:
        other = others.get((review.sha256, review.page))
        for pair in pairs(review, other) if other is not None else ():
            if pair.first is not None and pair.second is not None:
                words = [REJECTED if word == NOT_MARKED else word for word in (pair.first, pair.second)]
                said.append((words[0], words[1], f"{review.sha256}/{review.page}"))
    columns = [list(column) for column in zip(*said, strict=True)] or [[], [], []]
    return Agreement(cohen_kappa(columns[0], columns[1], columns[2]), len(said), len(set(columns[2])))


def arbitration(first: FilmReview, second: FilmReview, names: tuple[str, str]) -> FilmReview:
    """What an arbiter begins with: marks that both decided on alike stand, all others are open, with what each said."""
    others = list(second.marks)
    marks: list[ReviewedMark] = []
    for mark in first.marks:
        other = same_mark(mark.indication, others)
        if other is not None:
            others.remove(other)
        marks.append(_arbitrated(mark, mark, other, names))
    marks += [_arbitrated(mark, None, mark, names) for mark in others]
    numbered = tuple(mark.model_copy(update={"number": number}) for number, mark in enumerate(marks, start=1))
    ignored = tuple(dict.fromkeys((*first.ignored, *second.ignored)))
    return first.model_copy(update={"marks": numbered, "ignored": ignored, "signature": None})


def _arbitrated(
    mark: ReviewedMark, first: ReviewedMark | None, second: ReviewedMark | None, names: tuple[str, str]
) -> ReviewedMark:
    words = [NOT_MARKED if one is None else _word(one) or "open" for one in (first, second)]
    said = "; ".join(f"{name or 'without a name'}: {word}" for name, word in zip(names, words, strict=True))
    alike = words[0] == words[1] and "open" not in words
    return mark.model_copy(update={"note": said, **({} if alike else {"verdict": "open", "when": ""})})
