"""Probability of detection over size as a figure: the curve, its lower bound, a50, a90, a90/95 and every mark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .curves import plain_label, svg_text

if TYPE_CHECKING:
    from lopore.metrics.pod.study import PodStudy

_BLUE, _SOFT, _RED, _INK = "#1f6fb4", "#b5bcc6", "#b3402b", "#1c2430"
_FEW_DECADES = 12.0


def pod_figure(study: PodStudy, sizes: ArrayLike, hits: ArrayLike) -> Any:
    """A matplotlib figure. sizes, hits: (N,) the marks, hits of 0 and 1 (signals: called or not)."""
    from matplotlib.figure import Figure

    size, hit = np.asarray(sizes, np.float64), np.asarray(hits, np.float64)
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.add_subplot()
    if study.curve:
        axes.plot([p.size for p in study.curve], [p.pod for p in study.curve], color=_BLUE, linewidth=2, label="POD")
    bounded = [(level.upper, level.probability) for level in study.levels if level.upper is not None]
    if bounded:
        upper, share = zip(*bounded, strict=True)
        axes.plot(upper, share, color=_BLUE, linewidth=1.3, linestyle="--", label="95 % bound")
    scatter = np.random.default_rng(0).uniform(-0.018, 0.018, len(size))
    axes.plot(size, np.where(hit > 0, 1.04, -0.04) + scatter, "|", color=_INK, alpha=0.45, markersize=6)
    _draw_levels(axes, study)
    axes.set(
        xlabel=plain_label(study.size_name),
        ylabel="probability of detection",
        ylim=(-0.09, 1.09),
        title=plain_label(_title(study)),
    )
    _scale_sizes(axes, study)
    axes.spines[["top", "right"]].set_visible(False)
    if study.curve:
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.0, 0.9))
    return figure


def pod_svg(study: PodStudy, sizes: ArrayLike, hits: ArrayLike) -> str:
    """The same as SVG text."""
    return svg_text(pod_figure(study, sizes, hits))


def _title(study: PodStudy) -> str:
    films = f", {study.films} films" if study.films else ""
    model = f"; {study.models[0].title}" if study.curve else ""
    return f"{study.marks} flaws, {study.hits} found{films}{model}"


def _draw_levels(axes: Any, study: PodStudy) -> None:
    axes.axhline(0.9, color=_SOFT, linewidth=0.8, zorder=0)
    known = (("a50", study.a50, 0.5, _INK), ("a90", study.a90, 0.9, _INK), ("a90/95", study.a90_95, 0.9, _RED))
    for number, (name, value, level, colour) in enumerate(known):
        if value is not None and study.largest is not None and value <= study.largest:
            axes.plot([value, value], [-0.09, level], color=colour, linewidth=1, linestyle=":")
            axes.annotate(
                f" {name} {value:.3g}", (value, 0.05 + 0.075 * number), color=colour, fontsize=9, ha="left",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
            )  # fmt: skip


def _scale_sizes(axes: Any, study: PodStudy) -> None:
    if study.smallest is None or study.largest is None:
        return
    low, high = study.smallest, study.largest
    margin = (high - low) * 0.03
    axes.set_xlim(max(0.0, low - margin), high + margin)
    if not (study.curve and study.models[0].scale == "ln"):
        return
    axes.set_xscale("log")
    axes.set_xlim(low / 1.08, high * 1.08)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}" if high / low < _FEW_DECADES else "")
    axes.tick_params(axis="x", which="minor", labelsize=7)
