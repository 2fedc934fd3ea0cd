"""The panel beside the film: the run, then quality, the mark, the rules and what leaves, each behind a tab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lopore.indications.acceptance_profile import Profile
from lopore.indications.options import InspectionOptions
from lopore.models.opening import OpenModel
from lopore.reading.film_source import ArrayFilm
from lopore.reading.radiograph import Radiograph
from lopore_app.film.acceptance_panel import profile_fields
from lopore_app.film.beside_panel import other_film
from lopore_app.film.film_downloads import FilmFiles, film_downloads, label_next, session_field
from lopore_app.film.film_header import header_lines
from lopore_app.film.film_review import Caution, Reviewer
from lopore_app.film.film_viewer import OtherFilm
from lopore_app.film.film_work import FilmWork
from lopore_app.film.letters_panel import letters_panel
from lopore_app.film.mark_panels import mark_panel, regions_panel
from lopore_app.film.quality import FilmQuality, quality_lines
from lopore_app.film.quality_panel import (
    areas_panel,
    header_panel,
    measured_areas,
    pitch_field,
    quality_of,
    quality_panel,
    take_areas,
    wire_field,
)
from lopore_app.film.queue_panel import queue_panel
from lopore_app.film.readers_panel import Works, readers_panel
from lopore_app.film.review_store import ReviewStore
from lopore_app.film.run_panel import run_panel, seam_field, set_aside_line, threshold_field
from lopore_app.film.sign_panel import sign_panel
from lopore_app.film.uploaded_film import film_source, unreadable
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload
from lopore_app.inspection.uploads import page_control
from lopore_app.wording import words

NO_HEAT = "no heat"


@dataclass(frozen=True)
class FilmPanel:
    """What the panel's controls say. heat: class whose probabilities are drawn, empty for none.

    tabs: of quality, mark, rules and files; ``fill`` draws what stands in them once the film is on its way.
    """

    memory: Memory
    uploads: Sequence[Upload]
    upload: Upload
    source: ArrayFilm
    profile: Profile | None
    heat: str
    beside: OtherFilm | None
    tabs: Sequence[DeltaGenerator]

    @classmethod
    def drawn(
        cls, memory: Memory, model: OpenModel | None, uploads: Sequence[Upload], upload: Upload, film: Radiograph,
        work: FilmWork, works: dict[tuple[str, str], FilmWork], reviewer: Reviewer,
    ) -> FilmPanel:  # fmt: skip
        """Draw the controls that the film on the screen depends on."""
        if film.source.pages > 1:
            page_control(upload, film.source.pages)
        run = st.container()
        tabs = st.tabs(["Film", "Mark", "Verdict", "Save"])
        with tabs[0]:
            facts = st.container()
            pitch_field(upload, film, work)
            header_panel(header_lines(upload, film))
        source = film_source(upload, film, work.pitch, work.pitch_from)
        take_areas(upload, source, work)
        profile, values, threshold = None, dict[str, float](), None
        with tabs[2]:
            threshold = threshold_field(model) if model is not None else None
            seam = seam_field()
            profile, values = profile_fields()
        with run:
            if model is None:
                st.caption("No model: the film is shown, and marks of earlier sessions.")
            else:
                options = InspectionOptions(threshold=threshold, variables=values, mm_per_pixel=work.pitch, seam=seam)
                run_panel(work, upload, model, source, options, profile, memory)
                queue_panel(memory, model, uploads, works, reviewer.name, options, profile)
            heat = _heat_choice(work)
            beside = other_film(memory, uploads, upload, film, work, works, reviewer.name)
        return cls(memory, uploads, upload, source, profile, heat, beside, (facts, *tabs))

    def fill(
        self, work: FilmWork, reviewer: Reviewer, classes: Sequence[str], works: Works, store: ReviewStore | None
    ) -> None:
        """Draw the rest."""
        facts, film, mark, rules, save = self.tabs
        with film:
            letters_panel(self.upload, self.source, work)
            wire_field(work, reviewer)
            areas_panel(measured_areas(self.source, work), work)
        lines = quality_lines(self.source, self.quality, work.review)
        with facts:
            quality_panel(lines)
        if work.review is not None:
            quality = (Caution(text=text[:2000], about="film") for name, text in lines if name == "Note")
            work.review = work.review.warned((*work.cautions, *quality))
        with mark:
            if classes:
                st.selectbox("Drawn marks are", classes, format_func=words, key="film/draw_as")
            mark_panel(work, tuple(classes), reviewer)
            regions_panel(work)
        with rules:
            set_aside_line(work)
            sign_panel(work, reviewer)
            readers_panel(work, store, works, reviewer)
        with save:
            mine = (one.review for (_, name), one in works.items() if name == reviewer.name)
            reviews = [review for review in mine if review is not None]
            files = FilmFiles(
                self.source, self.profile, tuple(lines), self.upload.content, unreadable(self.memory, self.uploads)
            )
            film_downloads(work, files, reviews)
            session_field(work, self.upload.sha256, self.upload.page)
            label_next([(one, works.get((one.key, reviewer.name))) for one in self.uploads])

    @property
    def quality(self) -> FilmQuality:
        """Measured when first asked for."""
        return quality_of(self.memory, self.upload, self.source)


def _heat_choice(work: FilmWork) -> str:
    if work.found is None or work.found.map is None:
        return ""
    names = work.found.map.classes
    chosen = st.selectbox(
        "Heat", [NO_HEAT, *names], format_func=words, key="film/heat", label_visibility="collapsed",
        help="Probabilities of a class over the film, on one scale from 0 to 1",
    )  # fmt: skip
    return chosen if chosen in names else ""
