"""``lopore compare``: two models on the same films."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lopore.messages import counted, terminal_json

from .options import device_option, manifest_option, runtime_option, split_option

if TYPE_CHECKING:
    from lopore.evaluation.model_comparison import ModelComparison
    from lopore.metrics.paired import PairedFigure


@click.command(name="compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@manifest_option
@split_option
@click.option(
    "--images", type=click.IntRange(0, 200), metavar="N", default=24, show_default=True,
    help="Most disagreements that the page shows.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER", show_default="reports/compare-A-B-SPLIT",
    help="Folder for the comparison.",
)  # fmt: skip
@runtime_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def command(
    first: str, second: str, manifest: Path | None, split: str, images: int, out: Path | None, runtime: str | None,
    device: str, as_json: bool,
) -> None:  # fmt: skip
    """Compare two models on the same films.

    Prints every figure of both, their difference with a 95 % interval that draws films once for both, and McNemar's
    exact test; the page shows the images on which they answer differently. Writes compare.json and compare.html.

    \b
    Examples:
      lopore compare weld/1 weld/2
      lopore compare weld other.onnx --manifest films.csv --split all
    """
    from lopore.evaluation.compare import compare_models, write_comparison
    from lopore.evaluation.training_manifest import training_manifest
    from lopore.models.catalogue import locate_model
    from lopore.models.opening import open_model
    from lopore.progress import Progress

    from .doctor import require
    from .inputs import check_out_folder

    require("scipy")
    folders = [locate_model(name) for name in (first, second)]
    names = "-".join(f"{folder.record.name}-{folder.record.version}" for folder in folders)
    target = out or Path("reports") / f"compare-{names}-{split}"
    check_out_folder(target)
    films = training_manifest(folders[0], manifest)
    models = [open_model(folder, runtime=runtime, device=device) for folder in folders]
    found = compare_models(models[0], models[1], films, split=split, progress=Progress().stage("predicting"))
    written = write_comparison(found, models, target, images=images)
    click.echo(terminal_json(found.comparison.model_dump_json(indent=2)) if as_json else _as_text(found))
    for path in written:
        click.echo(str(path), err=as_json)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)


def _as_text(found: ModelComparison) -> str:
    from lopore.evaluation.report.comparison_page import answers_text

    compared = found.comparison
    lines = [f"{counted(compared.images, 'image')} of {counted(compared.groups, 'group')}; first less second"]
    overall = [(name, one) for name, one in compared.figures.items() if "/" not in name]
    lines += [f"  {name:<18} {_line(one)}" for name, one in overall]
    differing = [name for name, one in compared.figures.items() if "/" in name and one.differs]
    lines += [f"  also differ: {', '.join(differing)}"] if differing else []
    return "\n".join([*lines, answers_text(compared.answers, found.titles)])


def _line(one: PairedFigure) -> str:
    values = "  ".join("not defined" if value is None else f"{value:.3f}" for value in (one.first, one.second))
    apart = one.difference
    bounds = "" if apart.low is None else f"  {apart.low:+.3f} to {apart.high:+.3f}{'  differs' if one.differs else ''}"
    return f"{values}  {'' if apart.value is None else f'{apart.value:+.3f}'}{bounds}"
