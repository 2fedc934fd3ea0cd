"""Films that a page can offer without a new upload: those of this session, and the examples of this package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamlit.delta_generator import DeltaGenerator

from lopore_app.inspection.upload import Upload
from lopore_app.inspection.uploads import examples
from lopore_app.review.prediction_log import film_name, shown_name
from lopore_app.review.records import Entry


@dataclass(frozen=True)
class FilmChoice:
    """A film to choose. title: plain text for a menu. content: its file."""

    name: str
    title: str
    content: Callable[[], bytes]
    entry: Entry | None = None


def choose_film(container: DeltaGenerator, films: Sequence[FilmChoice], key: str) -> FilmChoice:
    """A menu of films; those of this session come first."""
    number = container.selectbox(
        "Film",
        range(len(films)),
        format_func=lambda index: films[index].title,
        help="Films of this session, then the examples",
        key=key,
    )
    return films[number]


def films_of_session(entries: Sequence[Entry]) -> list[FilmChoice]:
    """Every film of the records once, the newest first, with its last record."""
    last = {(entry.sha256, entry.prediction.page): entry for entry in entries if entry.content is not None}
    return [_from(entry) for entry in reversed(last.values())]


def _from(entry: Entry) -> FilmChoice:
    content = entry.content or b""
    return FilmChoice(film_name(entry), shown_name(entry, 80), lambda: content, entry)


def example_films() -> list[FilmChoice]:
    """The films that ship with this package, so that a page can be tried without any upload."""
    return [_example(upload) for upload in examples()]


def _example(upload: Upload) -> FilmChoice:
    return FilmChoice(upload.name, f"example: {upload.name}", lambda: upload.content)
