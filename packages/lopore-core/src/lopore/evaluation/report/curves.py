"""The curves of an evaluation as SVG: ROC, precision over recall, and reliability with the count behind each point."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lopore.evaluation.results import Evaluation
    from lopore.metrics.calibration import ClassCalibration
    from lopore.record.model import ModelRecord

_BLUE, _SOFT = "#1f6fb4", "#b5bcc6"
_SCORES_SHOWN = 20  # bars of the histogram under a reliability diagram


def shown_columns(record: ModelRecord) -> list[int]:
    """The columns that have a curve of their own: of binary models the positive class."""
    if record.task == "binary":
        return [record.classes.index(record.positive or record.classes[-1])]
    return list(range(len(record.classes)))


def truth_of(evaluation: Evaluation, column: int) -> NDArray[np.int64]:
    """(N,) of 0 and 1: which images carry the class of a column."""
    labels = evaluation.targets.labels
    return np.asarray(labels[:, column] if labels.ndim == 2 else labels == column, np.int64)


def ranking_curves(evaluation: Evaluation, record: ModelRecord) -> list[str]:
    """ROC, and precision over recall, as SVG; a class that all images carry, or none, has no curve."""
    from matplotlib.figure import Figure

    plots = []
    for title, across, up, points in (
        ("ROC", "false positive rate", "true positive rate", roc_points),
        ("Precision and recall", "recall", "precision", precision_recall_points),
    ):
        figure = Figure(figsize=(4.4, 3.9), layout="constrained")
        axes = figure.add_subplot()
        for column in shown_columns(record):
            truth = truth_of(evaluation, column)
            if truth.min() < truth.max():
                x, y = points(evaluation.scores[:, column], truth)
                axes.plot(x, y, linewidth=2, label=plain_label(record.classes[column]))
        if points is roc_points:
            axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=1, linestyle="--", zorder=0)
        axes.set(title=title, xlabel=across, ylabel=up, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=9)
        plots.append(svg_text(figure))
    return plots


def reliability_diagram(title: str, one: ClassCalibration, scores: NDArray[Any]) -> str:
    """Share over mean score of each bin with its interval and its count of images; below it how many scored what.

    scores: (N,) those that the bins were made of. The bins must not be empty.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, 4.6), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=1, linestyle="--", zorder=0)
    axes.plot(
        [each.score for each in one.bins],
        [each.share.value for each in one.bins],
        color=_BLUE,
        linewidth=1.2,
        marker="o",
        markersize=6,
        zorder=2,
    )
    for one_bin in one.bins:
        share = one_bin.share
        if share.low is not None and share.high is not None:
            axes.plot(
                [one_bin.score] * 2, [share.low, share.high], color="#1f6fb4", linewidth=1.2, alpha=0.55, zorder=1
            )
    axes.set(title=plain_label(title), ylabel="share that is so", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    below.hist(scores, bins=_SCORES_SHOWN, range=(0, 1), color="#8a94a3")
    below.set(xlabel="score (points: mean of each bin)", ylabel="images")
    for part in (axes, below):
        part.spines[["top", "right"]].set_visible(False)
    return svg_text(figure)


def _counts(scores: NDArray[Any], truth: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """True and false positives at each distinct threshold, the highest first."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(truth[order])[ends]
    return hits, ends + 1 - hits


def roc_points(scores: NDArray[Any], truth: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """False and true positive rate from (0, 0) to (1, 1), one point a distinct score.

    scores: (N,). truth: (N,) of 0 and 1, both occurring.
    """
    hits, false_calls = (np.append(0, counts) for counts in _counts(scores, truth))
    return false_calls / false_calls[-1], hits / hits[-1]


def precision_recall_points(scores: NDArray[Any], truth: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Recall and precision from recall 0 (where precision is set to 1) upwards; arguments as ``roc_points``."""
    hits, false_calls = _counts(scores, truth)
    return np.append(0, hits / hits[-1]), np.append(1, hits / (hits + false_calls))


def plain_label(name: str) -> str:
    """A name that matplotlib shows as it is: ``$`` would begin a formula, a first ``_`` hide the legend's entry."""
    return f"{' ' * name.startswith('_')}{name.replace('$', chr(92) + '$')}"


def svg_text(figure: Any) -> str:
    """The figure with its text as text: a browser has glyphs of every script, matplotlib's font has not."""
    from matplotlib import rc_context

    stream = io.StringIO()
    with rc_context({"svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans", "Verdana", "system-ui"]}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]
