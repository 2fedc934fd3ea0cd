"""Results that a notebook shows: the records of the commands, with an image of themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import PrivateAttr

from lopore.arrays import Pixels
from lopore.html_page import image_address
from lopore.indications.film_inspection import FilmInspection
from lopore.inference.explain import HeatMap
from lopore.inference.overlay import blend, for_screen, natural_limits
from lopore.inference.predict import Prediction
from lopore.preprocessing.resampling import resize_grey

if TYPE_CHECKING:
    from lopore.indications.indication import Indication
    from lopore.reading.film_source import FilmSource
    from lopore.reading.radiograph import Radiograph

THUMBNAIL, WIDEST = 360, 1600
"""Longest side in pixels of an image in a notebook, and of a film."""
COLOURS = ("#d1495b", "#1f6fb4", "#3a7d44", "#8f5bb5", "#c77d0a", "#127a7a")


def _axes(axes: Any, size: tuple[float, float]) -> Any:
    if axes is not None:
        return axes
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained").add_subplot()


def _small(pixels: Pixels, longest: int) -> Any:
    shown = for_screen(pixels)
    factor = min(1.0, longest / max(shown.shape[:2]))
    if factor == 1.0:
        return shown
    size = (max(1, round(shown.shape[0] * factor)), max(1, round(shown.shape[1] * factor)))
    return resize_grey(shown, size)


class PredictionResult(Prediction):
    """A ``Prediction`` that knows its image."""

    _pixels: Pixels | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, prediction: Prediction, radiograph: Radiograph) -> PredictionResult:
        """The same answer with the image beside it."""
        found = cls.model_validate(prediction.model_dump())
        found._pixels = radiograph.pixels
        return found

    def plot(self, axes: Any = None) -> Any:
        """Draw the image under its answer into matplotlib axes; returns the axes. Needs ``lopore-core[train]``."""
        axes = _axes(axes, (4.5, 4.5))
        if self._pixels is not None:
            axes.imshow(_small(self._pixels, 1200))
        best = max(self.scores, key=lambda name: self.scores[name])
        axes.set_title(f"{self.decision.text} ({best} {self.scores[best]:.3f})", fontsize=10)
        axes.set_axis_off()
        return axes

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td style='text-align:right'>{score:.4f}</td></tr>"
            for name, score in sorted(self.scores.items(), key=lambda item: -item[1])
        )
        image = "" if self._pixels is None else f"<img alt='' src='{image_address(_small(self._pixels, THUMBNAIL))}'>"
        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        head = f"<b>{escape(self.decision.text)}</b> {escape(self.source)}<br><small>{escape(self.model)}</small>"
        return f"<div>{head}</div><div>{image}</div><table>{rows}</table><small>{notes}</small>"


@dataclass(frozen=True)
class HeatMapResult(HeatMap):
    """A ``HeatMap`` over its image."""

    pixels: Pixels = field(kw_only=True, repr=False)

    def overlay(self, *, opacity: float = 0.6) -> Any:
        """(H, W, 3) uint8 RGB: the heat over the image, on the explainer's own scale from 0."""
        limits = natural_limits(self.values, self.scale)
        return blend(for_screen(self.pixels), self.values, opacity=opacity, limits=limits)

    def plot(self, axes: Any = None, *, opacity: float = 0.6) -> Any:
        """Draw the overlay into matplotlib axes; returns the axes."""
        axes = _axes(axes, (4.5, 4.5))
        axes.imshow(self.overlay(opacity=opacity))
        axes.set_title(f"{self.class_name}, {self.explainer} ({self.scale})", fontsize=10)
        axes.set_axis_off()
        return axes

    def _repr_html_(self) -> str:
        address = image_address(_small(self.overlay(), THUMBNAIL))
        return f"<div>{escape(self.class_name)}, {escape(self.explainer)}</div><img alt='' src='{address}'>"


class FilmReport(FilmInspection):
    """A ``FilmInspection`` that knows a small copy of its film."""

    _image: Any = PrivateAttr(default=None)

    @classmethod
    def of(cls, found: FilmInspection, source: FilmSource) -> FilmReport:
        """The same findings with the film, at most 1 600 px wide, beside them."""
        made = cls.model_validate(found.model_dump())
        made._image = _thumbnail(source)
        return made

    def plot(self, axes: Any = None) -> Any:
        """Draw the film with its numbered marks into matplotlib axes, in film pixels; returns the axes."""
        height, width = self.film.height, self.film.width
        axes = _axes(axes, (12, max(1.5, 12 * height / width)))
        if self._image is not None:
            axes.imshow(self._image, extent=(0, width, height, 0), cmap="gray")
        for mark in self.indications:
            colour = COLOURS[self.model.classes.index(mark.class_name) % len(COLOURS)]
            x, y = np.array([*mark.contour, mark.contour[0]]).T
            axes.plot(x, y, color=colour, linewidth=1)
            axes.annotate(str(mark.id), (mark.box[2], mark.box[1]), color=colour, fontsize=8)
        axes.set_axis_off()
        return axes

    def _repr_html_(self) -> str:
        unit = "px" if self.film.pixel_pitch_mm is None else "mm"
        names = ("#", "class", "score", f"length [{unit}]", f"width [{unit}]", f"from the left [{unit}]")
        head = "".join(f"<th>{name}</th>" for name in names)
        rows = "".join(_row(mark, unit) for mark in self.indications)
        verdict = f"<b>{escape(self.verdict.answer)}</b> by {escape(self.verdict.title)}" if self.verdict else ""
        image = "" if self._image is None else f"<img alt='' style='max-width:100%' src='{image_address(self._image)}'>"
        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        table = f"<table><tr>{head}</tr>{rows}</table>"
        return f"<div>{escape(self.film.name)} {verdict}</div>{image}{table}<small>{notes}</small>"


def _thumbnail(source: FilmSource) -> Any:
    """(h, w) uint8 of a film, read in strips; 8 bits between the 0.1 and 99.9 percentiles where it is deeper."""
    height, width = source.shape
    step = max(1, -(-width // WIDEST))
    tall = 256 * step
    rows = [source.read(top, 0, min(tall, height - top), width)[::step, ::step] for top in range(0, height, tall)]
    return for_screen(np.concatenate(rows))


def _row(mark: Indication, unit: str) -> str:
    metric = unit == "mm"
    length, width = (mark.length_mm, mark.width_mm) if metric else (mark.length_px, mark.width_px)
    position = (mark.position_mm or mark.centre)[0] if metric else mark.centre[0]
    cells = (mark.id, escape(mark.class_name), f"{mark.peak:.3f}", _digits(length), _digits(width), _digits(position))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
