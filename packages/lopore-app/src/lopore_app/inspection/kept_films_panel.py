"""What a visitor is told of films that are kept, the button that begins it, and the one that ends it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lopore.errors import LoporeError
from lopore.messages import counted
from lopore_app.inspection.film_store import FILMS, FilmStore, is_key, new_key
from lopore_app.inspection.upload import Upload
from lopore_app.kept_work import work_folder
from lopore_app.plain_text import plain

PARAMETER = "work"
"""Of the page's address."""
_KEY, _OPENED, _HELD = "kept/key", "kept/opened", "kept/held"


def kept_films() -> tuple[Upload, ...]:
    """The films of the work that the page's address names, once a session; empty where there is none."""
    asked = st.query_params.get(PARAMETER)
    if _KEY not in st.session_state and is_key(asked):
        st.session_state[_KEY] = asked
    key = st.session_state.get(_KEY)
    if key is None:
        return ()
    if asked != key:  # another page was looked at, which drops what the address held
        st.query_params[PARAMETER] = key
    if st.session_state.get(_OPENED) == key:
        return ()
    st.session_state[_OPENED] = key
    try:
        films, problems = _store().open_work(key)
    except LoporeError as error:
        films, problems = (), (str(error),)
    st.session_state[_HELD] = {film.sha256 for film in films}
    for problem in problems:
        st.warning(plain(problem, 300))
    return films


def kept_films_panel(uploads: Sequence[Upload]) -> None:
    """Keep what is on the table where that was asked for, and say so; else offer it. Nothing is kept unasked."""
    key = st.session_state.get(_KEY)
    if key is None:
        if uploads:
            st.button(
                "Keep my films", icon=":material/save:", width="stretch", on_click=_begin,
                help="On this server, until you delete them. The page then has an address that opens them again.",
            )  # fmt: skip
        return
    held: set[str] = st.session_state.setdefault(_HELD, set())
    fresh = [upload for upload in uploads if upload.sha256 not in held]
    try:
        if fresh:
            _store().keep(key, fresh)
            held.update(upload.sha256 for upload in fresh)
    except LoporeError as error:
        st.error(plain(error, 400))
    if held:
        st.caption(
            f":material/save: {counted(len(held), 'film')} kept on this server, in *{FILMS}* of the folder that it was "
            "started with. Whoever has the address of this page opens them: keep it. They stay until you delete them."
        )
        st.button("Delete the kept films", icon=":material/delete:", width="stretch", on_click=_end, args=(key,))


def _store() -> FilmStore:
    folder = work_folder()
    assert folder is not None
    return FilmStore(folder)


def _begin() -> None:
    st.session_state[_KEY] = st.session_state[_OPENED] = new_key()
    st.session_state[_HELD] = set()


def _end(key: str) -> None:
    try:
        _store().forget(key)
    except LoporeError as error:
        st.error(plain(error, 300))
        return
    for name in (_KEY, _OPENED, _HELD):
        st.session_state.pop(name, None)
    st.query_params.pop(PARAMETER, None)
