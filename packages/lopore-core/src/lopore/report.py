"""The evaluation as one self-contained HTML page: scores with bounds, curves, confusion, the worst mistakes."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .data.manifest import is_sound
from .errors import LoporeError
from .explain import choose_explainer, explain
from .model import Interval
from .overlay import blend, for_screen, natural_limits
from .predict import prepare
from .preprocess import resize, round_to
from .probe import REGIONS

if TYPE_CHECKING:
    from .contracts import Explainer
    from .evaluate import Evaluation
    from .model import ModelRecord, OpenModel
    from .pixels import PixelMetrics
    from .spurious import SpuriousReport

THUMB = 300
_STYLE = """
:root { color-scheme: light; --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea; --paper: #fff; --wash: #f5f7f9 }
* { box-sizing: border-box }
body { margin: 0; background: var(--wash); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px }
h1 { font-size: 26px; margin: 0 0 4px; overflow-wrap: anywhere }
h2 { font-size: 19px; margin: 36px 0 10px }
p.lead { color: var(--soft); margin: 0 0 18px; max-width: 95ch; overflow-wrap: anywhere }
section, .tile, figure { background: var(--paper); border: 1px solid var(--line); border-radius: 8px }
section { padding: 16px 18px; margin: 14px 0 }
section.warn { border-color: #e3b778; background: #fff8ee; color: #8a4b00 }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 12px }
.tile { padding: 12px 14px; display: flex; flex-direction: column }
.tile b { margin-top: auto; font-size: 23px; line-height: 34px; font-variant-numeric: tabular-nums }
.tile b.none { font-size: 15px; color: var(--soft) }
.tile span { color: var(--soft); font-size: 13px }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 110px }
tr:last-child td { border-bottom: 0 }
th { color: var(--soft); font-weight: 600; font-size: 13px }
td small, figcaption small { color: var(--soft) }
table.square { width: auto }
table.square td, table.square th { min-width: 104px; max-width: 220px; overflow-wrap: anywhere; white-space: normal }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 14px }
.plots svg { width: 100%; height: auto }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 14px }
figure { margin: 0; overflow: hidden }
figure div { display: grid; grid-auto-flow: column; grid-auto-columns: 1fr; background: #15181c }
figure img { width: 100%; display: block; aspect-ratio: 1; object-fit: contain }
figcaption { padding: 8px 12px 10px; font-size: 13px; overflow-wrap: anywhere }
"""
_NOTICE = (
    "A demonstration for a person's review; no certification, and no replacement for a qualified radiographer's "
    "judgement."
)


def evaluation_report(
    model: OpenModel, evaluation: Evaluation, *, pictures: int = 12, spurious: SpuriousReport | None = None
) -> str:
    """A whole HTML page as text; nothing in it is loaded from elsewhere and all names are shown as plain text."""
    record, metrics = model.record, evaluation.metrics
    title = f"{model.folder.title}: {metrics.split}"
    return "\n".join(
        [
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
            "<meta name='viewport' content='width=device-width,initial-scale=1'>",
            f"<title>{_plain(title)}</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>{_plain(title)}</h1>",
            f"<p class='lead'>{_lead(record, evaluation)}</p>",
            *(f"<section class='warn'>{_plain(note)}</section>" for note in metrics.notes),
            _tiles(metrics.overall),
            "<h2>Curves</h2><section class='plots'>",
            *_curves(evaluation, record),
            "</section><h2>Each class</h2>",
            _class_table(evaluation),
            _confusion(evaluation),
            *_pixels(metrics.pixels),
            *_spurious(spurious),
            *_galleries(model, evaluation, pictures),
            f"<p class='lead'>{_NOTICE}</p></main></body></html>",
        ]
    )


def _plain(text: object) -> str:
    return html.escape(str(text), quote=True)


def _lead(record: ModelRecord, evaluation: Evaluation) -> str:
    metrics = evaluation.metrics
    point = metrics.threshold
    chosen = f", chosen on {point.chosen_on}" if point.chosen_on else ""
    limits = ", ".join(f"{name} {value:.3f}" for name, value in point.per_class.items()) or f"{point.value:.3f}"
    how = point.rule if record.task == "multiclass" else f"threshold {limits} ({point.rule}{chosen})"
    return _plain(
        f"{record.framework}/{record.backbone}, {record.task}. {metrics.images} pictures of {metrics.groups} groups. "
        f"Decision: {how}. Intervals: 95 %, {metrics.resamples} resamples of whole groups, because pictures of one "
        "film are not independent."
    )


def _number(interval: Interval) -> str:
    return "not defined" if interval.value is None else f"{interval.value:.3f}"


def _bounds(interval: Interval) -> str:
    return "" if interval.low is None else f"{interval.low:.3f} to {interval.high:.3f}"


def _tiles(overall: dict[str, Interval]) -> str:
    names = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "f1": "F1"}
    tiles = [
        f"<div class='tile'><span>{_plain(names.get(name, name.replace('_', ' ')))}</span>"
        f"<b class='{'none' if value.value is None else 'number'}'>{_number(value)}</b>"
        f"<span>{_bounds(value) or '&nbsp;'}</span></div>"
        for name, value in overall.items()
    ]
    return f"<div class='tiles'>{''.join(tiles)}</div>"


def _class_table(evaluation: Evaluation) -> str:
    kinds = ("precision", "recall", "f1", "roc_auc", "pr_auc")
    head = "".join(f"<th>{name}</th>" for name in ("precision", "recall", "F1", "ROC AUC", "PR AUC"))
    rows = []
    for name, one in evaluation.metrics.per_class.items():
        cells = [getattr(one, kind) for kind in kinds]
        numbers = "".join(f"<td>{_number(cell)}<br><small>{_bounds(cell)}</small></td>" for cell in cells)
        counts = f"<td>{one.support}</td><td>{one.tp}</td><td>{one.fp}</td><td>{one.fn}</td>"
        rows.append(f"<tr><td>{_plain(name)}</td>{counts}{numbers}</tr>")
    first = "<th>class</th><th>pictures</th><th>found</th><th>false calls</th><th>missed</th>"
    return f"<section class='scroll'><table><tr>{first}{head}</tr>{''.join(rows)}</table></section>"


def _confusion(evaluation: Evaluation) -> str:
    table = evaluation.metrics.confusion
    if table is None:
        return ""
    names = evaluation.metrics.classes
    head = "".join(f"<th>{_plain(name)}</th>" for name in names)
    rows = []
    for index, (name, row) in enumerate(zip(names, table, strict=True)):
        total = max(1, sum(row))
        cells = []
        for column, count in enumerate(row):
            hue = "42,120,92" if index == column else "190,70,50"
            cells.append(
                f"<td style='background:rgba({hue},{0.55 * count / total:.2f})'>{count}"
                f"<br><small>{count / total:.0%}</small></td>"
            )
        rows.append(f"<tr><td>{_plain(name)}</td>{''.join(cells)}</tr>")
    return (
        "<h2>Confusion</h2><section class='scroll'><table class='square'><tr><th>truth down, answer across</th>"
        f"{head}</tr>{''.join(rows)}</table></section>"
    )


def _curves(evaluation: Evaluation, record: ModelRecord) -> list[str]:
    from matplotlib.figure import Figure

    scores, columns = evaluation.scores, _shown_columns(record)
    plots = []
    for title, across, up in (
        ("ROC", "false positive rate", "true positive rate"),
        ("Precision and recall", "recall", "precision"),
        ("Reliability", "mean predicted probability", "share that is so"),
    ):
        figure = Figure(figsize=(4.4, 3.9), layout="constrained")
        axes = figure.add_subplot()
        for column in columns:
            truth = _truth(evaluation, column)
            if truth.min() == truth.max():
                continue
            if title == "ROC":
                x, y = roc_points(scores[:, column], truth)
            elif title == "Reliability":
                x, y = _reliability(scores[:, column], truth)
            else:
                x, y = precision_recall_points(scores[:, column], truth)
            marker = "o" if title == "Reliability" else None
            axes.plot(x, y, linewidth=2, marker=marker, markersize=4, label=record.classes[column])
        if title != "Precision and recall":
            axes.plot([0, 1], [0, 1], color="#b5bcc6", linewidth=1, linestyle="--", zorder=0)
        axes.set(title=title, xlabel=across, ylabel=up, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=9)
        plots.append(_svg(figure))
    return plots


def _shown_columns(record: ModelRecord) -> list[int]:
    if record.task == "binary":
        return [record.classes.index(record.positive or record.classes[-1])]
    return list(range(len(record.classes)))


def _truth(evaluation: Evaluation, column: int) -> NDArray[np.int64]:
    labels = evaluation.targets.labels
    return np.asarray(labels[:, column] if labels.ndim == 2 else labels == column, np.int64)


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


def _reliability(scores: NDArray[Any], truth: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Up to eight bins of equal count: mean score and share of positives in each."""
    order = np.argsort(scores, kind="stable")
    bins = np.array_split(order, min(8, max(1, len(order) // 10)))
    return np.array([scores[b].mean() for b in bins]), np.array([truth[b].mean() for b in bins])


def _svg(figure: Any) -> str:
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def _pixels(found: PixelMetrics | None) -> list[str]:
    if found is None:
        return []
    rows = []
    for name, one in found.per_class.items():
        first = f"{_plain(name)}<br><small>{one.pictures} pictures, {one.pixels} px</small>"
        for title, scores in (("kept", one.before), ("dropped", one.after)):
            if scores is not None:
                cells = "".join(
                    f"<td>{_number(cell)}<br><small>{_bounds(cell)}</small></td>" for cell in (scores.dice, scores.iou)
                )
                counts = (scores.detections, scores.found, scores.false_calls, scores.missed)
                tail = "".join(f"<td>{count}</td>" for count in counts)
                rows.append(f"<tr><td>{first}</td><td>{title}</td>{cells}{tail}</tr>")
    names = ("class", "specks", "Dice", "IoU", "regions", "found", "false calls", "missed")
    head = "".join(f"<th>{name}</th>" for name in names)
    return [
        "<h2>Pixels</h2>",
        f"<p class='lead'>{_plain(found.text)}</p>",
        *(f"<section class='warn'>{_plain(note)}</section>" for note in found.notes),
        f"<section class='scroll'><table><tr>{head}</tr>{''.join(rows)}</table></section>",
    ]


def _spurious(found: SpuriousReport | None) -> list[str]:
    if found is None:
        return []
    rows = []
    for calls, effects in (("defect", found.defects), ("sound", found.sound)):
        for region, effect in effects.items():
            drop = f"{_number(effect.drop)}<br><small>{_bounds(effect.drop)}</small>"
            rows.append(
                f"<tr><td>{_plain(region)}<br><small>{_plain(REGIONS.get(region, ''))}</small></td><td>{calls}</td>"
                f"<td>{effect.films}</td><td>{drop}</td><td>{effect.lost:.0%}</td></tr>"
            )
    head = "<th>painted over</th><th>calls</th><th>films</th><th>mean fall of the score</th><th>calls lost</th>"
    warned = " class='warn'" if found.verdict == "shortcut" else ""
    told = " ".join((f"The defect was known from its {found.marked_by}.", *found.notes))
    return [
        "<h2>What drives the calls</h2>",
        f"<section{warned}>{_plain(found.text)}</section>",
        f"<section class='scroll'><table><tr>{head}</tr>{''.join(rows)}</table></section>",
        f"<p class='lead'>{_plain(told)}</p>",
    ]


@dataclass(frozen=True)
class _Mistake:
    index: int
    column: int
    margin: float


@dataclass(frozen=True)
class _Thumb:
    """A mistake at thumbnail size: picture (h, w, 3) uint8, heat (h, w) float32 or None, and what is to be said."""

    picture: NDArray[np.uint8] | None
    heat: NDArray[np.float32] | None
    note: str = ""


def _galleries(model: OpenModel, evaluation: Evaluation, pictures: int) -> list[str]:
    if not pictures:
        return []
    false_calls, missed = (mistakes[:pictures] for mistakes in _mistakes(model.record, evaluation))
    try:
        explainer, why = choose_explainer(model), ""
    except LoporeError as error:
        explainer, why = None, str(error)
    thumbs = {mistake: _thumb(model, explainer, evaluation, mistake) for mistake in (*false_calls, *missed)}
    heats = [thumb.heat for thumb in thumbs.values() if thumb.heat is not None]
    scale = explainer.scale if explainer else ""
    limits = natural_limits(np.concatenate([heat.ravel() for heat in heats]), scale) if heats else (0.0, 1.0)
    # One scale for all: stretched one by one, a picture without any evidence would look as hot as a sure one.
    told = f"Heat: {explainer.name}, one scale for all pictures, 0 to {limits[1]:.3g} ({scale})." if explainer else why
    parts = (
        ("False positives", "A defect was called that is not there; the surest first.", false_calls),
        ("False negatives", "A defect is there and was not called; the lowest score first.", missed),
    )
    return [
        _gallery(title, f"{what} {told}", [_figure(evaluation, model.record, m, thumbs[m], limits) for m in mistakes])
        for title, what, mistakes in parts
    ]


def _mistakes(record: ModelRecord, evaluation: Evaluation) -> tuple[list[_Mistake], list[_Mistake]]:
    false_calls, missed = [], []
    columns = _shown_columns(record)
    defects = [column for column in columns if not is_sound(record.classes[column])] or columns
    for column in defects:
        truth = _truth(evaluation, column)
        for index, score in enumerate(evaluation.scores[:, column]):
            called = record.classes[column] in evaluation.decision(record, index).labels
            if called and not truth[index]:
                false_calls.append(_Mistake(index, column, -float(score)))
            elif truth[index] and not called:
                missed.append(_Mistake(index, column, float(score)))
    return sorted(false_calls, key=lambda m: m.margin), sorted(missed, key=lambda m: m.margin)


def _gallery(title: str, what: str, figures: Sequence[str]) -> str:
    if not figures:
        return f"<h2>{title}</h2><section>None.</section>"
    return f"<h2>{title}</h2><p class='lead'>{_plain(what)}</p><div class='gallery'>{''.join(figures)}</div>"


def _thumb(model: OpenModel, explainer: Explainer | None, evaluation: Evaluation, mistake: _Mistake) -> _Thumb:
    name = model.record.classes[mistake.column]
    try:
        prepared = prepare(model.record, evaluation.manifest.file(evaluation.manifest.rows[mistake.index]))
        pixels = for_screen(prepared.radiograph.pixels)
        scale = THUMB / max(pixels.shape[:2])
        size = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
        picture = round_to(resize(pixels, size), np.dtype(np.uint8))
        if explainer is None:
            return _Thumb(picture, None)
        heat = explain(model, prepared, class_name=name, explainer=explainer)
        return _Thumb(picture, resize(np.nan_to_num(heat.values), size))
    except LoporeError as error:
        return _Thumb(None, None, str(error))


def _figure(
    evaluation: Evaluation, record: ModelRecord, mistake: _Mistake, thumb: _Thumb, limits: tuple[float, float]
) -> str:
    row = evaluation.manifest.rows[mistake.index]
    images = []
    if thumb.picture is not None:
        images.append(_image(thumb.picture, f"radiograph {row.path}"))
        if thumb.heat is not None:
            images.append(_image(blend(thumb.picture, thumb.heat, opacity=0.6, limits=limits), "the same with heat"))
    decision = evaluation.decision(record, mistake.index).text
    score = evaluation.scores[mistake.index, mistake.column]
    note = f"<br>{_plain(thumb.note)}" if thumb.note else ""
    return (
        f"<figure><div>{''.join(images)}</div><figcaption><b>{_plain(record.classes[mistake.column])} {score:.3f}</b>, "
        f"answered {_plain(decision)}, truth {_plain(' + '.join(row.labels) or 'none')}"
        f"<br><small>{_plain(row.path)}{note}</small></figcaption></figure>"
    )


def _image(picture: NDArray[np.uint8], what: str) -> str:
    import cv2

    coded = cv2.imencode(".jpg", np.ascontiguousarray(picture[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
    return f"<img alt='{_plain(what)}' src='data:image/jpeg;base64,{base64.b64encode(coded.tobytes()).decode()}'>"
