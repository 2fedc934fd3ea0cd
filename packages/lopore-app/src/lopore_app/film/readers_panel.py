"""A second reader and an arbiter: nobody sees what another decided before every mark has a verdict of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from lopore.errors import LoporeError
from lopore_app.film.film_review import FilmReview, Reviewer
from lopore_app.film.film_work import FilmWork
from lopore_app.film.review_store import ReviewStore
from lopore_app.film.two_readers import agreement, arbitration, pairs
from lopore_app.plain_text import plain

Works = Mapping[tuple[str, str], FilmWork]


def others_of(store: ReviewStore | None, works: Works, reviewer: str) -> dict[str, list[FilmReview]]:
    """Every other reader's reviews, by name: those of the folder, and those of this session."""
    found: dict[str, dict[tuple[str, int], FilmReview]] = {}
    if store is not None:
        for name, review in store.everything():
            found.setdefault(name, {})[review.sha256, review.page] = review
    for (_, name), work in works.items():
        if work.review is not None:
            found.setdefault(name, {})[work.review.sha256, work.review.page] = work.review
    return {name: list(reviews.values()) for name, reviews in found.items() if name and name != reviewer}


def readers_panel(work: FilmWork, store: ReviewStore | None, works: Works, reviewer: Reviewer) -> None:
    """Who else has read this film, how far both agree, where they differ, and the way to arbitrate."""
    review = work.review
    if review is None:
        return
    try:
        others = others_of(store, works, reviewer.name)
    except LoporeError as error:
        st.error(plain(error, 300))
        return
    here = {name: _of_film(reviews, review) for name, reviews in others.items()}
    names = [name for name, one in here.items() if one is not None and one.marks]
    if not names:
        st.caption("Nobody else has read this film. A second reader enters another name at the left.")
        return
    st.caption(plain(f"Also read by {', '.join(names)}.", 300))
    if review.open and review.marks:
        st.caption("Their verdicts are shown once every mark has yours.")
        _arbiter(work, {name: here[name] for name in names}, reviewer)
        return
    other = str(st.selectbox("Compare with", names, key="film/other"))
    second = here[other]
    if second is None:
        return
    mine = [one.review for (_, name), one in works.items() if name == reviewer.name and one.review is not None]
    st.caption(plain(agreement(mine, others[other]).text, 300))
    rows = [
        {"Along, px": round(pair.indication.centre[0]), "You": pair.first, plain(other, 40): pair.second}
        for pair in pairs(review, second)
        if pair.differs
    ]
    if rows:
        st.dataframe(rows, hide_index=True)
    else:
        st.caption("You differ nowhere.")


def _arbiter(work: FilmWork, here: Mapping[str, FilmReview | None], reviewer: Reviewer) -> None:
    """Two others have read the film, and this reader has decided on nothing: what they differ in may be arbitrated."""
    readers = [(name, one) for name, one in here.items() if one is not None]
    if len(readers) < 2 or work.review is None or work.review.open < len(work.review.marks):
        return
    (first, one), (second, other) = readers[:2]
    if st.button(
        f"Arbitrate between {first} and {second}", icon=":material/balance:", width="stretch", key="film/arbitrate"
    ):
        work.step(arbitration(one, other, (first, second)))
        work.selected = next((mark.number for mark in work.review.marks if mark.verdict == "open"), None)
        work.served += 1
        st.rerun()


def _of_film(reviews: Sequence[FilmReview], film: FilmReview) -> FilmReview | None:
    return next((one for one in reviews if (one.sha256, one.page) == (film.sha256, film.page)), None)
