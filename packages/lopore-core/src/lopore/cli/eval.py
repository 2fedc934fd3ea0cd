"""``lopore eval``: per-image CSV, metrics with bounds, and a report with the worst mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lopore.model import Interval


@click.command(name="eval")
@click.argument("model_name", metavar="MODEL")
@click.option("--manifest", type=click.Path(path_type=Path), help="Default: the manifest the model was trained on.")
@click.option("--split", type=click.Choice(["train", "val", "test", "all"]), default="test", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder; default: reports/NAME-VERSION-SPLIT.")
@click.option(
    "--pictures", type=click.IntRange(0, 200), default=12, show_default=True, help="Worst mistakes of each kind."
)
@click.option("--runtime", help="Predictor or format to use, such as onnxruntime or pth.")
@click.option("--device", default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
def command(
    model_name: str,
    manifest: Path | None,
    split: str,
    out: Path | None,
    pictures: int,
    runtime: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Score MODEL on one side of a split and write predictions.csv, metrics.json and report.html."""
    from lopore.evaluate import evaluate, own_manifest, write_evaluation
    from lopore.model import locate_model, open_model
    from lopore.run.progress import Progress

    from .inputs import Tally

    folder = locate_model(model_name)
    films = own_manifest(folder, manifest)
    model = open_model(folder, runtime=runtime, device=device)
    found = evaluate(model, films, split=split, progress=Progress().stage("predicting"))
    target = out or Path("reports") / f"{folder.record.name}-{folder.record.version}-{split}"
    papers = write_evaluation(model, found, target, pictures=pictures)
    if as_json:
        click.echo(found.metrics.model_dump_json(indent=2))
    else:
        click.echo(_summary(found.metrics.overall, found.metrics.images, found.metrics.groups))
    for paper in papers:
        click.echo(str(paper), err=as_json)
    for note in found.metrics.notes:
        click.echo(f"note: {note}", err=True)
    tally = Tally()
    tally.good = found.metrics.images
    for failure in found.failures:
        tally.fail(failure.source, failure.reason)
    if tally.bad:
        tally.finish("scored")


def _summary(overall: dict[str, Interval], images: int, groups: int) -> str:
    lines = [f"{images} images of {groups} groups, 95 % intervals resample groups"]
    for name, interval in overall.items():
        value = "not defined" if interval.value is None else f"{interval.value:.3f}"
        bounds = "" if interval.low is None else f"  {interval.low:.3f} to {interval.high:.3f}"
        lines.append(f"  {name:<18} {value}{bounds}")
    return "\n".join(lines)
