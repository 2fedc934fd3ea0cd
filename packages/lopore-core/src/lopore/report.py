"""The evaluation as one self-contained HTML page: scores with bounds, curves, confusion, the worst mistakes."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import LoporeError
from .model import Interval

if TYPE_CHECKING:
    from .evaluate import Evaluation
    from .model import ModelRecord, OpenModel

THUMB = 300
_STYLE = """
:root{color-scheme:light;--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--paper:#fff;--wash:#f5f7f9;--warn:#8a4b00}
*{box-sizing:border-box}body{margin:0;background:var(--wash);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 24px 60px}h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:36px 0 10px}
p.lead{color:var(--soft);margin:0 0 18px;max-width:75ch}section{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin:14px 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}.tile{border:1px solid var(--line);border-radius:8px;padding:12px 14px;background:var(--paper)}
.tile b{display:block;font-size:24px;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:13px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}th{color:var(--soft);font-weight:600;font-size:13px}td small{color:var(--soft)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:14px}.plots svg{width:100%;height:auto}
.scroll{overflow-x:auto}.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(310px,1fr));gap:14px}
figure{margin:0;border:1px solid var(--line);border-radius:8px;overflow:hidden;background:var(--paper)}figure div{display:grid;grid-template-columns:1fr 1fr}
figure img{width:100%;display:block;aspect-ratio:1;object-fit:contain;background:#15181c}figcaption{padding:8px 10px;font-size:13px;overflow-wrap:anywhere}
figcaption small{color:var(--soft)}.warn{border-color:#e3b778;background:#fff8ee;color:var(--warn)}
"""


def evaluation_report(model: OpenModel, evaluation: Evaluation, *, pictures: int = 12) -> str:
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
            *_galleries(model, evaluation, pictures),
            "<p class='lead'>A demonstration for a person's review; no certification, and no replacement for a qualified "
            "radiographer's judgement.</p></main></body></html>",
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
        f"Decision: {how}. Intervals: 95 %, {metrics.resamples} resamples of whole groups, because pictures of one film "
        "are not independent."
    )


def _number(interval: Interval) -> str:
    return "not defined" if interval.value is None else f"{interval.value:.3f}"


def _bounds(interval: Interval) -> str:
    return "" if interval.low is None else f"{interval.low:.3f} to {interval.high:.3f}"


def _tiles(overall: dict[str, Interval]) -> str:
    names = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "f1": "F1"}
    tiles = [
        f"<div class='tile'><span>{_plain(names.get(name, name.replace('_', ' ')))}</span>"
        f"<b>{_number(value)}</b><span>{_bounds(value) or '&nbsp;'}</span></div>"
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
        "<h2>Confusion</h2><section class='scroll'><table><tr><th>truth down, answer across</th>"
        f"{head}</tr>{''.join(rows)}</table></section>"
    )


def _curves(evaluation: Evaluation, record: ModelRecord) -> list[str]:
    from matplotlib.figure import Figure
    from sklearn.metrics import precision_recall_curve, roc_curve

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
                x, y, _ = roc_curve(truth, scores[:, column])
            elif title == "Reliability":
                x, y = _reliability(scores[:, column], truth)
            else:
                y, x, _ = precision_recall_curve(truth, scores[:, column])
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


@dataclass(frozen=True)
class _Mistake:
    index: int
    column: int
    margin: float


def _galleries(model: OpenModel, evaluation: Evaluation, pictures: int) -> list[str]:
    false_calls, missed = _mistakes(model.record, evaluation)
    return [
        _gallery(model, evaluation, "False positives", "Called, but not there; the surest first.", false_calls[:pictures]),
        _gallery(model, evaluation, "False negatives", "There, but not called; the lowest score first.", missed[:pictures]),
    ]


def _mistakes(record: ModelRecord, evaluation: Evaluation) -> tuple[list[_Mistake], list[_Mistake]]:
    false_calls, missed = [], []
    for column in _shown_columns(record):
        truth = _truth(evaluation, column)
        for index, score in enumerate(evaluation.scores[:, column]):
            called = record.classes[column] in evaluation.decision(record, index).labels
            if called and not truth[index]:
                false_calls.append(_Mistake(index, column, -float(score)))
            elif truth[index] and not called:
                missed.append(_Mistake(index, column, float(score)))
    return sorted(false_calls, key=lambda m: m.margin), sorted(missed, key=lambda m: m.margin)


def _gallery(model: OpenModel, evaluation: Evaluation, title: str, what: str, mistakes: Sequence[_Mistake]) -> str:
    if not mistakes:
        return f"<h2>{title}</h2><section>None.</section>"
    figures = "".join(_figure(model, evaluation, mistake) for mistake in mistakes)
    scale = "Heat maps share no scale between pictures; each one's maximum stands in its caption."
    return f"<h2>{title}</h2><p class='lead'>{what} {scale}</p><div class='gallery'>{figures}</div>"


def _figure(model: OpenModel, evaluation: Evaluation, mistake: _Mistake) -> str:
    row = evaluation.manifest.rows[mistake.index]
    record = model.record
    name = record.classes[mistake.column]
    try:
        plain, heated, caption = _thumbs(model, evaluation.manifest.file(row), name)
    except LoporeError as error:
        plain = heated = b""
        caption = str(error)
    images = "".join(
        f"<img alt='{alt}' src='data:image/png;base64,{base64.b64encode(data).decode()}'>"
        for alt, data in (("radiograph", plain), ("heat map", heated))
        if data
    )
    decision = evaluation.decision(record, mistake.index).text
    score = evaluation.scores[mistake.index, mistake.column]
    return (
        f"<figure><div>{images}</div><figcaption><b>{_plain(name)} {score:.3f}</b>, answered {_plain(decision)}, truth "
        f"{_plain(' + '.join(row.labels))}<br><small>{_plain(row.path)}<br>{_plain(caption)}</small></figcaption></figure>"
    )


def _thumbs(model: OpenModel, path: Path, class_name: str) -> tuple[bytes, bytes, str]:
    """PNG of the radiograph and of its heat map, and what the map is."""
    from .explain import choose_explainer, explain
    from .overlay import blend, for_screen, natural_limits
    from .predict import prepare
    from .preprocess import resize, round_to
    from .radiograph import write_radiograph

    prepared = prepare(model.record, path)
    pixels = prepared.radiograph.pixels
    scale = THUMB / max(pixels.shape[:2])
    size = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
    plain = round_to(resize(for_screen(pixels), size), np.dtype(np.uint8))
    try:
        explainer = choose_explainer(model)
    except LoporeError as error:
        return write_radiograph(plain, None), b"", str(error)
    heat = explain(model, prepared, class_name=class_name, explainer=explainer)
    limits = natural_limits(heat.values, heat.scale)
    values = resize(np.nan_to_num(heat.values), size)
    heated = blend(plain, values, opacity=0.6, limits=limits)
    return write_radiograph(plain, None), write_radiograph(heated, None), f"{heat.explainer}, maximum {limits[1]:.3g} ({heat.scale})"
