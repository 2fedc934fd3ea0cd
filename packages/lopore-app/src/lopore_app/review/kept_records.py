"""What leaves a session into the records that app and service share, where a place for them was named.

No Streamlit in here.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from functools import cache
from typing import Any

from lopore.audit import AuditTrail, open_trail
from lopore.audit.facts import inspection_drafts, prediction_draft, review_draft
from lopore.indications import FilmInspection, Profile
from lopore.models.opening import OpenModel
from lopore_app.film.film_review import FilmReview
from lopore_app.review.records import Entry

BY = "app"
_ANSWERS, _FILMS, _REVIEWS = "recorded/answers", "recorded/films", "recorded/reviews"
State = MutableMapping[Any, Any]


def records_kept() -> AuditTrail | None:
    """The records that ``lopore app --records LOCATION`` named; None where nothing is recorded."""
    location = os.environ.get("LOPORE_RECORDS", "")
    return _opened(location) if location else None


@cache
def _opened(location: str) -> AuditTrail:
    return open_trail(location, create=True)


def record_answer(state: State, model: OpenModel, entry: Entry) -> str | None:
    """Record an answer once; its id, None where nothing is recorded. LoporeError where it cannot be written."""
    trail, known = records_kept(), state.setdefault(_ANSWERS, {})
    if trail is None:
        return None
    if entry.key not in known:
        more = {"film": entry.film, "doubts": list(entry.doubts), "rule": entry.rule}
        (receipt,) = trail.append([prediction_draft(model, entry.prediction, by=BY, more=more)])
        known[entry.key] = receipt.id
    found: str = known[entry.key]
    return found


def record_review(state: State, entry: Entry) -> None:
    """Record what the reviewer said of an answer. LoporeError where it cannot be written."""
    trail = records_kept()
    if trail is None:
        return
    said = {
        "film": entry.sha256, "page": entry.prediction.page, "called": list(entry.prediction.decision.labels),
        "verdict": entry.review.verdict, "label": entry.review.label, "note": entry.review.note,
        "when": entry.review.when,
    }  # fmt: skip
    trail.append([review_draft(said, about=state.get(_ANSWERS, {}).get(entry.key), by=BY)])


def record_inspection(state: State, model: OpenModel, found: FilmInspection, profile: Profile | None) -> None:
    """Record a film's inspection once, with the verdict of the profile that it was made by."""
    trail, known = records_kept(), state.setdefault(_FILMS, {})
    key = found.film.sha256, found.film.page
    if trail is None or known.get(key, (None, ""))[0] is found:
        return
    used = profile if found.verdict and profile and profile.sha256 == found.verdict.profile_sha256 else None
    first, *_ = trail.append(inspection_drafts(model, found, used, by=BY))
    known[key] = found, first.id


def record_film_review(state: State, review: FilmReview) -> None:
    """Record the marks that were decided on, drawn, moved or taken away since the last time."""
    trail, known = records_kept(), state.setdefault(_REVIEWS, {})
    if trail is None:
        return
    key = review.sha256, review.page
    last: FilmReview | None = known.get(key)
    if last is review:
        return
    before = {mark.number: mark for mark in last.marks} if last is not None else {}
    now = {mark.number: mark for mark in review.marks}
    changed = [
        mark for number, mark in now.items()
        if before.get(number) != mark and (mark.verdict != "open" or mark.origin == "drawn" or number in before)
    ]  # fmt: skip
    gone = sorted(set(before) - set(now))
    signed = review.signature
    if changed or gone or signed != (last.signature if last is not None else None):
        said = {
            "film": review.sha256, "page": review.page, "name": review.name,
            "marks": [mark.model_dump(mode="json") for mark in changed], "erased": gone,
            "signature": None if signed is None else signed.model_dump(mode="json"),
        }  # fmt: skip
        trail.append([review_draft(said, about=state.get(_FILMS, {}).get(key, (None, None))[1], by=BY)])
    known[key] = review
