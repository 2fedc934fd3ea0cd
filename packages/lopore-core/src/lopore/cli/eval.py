"""``lopore eval``: per-image CSV, metrics with bounds, and a report with the worst mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import device_option, runtime_option
from .rules import rule_from, rule_options
from .scores import score_lines, score_text

if TYPE_CHECKING:
    from lopore.model import Interval
    from lopore.pixels import PixelMetrics, PixelScores


@click.command(name="eval")
@click.argument("model_name", metavar="MODEL")
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default="the manifest that the model was trained on",
    help="Films with their truth, as `lopore data index` writes them.",
)
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    default="test",
    show_default=True,
    help="Side that is scored; only films of `test` were never seen by the training.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    show_default="reports/NAME-VERSION-SPLIT",
    help="Folder for the report.",
)
@click.option(
    "--pictures",
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
@rule_options
@runtime_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def command(
    model_name: str,
    manifest: Path | None,
    split: str,
    out: Path | None,
    pictures: int,
    spurious: bool,
    min_area: float | None,
    min_area_mm2: float | None,
    opening: int | None,
    runtime: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Score a model on one side of a split and write a report.

    MODEL is NAME, NAME/VERSION, a model's folder or an .onnx file. Writes predictions.csv, metrics.json, and
    report.html, which shows curves, confusion and the worst mistakes with their heat maps.

    \b
    Examples:
      lopore eval weld
      lopore eval weld --split val --spurious
      lopore eval model.onnx --manifest films.csv --split all
    """
    from lopore.evaluate import evaluate, own_manifest, write_evaluation
    from lopore.model import locate_model, open_model
    from lopore.run.progress import Progress
    from lopore.spurious import check_spurious

    from .inputs import Tally, check_out_folder

    folder = locate_model(model_name)
    target = out or Path("reports") / f"{folder.record.name}-{folder.record.version}-{split}"
    check_out_folder(target)
    films = own_manifest(folder, manifest)
    model = open_model(folder, runtime=runtime, device=device)
    rule = rule_from(min_area, min_area_mm2, opening)
    found = evaluate(model, films, split=split, rule=rule, progress=Progress().stage("predicting"))
    probing = Progress().stage("painting over")
    checked = check_spurious(model, films, split=split, progress=probing) if spurious else None
    papers = write_evaluation(model, found, target, pictures=pictures, spurious=checked)
    if as_json:
        click.echo(found.metrics.model_dump_json(indent=2))
    else:
        click.echo(_summary(found.metrics.overall, found.metrics.images, found.metrics.groups))
        if found.metrics.pixels is not None:
            click.echo(_pixel_summary(found.metrics.pixels))
    for paper in papers:
        click.echo(str(paper), err=as_json)
    if checked is not None:
        click.echo(checked.text, err=as_json)
    seen = found.metrics.pixels
    for note in (*found.metrics.notes, *(seen.notes if seen else ()), *(checked.notes if checked else ())):
        click.echo(f"note: {note}", err=True)
    tally = Tally()
    tally.good = found.metrics.images
    for failure in found.failures:
        tally.fail(failure.source, failure.reason)
    if tally.bad:
        tally.finish("scored")


def _summary(overall: dict[str, Interval], images: int, groups: int) -> str:
    lines = [f"{images} images of {groups} groups, 95 % intervals resample groups"]
    return "\n".join([*lines, *(f"  {line}" for line in score_lines(overall))])


def _pixel_summary(pixels: PixelMetrics) -> str:
    from lopore.data.manifest import plain

    def lines(name: str, scores: PixelScores) -> list[str]:
        counts = f"found {scores.found}, missed {scores.missed}, false calls {scores.false_calls}"
        return [
            f"  {name}: {scores.detections} detections; pictures: {counts}",
            f"    dice             {score_text(scores.dice)}",
            f"    iou              {score_text(scores.iou)}",
        ]

    text = [pixels.text]
    for name, one in pixels.per_class.items():
        shown = plain(name, 60)
        text += lines(f"{shown}, before" if one.after else shown, one.before)
        text += lines(f"{shown}, after", one.after) if one.after else []
    return "\n".join(text)
