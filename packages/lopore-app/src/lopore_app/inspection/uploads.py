"""Which films are on the table: uploads, and the examples that ship with the package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.resources import files

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from lopore_app.inspection.upload import Upload
from lopore_app.kept_work import films_may_be_kept
from lopore_app.viewer.session_notice import session_number

_EXAMPLES, _TABLE, _SEEN, _PAGES = "examples", "table", "seen_files", "pages"


def on_the_table() -> tuple[Upload, ...]:
    """Films of this session, in the order they came; the same content twice is one film."""
    # Streamlit forgets the field's files when another page is looked at; the films stay on the table.
    # Of a session of its own name: a browser that outlived its server would go on listing films that are gone.
    field = f"field/{session_number()}"
    entered = field not in st.session_state
    # Any name: what a file is, is judged by its content.
    given = st.file_uploader(
        "Films",
        accept_multiple_files=True,
        key=field,
        help="PNG, JPEG, TIFF, BMP or DICOM, 8 or 16 bit, under any name",
    )
    if films_may_be_kept():
        _take_up_kept()
    uploads = _taken(given, entered)
    if films_may_be_kept():
        from .kept_films_panel import kept_films_panel

        kept_films_panel(uploads)
    earlier = len(uploads) - len(given)
    if earlier and st.button(f"Put {earlier} earlier away", icon=":material/close:", width="stretch"):
        st.session_state[_TABLE] = {}
        st.rerun()
    shown = bool(st.session_state.get(_EXAMPLES))
    if shown and st.button("Put the examples away", icon=":material/close:", width="stretch"):
        st.session_state[_EXAMPLES] = False
        st.rerun()
    table: dict[str, Upload] = {}
    for upload in (*uploads, *(examples() if shown else ())):
        table.setdefault(upload.sha256, upload)
    copies = len(uploads) - len({upload.sha256 for upload in uploads})
    if copies:
        files = "1 file holds" if copies == 1 else f"{copies} files hold"
        st.caption(f"{files} the same film as another: shown once, under its first name.")
    return tuple(table.values())


def on_their_pages(uploads: Sequence[Upload]) -> tuple[Upload, ...]:
    """The same films, each on the page that was chosen for it."""
    pages: dict[str, int] = st.session_state.get(_PAGES, {})
    return tuple(replace(upload, page=pages.get(upload.sha256, 1)) for upload in uploads)


def page_control(upload: Upload, pages: int) -> None:
    """Which page of a file with several is looked at and answered."""
    key = f"page/{upload.sha256}"

    def choose_page() -> None:
        st.session_state.setdefault(_PAGES, {})[upload.sha256] = int(st.session_state[key])

    st.number_input(
        f"Page, of {pages}",
        min_value=1,
        max_value=pages,
        value=upload.page,
        key=key,
        on_change=choose_page,
        help="The file holds several pages or frames; each one is a film of its own.",
    )


def _take_up_kept() -> None:
    """The films that an earlier session kept, onto the table of this one."""
    from .kept_films_panel import kept_films

    table: dict[str, Upload] = st.session_state.setdefault(_TABLE, {})
    table.update({f"kept/{film.sha256}": film for film in kept_films()})


def _taken(given: Iterable[UploadedFile], entered: bool) -> list[Upload]:
    """The table with what is new in the field, and without what the user took out of it; sha256 once a file."""
    table: dict[str, Upload] = st.session_state.setdefault(_TABLE, {})
    held = {file.file_id: file for file in given}
    if not entered:
        for gone in st.session_state.get(_SEEN, set()) - set(held):
            table.pop(gone, None)
    for name, file in held.items():
        if name not in table:
            table[name] = Upload.of(file.name, file.getvalue())
    st.session_state[_SEEN] = set(held)
    return list(table.values())


@st.cache_resource(show_spinner=False)
def examples() -> tuple[Upload, ...]:
    """Made films of this package; the same bytes serve every session."""
    folder = files("lopore_app") / "examples"
    names = [item.name for item in folder.iterdir() if item.name.endswith((".png", ".tif"))]
    names.sort(key=lambda name: (name.endswith(".tif"), name))  # the one that most models refuse comes last
    return tuple(Upload.of(name, (folder / name).read_bytes()) for name in names)


def welcome() -> None:
    """What is shown before the first film."""
    limit = st.get_option("server.maxUploadSize")
    with st.container(key="welcome", horizontal_alignment="center"):
        st.markdown("### :material/upload_file: Drop radiographs into the field *Films*", text_alignment="center")
        st.markdown(
            f"One or many: PNG, JPEG, TIFF, BMP or DICOM, 8 or 16 bit, {limit} MB each at most.",
            text_alignment="center",
        )
        if st.button("Look at example films", type="primary", icon=":material/photo_library:"):
            st.session_state[_EXAMPLES] = True
            st.rerun()
        with st.container(key="narrow"):
            st.caption("On a narrow screen the field is behind the arrows at the top left.", text_alignment="center")
        st.caption("The examples were made from physics; their defects are known.", text_alignment="center")
