"""The same reader and film in two tabs or two server processes: what both did is kept. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lopore_app.film.film_review import FilmReview, Ignored, ReviewedMark
from lopore_app.film.same_marks import same_mark


def merged(mine: FilmReview, theirs: FilmReview, base: FilmReview | None) -> FilmReview:
    """One review out of two that both began at ``base`` (None: at nothing).

    What only one of them changed is taken from it. Where both changed one mark the later verdict holds; of two marks
    that were drawn under one number both stay. A signature holds only where the other side changed nothing.
    """
    if theirs in (mine, base):
        return mine
    if mine == base:
        return theirs
    return mine.model_copy(
        update={
            "marks": _marks(mine.marks, theirs.marks, base.marks if base is not None else ()),
            "ignored": _regions(mine, theirs, base),
            "wire": theirs.wire if base is not None and mine.wire == base.wire else mine.wire or theirs.wire,
            "lead": mine.lead or theirs.lead,
            "cautions": tuple(dict.fromkeys((*mine.cautions, *theirs.cautions))),
            "signature": None,
        }
    )


def _marks(
    mine: Iterable[ReviewedMark], theirs: Iterable[ReviewedMark], base: Iterable[ReviewedMark]
) -> tuple[ReviewedMark, ...]:
    before = {mark.number: mark for mark in base}
    other = list(theirs)
    found: list[ReviewedMark] = []
    for mark in mine:
        its, known = _same(mark, other, before), before.get(mark.number)
        if its is not None:
            other.remove(its)
            found.append(_later(mark, its, known).model_copy(update={"number": its.number}))
        elif mark != known:  # new here, or changed here after the other side erased it
            found.append(mark)
    found += [mark for mark in other if mark != before.get(mark.number)]
    return _numbered(found)


def _same(mark: ReviewedMark, other: Sequence[ReviewedMark], before: Mapping[int, ReviewedMark]) -> ReviewedMark | None:
    """The other side's mark: of the same number where both know it from before, else at the same place."""
    numbered = next((one for one in other if one.number == mark.number), None)
    return numbered if numbered is not None and mark.number in before else same_mark(mark.indication, other)


def _numbered(marks: Sequence[ReviewedMark]) -> tuple[ReviewedMark, ...]:
    """Every number once: a later mark that has the number of an earlier one gets the next free one."""
    following = max((mark.number for mark in marks), default=0) + 1
    used: set[int] = set()
    found = []
    for mark in marks:
        number = mark.number if mark.number not in used else following
        following += number == following
        used.add(number)
        found.append(mark.model_copy(update={"number": number}))
    return tuple(found)


def _later(mine: ReviewedMark, theirs: ReviewedMark, base: ReviewedMark | None) -> ReviewedMark:
    if mine == base:
        return theirs
    return mine if theirs == base or mine.when >= theirs.when else theirs


def _regions(mine: FilmReview, theirs: FilmReview, base: FilmReview | None) -> tuple[Ignored, ...]:
    """Regions of both, without those that either took away."""
    before = set(base.ignored) if base is not None else set()
    taken = before - set(mine.ignored) | before - set(theirs.ignored)
    return tuple(one for one in dict.fromkeys((*mine.ignored, *theirs.ignored)) if one not in taken)
