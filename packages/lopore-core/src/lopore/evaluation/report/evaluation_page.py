"""The evaluation as one self-contained HTML page: scores with bounds, curves, confusion, the worst mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.evaluation.occlusion_probe import REGIONS
from lopore.messages import counted
from lopore.metrics.calibration import ClassCalibration
from lopore.record.interval import Interval

from .curves import plain_html as _plain
from .curves import ranking_curves, reliability_diagram
from .gallery import galleries

if TYPE_CHECKING:
    from lopore.evaluation.results import Evaluation
    from lopore.evaluation.shortcuts import SpuriousReport
    from lopore.metrics.segmentation import PixelMetrics
    from lopore.models.opening import OpenModel
    from lopore.record.model import ModelRecord

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
.reliability { display: grid; grid-template-columns: minmax(280px, 400px) minmax(0, 1fr); gap: 22px }
.reliability svg { width: 100%; height: auto }
.reliability th, .reliability td { padding: 5px 6px; font-size: 13px }
section p { margin: 4px 0 12px }
@media (max-width: 800px) { .reliability { grid-template-columns: 1fr } }
@media print { body { background: #fff } figure, .tile, section { break-inside: avoid } }
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
            *ranking_curves(evaluation, record),
            "</section>",
            *_calibration(evaluation),
            "<h2>Each class</h2>",
            _class_table(evaluation),
            _confusion(evaluation),
            *_pixels(metrics.pixels),
            *_spurious(spurious),
            *galleries(model, evaluation, pictures),
            f"<p class='lead'>{_NOTICE}</p></main></body></html>",
        ]
    )


def _lead(record: ModelRecord, evaluation: Evaluation) -> str:
    metrics = evaluation.metrics
    point = metrics.threshold
    chosen = f", chosen on {point.chosen_on}" if point.chosen_on else ""
    limits = ", ".join(f"{name} {value:.3f}" for name, value in point.per_class.items()) or f"{point.value:.3f}"
    how = point.rule if record.task == "multiclass" else f"threshold {limits} ({point.rule}{chosen})"
    return _plain(
        f"{record.framework}/{record.backbone}, {record.task}. {counted(metrics.images, 'picture')} of "
        f"{counted(metrics.groups, 'group')}. Decision: {how}. Intervals: 95 %, {metrics.resamples} resamples of "
        "whole groups, because pictures of one film are not independent."
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


def _calibration(evaluation: Evaluation) -> list[str]:
    """Whether scores are right as frequencies: the figures, and for each class a sentence, a diagram and its bins."""
    found = evaluation.metrics.calibration
    head = "".join(f"<th>{name}</th>" for name in _CALIBRATION_HEAD)
    rows = "".join(_calibration_row(name, one) for name, one, _ in found.told)
    return [
        "<h2>Calibration</h2>",
        f"<p class='lead'>{_plain(_CALIBRATION)}</p>",
        f"<section class='scroll'><table><tr>{head}</tr>{rows}</table></section>",
        *(_reliability(evaluation, name, one, text) for name, one, text in found.told),
    ]


def _reliability(evaluation: Evaluation, name: str, one: ClassCalibration, text: str) -> str:
    told = f"<b>{_plain(name)}</b><p>{_plain(text)}</p>"
    if not one.bins:
        return f"<section>{told}</section>"
    svg = reliability_diagram(f"Reliability: {name}", one, _scores_of(evaluation, name, one))
    return f"<section class='reliability'>{svg}<div>{told}{_bins(one)}</div></section>"


_CALIBRATION = (
    "Are scores right as frequencies? Of pictures scored 0.8, 0.8 should carry the class: points on the dashed line. "
    "Bins hold about equal counts of pictures, bars are 95 % intervals over resampled groups. Brier score and expected "
    "calibration error (ECE): 0 is best."
)
_CALIBRATION_HEAD = ("class", "Brier score", "of always answering the share", "ECE", "by chance alone")


def _scores_of(evaluation: Evaluation, name: str, one: ClassCalibration) -> NDArray[Any]:
    if one is evaluation.metrics.calibration.top_label:
        return np.asarray(evaluation.scores.max(axis=1))
    return evaluation.scores[:, evaluation.metrics.classes.index(name)]


def _calibration_row(name: str, one: ClassCalibration) -> str:
    def cell(found: Interval) -> str:
        return f"<td>{_number(found)}<br><small>{_bounds(found)}</small></td>"

    share, chance = (_number(Interval(value=value)) for value in (one.brier_of_share, one.ece_by_chance))
    ece = cell(one.ece) if one.enough else "<td>too few</td>"
    chance = chance if one.enough else ""
    return f"<tr><td>{_plain(name)}</td>{cell(one.brier)}<td>{share}</td>{ece}<td>{chance}</td></tr>"


def _bins(one: ClassCalibration) -> str:
    rows = "".join(
        f"<tr><td>{each.low:.3f} to {each.high:.3f}</td><td>{each.images}</td><td>{each.groups}</td>"
        f"<td>{each.score:.3f}</td><td>{_number(each.share)}</td><td>{_bounds(each.share)}</td></tr>"
        for each in one.bins
    )
    head = "".join(f"<th>{text}</th>" for text in ("scores", "pictures", "groups", "mean score", "share", "95 %"))
    return f"<div class='scroll'><table><tr>{head}</tr>{rows}</table></div>"


def _pixels(found: PixelMetrics | None) -> list[str]:
    if found is None:
        return []
    rows = []
    for name, one in found.per_class.items():
        first = f"{_plain(name)}<br><small>{counted(one.pictures, 'picture')}, {one.pixels} px</small>"
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
