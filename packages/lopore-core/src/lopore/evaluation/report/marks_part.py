"""Indications in a report: figures, the free-response curve, and images of what was missed and called falsely."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lopore.errors import LoporeError
from lopore.evaluation.marks.tables import best_scores, mark_keys
from lopore.indications import film_images
from lopore.messages import counted
from lopore.metrics.indication_figures import LIMITS, IndicationMetrics
from lopore.metrics.sizing import SizingError
from lopore.reading.windows import open_film

from .curves import plain_label, svg_text

if TYPE_CHECKING:
    from lopore.evaluation.marks.tally import MatchedFilm
    from lopore.evaluation.results import Evaluation
    from lopore.indications.indication import Point

MISSED, FALSE = (86, 180, 233), (230, 159, 0)
"""Outlines, RGB: blue for a mark that was missed, orange for a false call."""
_MOST_RATE = 20.0


@dataclass(frozen=True)
class _Spot:
    """A mark or call to be shown. weight: the larger, the sooner."""

    path: str
    contour: tuple[Point, ...]
    title: str
    length_px: float | None
    length_mm: float | None
    weight: float


def marks_part(evaluation: Evaluation, images: int) -> dict[str, Any]:
    """What ``marks.html`` shows; ``images``: at most so many missed marks, and as many false calls."""
    from markupsafe import Markup

    found = evaluation.metrics.indications
    if found is None:
        return {"indications": None}
    return {
        "indications": found,
        "froc": Markup(froc_plot(found)) if any(one.curve for one in found.per_class.values()) else "",  # our SVG
        "froc_limits": [f"{limit:g}" for limit in LIMITS],
        "sizing_lines": sizing_lines(found),
        "mark_galleries": list(_galleries(evaluation, images)),
    }


def sizing_lines(found: IndicationMetrics) -> list[str]:
    """How far measured lengths are off, a sentence a class."""
    lines = []
    for name, one in found.per_class.items():
        sizing = one.sizing
        if isinstance(sizing, SizingError):
            bias = sizing.bias
            bounds = "" if bias.low is None else f" ({bias.low:+.2f} to {bias.high:+.2f})"
            lines.append(
                f"{name}: lengths of {counted(sizing.pairs, 'mark')} on {counted(sizing.films, 'film')} are measured "
                f"{bias.value:+.2f} mm{bounds} off in the mean, 95 % {sizing.low:+.2f} to {sizing.high:+.2f} mm off."
            )
        else:
            lines.append(f"{name}: {sizing.text}")
    return lines


def froc_plot(found: IndicationMetrics) -> str:
    """Share of marks hit over false calls a film, with the operating point and intervals, as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for number, (name, one) in enumerate(found.per_class.items()):
        colour = f"C{number % 10}"
        points = sorted((point.false_per_film, point.hits) for point in one.curve)
        if not points:
            continue
        best, rising = 0.0, [(0.0, 0.0)]
        for rate, hits in points:  # the best threshold within each rate
            best = max(best, hits)
            rising.append((rate, best))
        axes.step(*zip(*rising, strict=True), where="post", color=colour, linewidth=1.8, label=plain_label(name))
        for at in one.hits_at:
            if at.hits.low is not None and at.hits.high is not None and at.false_per_film <= points[-1][0]:
                axes.plot([at.false_per_film] * 2, [at.hits.low, at.hits.high], color=colour, alpha=0.4, linewidth=1.4)
        if one.hits.value is not None and one.false_per_film.value is not None:
            axes.plot(one.false_per_film.value, one.hits.value, "o", color=colour, markersize=6)
    most = max((point.false_per_film for one in found.per_class.values() for point in one.curve), default=1.0)
    axes.set(
        title="Free response", xlabel="false calls a film (point: operating point)", ylabel="share of marks hit",
        xlim=(-0.01 * max(most, 1), min(max(most, 1.0), _MOST_RATE) * 1.02), ylim=(-0.02, 1.02),
    )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    return svg_text(figure)


def _galleries(evaluation: Evaluation, images: int) -> Iterable[dict[str, Any]]:
    if not images:
        return
    missed = [spot for film in evaluation.marks for spot in _missed(film)]
    false = [spot for film in evaluation.marks for spot in _false(film)]
    parts = (
        ("Missed marks", "Marks that no indication meets; the largest first.", missed, MISSED),
        ("False calls", "Indications that meet no mark; the surest first.", false, FALSE),
    )
    for title, what, places, colour in parts:
        shown = sorted(places, key=lambda spot: -spot.weight)[:images]
        figures = [figure for spot in shown if (figure := _figure(evaluation, spot, colour)) is not None]
        if figures:
            more = f" {len(figures)} of {len(places)} are shown, all are in the tables." if len(places) > images else ""
            yield {"title": title, "what": what + more, "figures": figures}


def _missed(film: MatchedFilm) -> Iterable[_Spot]:
    for key in mark_keys(film):
        hit = best_scores(film, key)
        for mark in film.own[key].marks:
            if mark.id not in hit and mark.box is not None:
                x0, y0, x1, y1 = mark.box
                around = ((x0 - 2, y0 - 2), (x1 + 2, y0 - 2), (x1 + 2, y1 + 2), (x0 - 2, y1 + 2))
                title = f"{mark.class_name or 'mark'}, missed"
                yield _Spot(film.path, around, title, mark.length_px, mark.length_mm, mark.length_px or 0.0)


def _false(film: MatchedFilm) -> Iterable[_Spot]:
    contours = {mark.id: mark.contour for mark in film.indications}
    for call in film.own[next(iter(film.own))].calls:
        if call.false:
            title = f"{call.class_name} {call.score:.3f}, false"
            yield _Spot(film.path, contours[call.indication], title, call.length_px, call.length_mm, call.score)


def _figure(evaluation: Evaluation, spot: _Spot, colour: tuple[int, int, int]) -> dict[str, Any] | None:
    row = next((row for row in evaluation.manifest.rows if row.path == spot.path), None)
    if row is None:
        return None
    try:
        with open_film(evaluation.manifest.file(row)) as source:
            part = film_images.crop(source, spot.contour, colour)
    except (LoporeError, OSError):
        return None
    size = "" if spot.length_px is None else f"{spot.length_px:.0f} px long"
    size = size if spot.length_mm is None else f"{spot.length_mm:.2f} mm long"
    return {
        "path": spot.path,
        "title": spot.title,
        "plain": film_images.data_uri(part.plain),
        "outlined": film_images.data_uri(part.outlined),
        "x": round(spot.contour[0][0]),
        "y": round(spot.contour[0][1]),
        "size": size,
    }
