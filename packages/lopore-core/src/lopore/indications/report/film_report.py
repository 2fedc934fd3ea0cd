"""An inspection as one HTML page: film, image quality, verdict, marks at the film's own pixels, model and versions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lopore.indications import film_images
from lopore.indications.film_inspection import FilmInspection
from lopore.messages import for_a_page, score_text

if TYPE_CHECKING:
    import jinja2

    from lopore.indications.readings import MarkReading
    from lopore.inference.film_map import FilmMap
    from lopore.reading.film_source import FilmSource

MOST_CROPS, MOST_ROWS = 40, 500
"""Marks that are shown by an image and in the table; a page of 100 000 would open nowhere. The CSV holds all."""
ANSWERS = {
    "accept": "Accept: every rule holds",
    "reject": "Reject: a rule is broken",
    "undecided": "Undecided: a rule cannot be answered",
}


@dataclass(frozen=True)
class ReportImages:
    """Images of the film as PNG in the page's own text."""

    marked: str
    heat: str | None
    crops: tuple[dict[str, Any], ...]


def film_report(found: FilmInspection, source: FilmSource, film_map: FilmMap | None) -> str:
    """The page; it loads nothing from elsewhere. film_map: for the heat map, where it is still there."""
    view = film_images.overview(source)
    images = ReportImages(
        marked=film_images.data_uri(film_images.marked(view, found)),
        heat=None if film_map is None else film_images.data_uri(film_images.heat(view, film_map)),
        crops=tuple(_crops(found, source)),
    )
    classes = [
        {"name": name, "colour": _hex(film_images.colour_of(name, found.model.classes)), "count": count}
        for name, count in _counts(found).items()
    ]
    page: str = _template().render(
        found=found,
        images=images,
        classes=classes,
        answer=ANSWERS.get(found.verdict.answer, "") if found.verdict else "",
        rows=found.indications[:MOST_ROWS],
        left_out=max(0, len(found.indications) - MOST_ROWS),
        without_image=max(0, len(found.indications) - MOST_CROPS),
        broken=set(found.verdict.fired) if found.verdict else set(),
        percentiles=film_images.PERCENTILES,
        most_aside=film_images.MOST_ASIDE,
        said={one.mark: _verdict(one) for one in found.readings},
    )
    return page


def _verdict(one: MarkReading) -> str:
    who = f" by {one.reader.title}" if one.reader.title else ""
    note = f": {one.note}" if one.note else ""
    return f"{'drawn' if one.origin == 'drawn' else one.verdict}{who}, {one.when[:10]}{note}"


def _counts(found: FilmInspection) -> dict[str, int]:
    counts = dict.fromkeys(found.model.classes, 0)
    for mark in found.indications:
        counts[mark.class_name] = counts.get(mark.class_name, 0) + 1
    return counts


def _crops(found: FilmInspection, source: FilmSource) -> list[dict[str, Any]]:
    """The marks that break a rule first, then those with the largest peak."""
    broken = set(found.verdict.fired) if found.verdict else set()
    order = sorted(found.indications, key=lambda mark: (mark.id not in broken, mark.id))
    cards = []
    for mark in order[:MOST_CROPS]:
        part = film_images.crop(source, mark.contour, film_images.colour_of(mark.class_name, found.model.classes))
        cards.append(
            {
                "mark": mark,
                "plain": film_images.data_uri(part.plain),
                "outlined": film_images.data_uri(part.outlined),
                "zoom": part.zoom,
                "place": (part.left, part.top),
            }
        )
    return cards


def _hex(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _number(value: float | None, digits: int = 2) -> str:
    """A number for a person; a dash for one that is not known."""
    return "\N{EN DASH}" if value is None else f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=for_a_page,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.filters["score"] = score_text
    return environment.get_template("film_report.html.j2")
