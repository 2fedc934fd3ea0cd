"""An inspection as its reviewer left it: what leaves as a report is what was seen. No Streamlit in here."""

from __future__ import annotations

from lopore.indications.acceptance_profile import Profile
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.indication import Indication, SetAside
from lopore.indications.report.film_report import film_report
from lopore.reading.film_source import FilmSource
from lopore_app.film.film_review import FilmReview, ReviewedMark, Reviewer
from lopore_app.film.film_work import verdict_of


def reviewed(review: FilmReview, found: FilmInspection, profile: Profile | None) -> FilmInspection:
    """The inspection with the marks of the review under their numbers.

    Rejected marks are set aside with who rejected them; drawn ones stand among the indications; what was decided on
    each mark, and how many are open, stands in the notes. The verdict is the profile's on what is left.
    """
    kept = [mark for mark in review.marks if mark.verdict != "rejected"]
    rejected = [mark for mark in review.marks if mark.verdict == "rejected"]
    aside = tuple(SetAside(indication=_numbered(mark), reason=f"rejected{_by(mark)}") for mark in rejected)
    return found.model_copy(
        update={
            "indications": tuple(_numbered(mark) for mark in kept),
            "set_aside": (*found.set_aside, *aside),
            "groups": (),
            "verdict": None if profile is None else verdict_of(review, found, profile),
            "notes": (*found.notes, *_notes(review)),
        }
    )


def _numbered(mark: ReviewedMark) -> Indication:
    return mark.indication.model_copy(
        update={"id": mark.number, "class_name": mark.class_name, "nearest_id": None, "group_id": None}
    )


def _by(mark: ReviewedMark) -> str:
    who = _name(mark.reviewer)
    note = f": {mark.note}" if mark.note else ""
    return f" by {who}, {mark.when[:10]}{note}" if who else f" {mark.when[:10]}{note}"


def _name(reviewer: Reviewer) -> str:
    return f"{reviewer.name} ({reviewer.level})" if reviewer.level and reviewer.name else reviewer.name


def _notes(review: FilmReview) -> list[str]:
    decided = [mark for mark in review.marks if mark.verdict == "accepted"]
    lines = [f"{review.open} of {len(review.marks)} marks are open: nobody decided on them"] if review.open else []
    lines += [
        f"mark {mark.number} ({mark.class_name}): {'drawn' if mark.origin == 'drawn' else 'accepted'}{_by(mark)}"
        for mark in decided
    ]
    lines += [
        f"not judged: {one.reason}, x {one.box[0]:.0f} to {one.box[2]:.0f}, y {one.box[1]:.0f} to {one.box[3]:.0f} px"
        for one in review.ignored
    ]
    return lines


def reviewed_report(review: FilmReview, found: FilmInspection, profile: Profile | None, source: FilmSource) -> str:
    """The film's page, as ``lopore inspect`` writes it, with what the reviewer decided."""
    return film_report(reviewed(review, found, profile), source, found.map)
