"""A second film beside the one that is read, linked with it, and what changed between both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from lopore.errors import LoporeError
from lopore.reading.radiograph import Radiograph
from lopore_app.film.film_viewer import OtherFilm
from lopore_app.film.film_work import FilmWork
from lopore_app.film.two_films import Overlay, changes, laid_over
from lopore_app.film.uploaded_film import laid_flat, read_film, to_shown
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload
from lopore_app.plain_text import plain
from lopore_app.review.prediction_log import name_on_a_page
from lopore_app.wording import words

ALONE = "no other film beside it"


def other_film(
    memory: Memory, uploads: Sequence[Upload], upload: Upload, film: Radiograph, work: FilmWork,
    works: Mapping[tuple[str, str], FilmWork], reviewer: str,
) -> OtherFilm | None:  # fmt: skip
    """The film that was chosen to lie beside this one; None where there is no other, or none was chosen."""
    names = {one.sha256: name_on_a_page(one.name, 60) for one in uploads if one.sha256 != upload.sha256}
    if not names:
        return None
    chosen = st.selectbox(
        "Beside", [ALONE, *names], format_func=lambda key: names.get(key, ALONE), key=f"film/beside/{upload.sha256}",
        label_visibility="collapsed", help="An earlier film of the same weld, linked with this one",
    )  # fmt: skip
    other = next((one for one in uploads if one.sha256 == chosen), None)
    if other is None:
        return None
    try:
        found = memory.get(("whole", other.key), lambda: read_film(other), lambda it: int(it.pixels.nbytes))
    except LoporeError as error:
        st.error(plain(error, 300))
        return None
    its = works.get((other.key, reviewer))
    pitches = work.pitch or film.pixel_pitch_mm, (its.pitch if its else None) or found.pixel_pitch_mm
    shown = [laid_flat(one.pixels) for one in (film, found)]
    key = "overlay", upload.key, other.key, str(pitches)
    overlay: Overlay = memory.get(key, lambda: laid_over(shown[0], shown[1], pitches), lambda _: 256)
    st.caption(plain(f"Laid over each other {overlay.evidence}.", 300))
    return OtherFilm(other.key, names[other.sha256], shown[1], found.pixels.shape, overlay, its.review if its else None)


def changes_panel(work: FilmWork, shape: tuple[int, ...], other: OtherFilm | None) -> None:
    """Which marks are in both films, gone since the other one, or new on this one."""
    if other is None or work.review is None or other.review is None:
        return
    move = to_shown(other.shape).then(other.overlay.to_first).then(to_shown(shape).inverse())
    found = changes(work.review.marks, other.review.marks, move)
    counts = {what: sum(one.what == what for one in found) for what in ("same", "new", "gone")}
    st.markdown(
        f"**Beside {plain(other.name)}:** {counts['same']} in both, {counts['new']} new on this film, "
        f"{counts['gone']} gone since the other."
    )
    rows = [{"What": one.what, "Class": words(one.class_name), "This film": one.first, "The other": one.second}
            for one in found]  # fmt: skip
    if rows:
        st.dataframe(rows, hide_index=True)
