"""A person's answer for the whole film, given with the name: until then every verdict is a proposal."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from lopore.errors import LoporeError
from lopore.indications.readings import FilmVerdict
from lopore_app.film.film_review import Reviewer
from lopore_app.film.film_work import FilmWork
from lopore_app.plain_text import plain

ANSWERS: tuple[FilmVerdict, ...] = get_args(FilmVerdict)
COLOURS = {"acceptable": "green", "not acceptable": "red", "cannot be judged": "violet"}


def sign_panel(work: FilmWork, reviewer: Reviewer) -> None:
    """The answer, the button with the name on it, and who signed."""
    review = work.review
    if review is None:
        return
    signed = review.signature
    if signed is not None:
        st.markdown(
            f"**:{COLOURS[signed.answer]}[{signed.answer.capitalize()}]**, signed by "
            f"{plain(signed.reader.title)}, {signed.when[:16].replace('T', ' ')} UTC"
        )
        if st.button("Take the signature back", icon=":material/undo:", width="stretch", key="film/unsign"):
            work.step(review.unsigned())
            st.rerun()
        return
    if work.history and work.history[-1].signature is not None:
        st.caption(":orange[:material/warning:] The film was changed after it was signed; sign it again.")
    answer = st.selectbox(
        "Your answer for this film",
        ANSWERS,
        index=None,
        placeholder="Choose, then sign",
        key=f"film/answer/{review.sha256}",
    )
    who = f"Sign as {reviewer.title}" if reviewer.name else "Sign"
    if (
        st.button(plain(who), icon=":material/signature:", width="stretch", key="film/sign", disabled=answer is None)
        and answer
    ):
        try:
            work.step(review.signed(answer, reviewer))
        except LoporeError as error:
            st.error(plain(error, 300))
            return
        st.rerun()
