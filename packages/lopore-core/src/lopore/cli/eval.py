"""``lopore eval``: per-image CSV, metrics with bounds, and a report with the worst mistakes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lopore.messages import counted, plain, terminal_json

from .options import device_option, manifest_option, runtime_option, split_option
from .rules import rule_from, rule_options
from .scores import indication_summary, score_lines, score_text

if TYPE_CHECKING:
    from lopore.data.manifest import Manifest
    from lopore.evaluation.marks.sections import Sections
    from lopore.evaluation.results import Evaluation
    from lopore.evaluation.shortcuts import SpuriousReport
    from lopore.metrics.calibration import Calibration
    from lopore.metrics.classification import Metrics
    from lopore.metrics.recognition_grade import RecognitionProfile
    from lopore.metrics.segmentation import PixelMetrics, PixelScores
    from lopore.models.opening import OpenModel
    from lopore.record.folder import ModelFolder
    from lopore.record.interval import Interval


_CLASSES_SHOWN = 4
CONTRACT_BROKEN = 3
"""Exit status where --contract is not kept."""


@click.command(name="eval")
@click.argument("model_name", metavar="MODEL")
@manifest_option
@split_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    show_default="reports/NAME-VERSION-SPLIT",
    help="Folder for the report.",
)
@click.option(
    "--mistakes",
    "images",
    type=click.IntRange(0, 200),
    metavar="N",
    default=12,
    show_default=True,
    help="Worst mistakes that the report shows, of each kind.",
)
@click.option(
    "--spurious",
    is_flag=True,
    help="Also paint over the defect, the border, the background and what the heat map shows, and watch the score.",
)
@click.option(
    "--contract",
    type=click.FloatRange(0.5, 1, max_open=True),
    metavar="RECALL",
    help="Also say whether this recall is proven on these films; the exit status is 3 where it is not.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, max_open=True),
    metavar="SHARE",
    default=0.95,
    show_default=True,
    help="Of --contract.",
)
@click.option(
    "--sections",
    type=click.Path(path_type=Path),
    metavar="TABLE.csv",
    help="Truth by place along the film, instead of masks: columns film, begin_mm, end_mm, class, length_mm.",
)
@click.option(
    "--grade",
    "grade_path",
    type=click.Path(path_type=Path),
    metavar="PROFILE.yaml",
    help="Also grade the model as a system that recognises defects, by your profile of levels.",
)
@rule_options
@runtime_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def command(
    model_name: str, manifest: Path | None, split: str, out: Path | None, runtime: str | None, device: str,
    as_json: bool, contract: float | None, confidence: float, sections: Path | None, grade_path: Path | None,
    **options: Any,
) -> None:  # fmt: skip
    """Score a model on one split and write a report.

    MODEL is NAME, NAME/VERSION, a model's folder or an .onnx file. Writes predictions.csv, metrics.json, and
    report.html, which shows curves, confusion and the worst mistakes with their heat maps. Of segmentation models, and
    of models of tiles on whole films, single indications are scored too: marks.csv, which `lopore pod` reads, and
    false_calls.csv.

    \b
    Examples:
      lopore eval weld
      lopore eval weld --split val --spurious
      lopore eval weld --contract 0.95
      lopore eval weld --sections sections.csv --grade levels.yaml
      lopore eval model.onnx --manifest films.csv --split all
    """
    from lopore.evaluation.marks.grading import read_recognition_profile
    from lopore.evaluation.marks.sections import read_sections
    from lopore.models.catalogue import locate_model

    truth = read_sections(sections) if sections else None
    profile = read_recognition_profile(grade_path) if grade_path else None
    folder = locate_model(model_name)
    target = out or Path("reports") / f"{folder.record.name}-{folder.record.version}-{split}"
    model, films = _opened(folder, manifest, target, runtime, device)
    found, checked, artifacts = _report(model, films, split, target, truth, **options)
    _print_metrics(found.metrics, checked, artifacts, as_json=as_json)
    if profile is not None:
        _grade(found, profile, target, as_json=as_json)
    _print_abstention(found, model, as_json=as_json)
    holds = contract is None or _contract_holds(found, model, target, contract, confidence, as_json=as_json)
    _print_failures(found)
    if not holds:
        raise SystemExit(CONTRACT_BROKEN)


def _opened(
    folder: ModelFolder, manifest: Path | None, target: Path, runtime: str | None, device: str
) -> tuple[OpenModel, Manifest]:
    """The model and the films to score it on, after all that can be refused before the work was looked at."""
    from lopore.evaluation.training_manifest import training_manifest
    from lopore.models.opening import open_model

    from .doctor import require
    from .inputs import check_out_folder

    check_out_folder(target)
    require("matplotlib")
    films = training_manifest(folder, manifest)
    return open_model(folder, runtime=runtime, device=device), films


def _report(
    model: OpenModel, films: Manifest, split: str, target: Path, truth: Sections | None, *, images: int, spurious: bool,
    min_area: float | None, min_area_mm2: float | None, opening: int | None,
) -> tuple[Evaluation, SpuriousReport | None, Sequence[Path]]:  # fmt: skip
    """Score one split, look for shortcuts where that is asked for, and write the report into ``target``."""
    from lopore.evaluation.evaluate import evaluate, write_evaluation
    from lopore.evaluation.shortcuts import check_spurious
    from lopore.progress import Progress

    rule = rule_from(min_area, min_area_mm2, opening)
    found = evaluate(model, films, split=split, rule=rule, sections=truth, progress=Progress().stage("predicting"))
    probing = Progress().stage("painting over")
    checked = check_spurious(model, films, split=split, progress=probing) if spurious else None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # class names in other scripts
        return found, checked, write_evaluation(model, found, target, images=images, spurious=checked)


def _print_metrics(
    metrics: Metrics, checked: SpuriousReport | None, artifacts: Sequence[Path], *, as_json: bool
) -> None:
    if as_json:
        click.echo(terminal_json(metrics.model_dump_json(indent=2)))
    else:
        click.echo(_summary(metrics.overall, metrics.images, metrics.groups))
        click.echo(_calibration_summary(metrics.calibration))
        if metrics.pixels is not None:
            click.echo(_pixel_summary(metrics.pixels))
        if metrics.unlike is not None:
            click.echo(metrics.unlike.text)
        if metrics.indications is not None:
            click.echo(indication_summary(metrics.indications))
    for path in artifacts:
        click.echo(str(path), err=as_json)
    if checked is not None:
        click.echo(checked.text, err=as_json)
    notes = [part.notes for part in (metrics.pixels, metrics.indications, checked) if part is not None]
    for note in (*metrics.notes, *chain.from_iterable(notes)):
        click.echo(f"note: {note}", err=True)


def _print_abstention(found: Evaluation, model: OpenModel, *, as_json: bool) -> None:
    """Coverage and the share left to a person, by class, where the model abstains."""
    from lopore.metrics.conformal import check_abstention
    from lopore.metrics.operating_point import truth_table

    record = model.record
    if record.abstention is None:
        return
    truth = truth_table(found.targets.labels, len(record.classes))
    checked = check_abstention(found.scores, truth, found.manifest.group_ids(), record.classes, record.abstention)
    for line in ("Not sure: needs a person", *(f"  {line}" for line in checked.lines)):
        click.echo(plain(line, 300), err=as_json)


def _grade(found: Evaluation, profile: RecognitionProfile, target: Path, *, as_json: bool) -> None:
    """Write grade.json and print the rates with the levels that they and their bounds meet."""
    from lopore.atomic_files import atomic_write_text
    from lopore.evaluation.marks.grading import grade_films

    grade = grade_films(found.marks, profile)
    atomic_write_text(target / "grade.json", grade.model_dump_json(indent=2) + "\n")
    for line in (str(target / "grade.json"), *grade.lines):
        click.echo(plain(line, 300), err=as_json)


def _contract_holds(
    found: Evaluation, model: OpenModel, target: Path, recall: float, confidence: float, *, as_json: bool
) -> bool:
    """Write contract.json, print what it says, and return whether the model's thresholds keep the contract."""
    from lopore.atomic_files import atomic_write_text
    from lopore.evaluation.contract_check import check_contract

    checked = check_contract(found, model.record, recall=recall, confidence=confidence)
    atomic_write_text(target / "contract.json", checked.model_dump_json(indent=2) + "\n")
    for line in (str(target / "contract.json"), *checked.lines):
        click.echo(plain(line, 600), err=as_json)
    return checked.holds


def _print_failures(found: Evaluation) -> None:
    from .inputs import Tally

    tally = Tally()
    tally.good = found.metrics.images
    for failure in found.failures:
        tally.fail(failure.source, failure.reason)
    if tally.bad:
        tally.finish("scored")


def _summary(overall: dict[str, Interval], images: int, groups: int) -> str:
    lines = [f"{counted(images, 'image')} of {counted(groups, 'group')}, 95 % intervals resample groups"]
    return "\n".join([*lines, *(f"  {line}" for line in score_lines(overall))])


def _calibration_summary(found: Calibration) -> str:
    """Whether scores are right as frequencies; for several classes the top label, or the first few."""
    from lopore.messages import plain

    shown = found.described[: 1 if found.top_label else _CLASSES_SHOWN]
    lines = ["Are scores right as frequencies?"]
    for name, one, text in shown:
        lines += [f"  {'brier':<18} {score_text(one.brier)}  {plain(name, 60)}", f"  {plain(text, 600)}"]
    if len(found.described) > len(shown):
        lines.append("  The other classes are in the report.")
    return "\n".join(lines)


def _pixel_summary(pixels: PixelMetrics) -> str:
    from lopore.messages import plain

    def lines(name: str, scores: PixelScores) -> list[str]:
        counts = f"found {scores.found}, missed {scores.missed}; false calls {scores.false_calls}"
        return [
            f"  {name}: {counted(scores.detections, 'detection')}; marks: {counts}",
            f"    dice             {score_text(scores.dice)}",
            f"    iou              {score_text(scores.iou)}",
        ]

    text = [pixels.text]
    for name, one in pixels.per_class.items():
        shown = plain(name, 60)
        text += lines(f"{shown}, before" if one.after else shown, one.before)
        text += lines(f"{shown}, after", one.after) if one.after else []
    return "\n".join(text)
