"""``lopore export``: a trained model in another format, through the parity gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lopore.messages import counted

if TYPE_CHECKING:
    from lopore.export.other_runtimes import RuntimeFigures
    from lopore.export.parity_report import ParityReport
    from lopore.record.folder import ModelFolder

images_option = click.option(
    "--images",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    show_default="the validation films of the model's own manifest",
    help="Real films on which both must give the same answers; files or folders, may be given again.",
)


@click.command(name="export")
@click.argument("model_name", metavar="MODEL")
@click.option(
    "--to",
    "formats",
    multiple=True,
    required=True,
    metavar="FORMAT",
    help="Format as `lopore plugins` lists it under exporters, such as onnx or pt; may be given again.",
)
@images_option
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON.")
def command(model_name: str, formats: tuple[str, ...], images: tuple[Path, ...], as_json: bool) -> None:
    """Write a model in other formats, each proven equal.

    MODEL is NAME, NAME/VERSION or a model's folder. A format is published in that folder only if it gave the same
    answers as the model on real films.

    \b
    Examples:
      lopore export weld --to onnx
      lopore export weld --to onnx --to pt --images films/
      lopore export weld --to film-onnx --images films/
    """
    from dataclasses import asdict

    from lopore.export.film_gate import export_film
    from lopore.export.parity_gate import export_model, find_exporter, gate_inputs
    from lopore.models.catalogue import locate_model

    folder = locate_model(model_name)
    # A name that is wrong is told before any image is read.
    takes_films = {format: find_exporter(folder, format).opens_film is not None for format in formats}
    files = gate_images(folder, images)
    inputs = None if all(takes_films.values()) else gate_inputs(folder, files)
    reports = []
    for format, takes_films_whole in takes_films.items():
        if takes_films_whole or inputs is None:
            folder, report = export_film(folder, format, files)
        else:
            folder, report = export_model(folder, format, inputs)
        reports.append(asdict(report))
        click.echo(agreement(folder, report), err=as_json)
    if as_json:
        click.echo(json.dumps(reports, indent=2, default=str))


def agreement(folder: ModelFolder, report: ParityReport) -> str:
    """A line on how far a published file's answers are from its source's, and one for each other runtime."""
    from lopore.export.parity_report import CAMS

    maps = [
        f"{title} {found:.1e}" for field, (_, title) in CAMS.items() if (found := getattr(report, field)) is not None
    ]
    cam = f", {' and '.join(maps)} of the maps' maximum" if maps else ""
    others = [_runtime_line(one, report.images) for one in report.runtimes if not one.judged]
    first = (
        f"{folder.file_for(report.format)}: largest difference of a probability {report.max_dp:.1e} "
        f"on {counted(report.images, 'image')}, "
        f"{counted(report.flipped, 'decision differs', 'decisions differ')}{cam}"
    )
    return "\n".join([first, *others])


def _runtime_line(one: RuntimeFigures, images: int) -> str:
    """What another runtime that opens the file says; it is used where it is asked for by its name."""
    if one.error:
        return f"  {one.runtime}: {one.error}"
    kind = f" in {one.precision}" if one.precision else ""
    change = "" if one.auc_change is None else f", ROC AUC {one.auc_change:+.4f}"
    return (
        f"  {one.runtime}{kind}: {images - one.flipped} of {images} decisions agree, largest difference "
        f"{one.max_dp:.1e}{change}, {one.milliseconds:.1f} ms of processor time an image"
    )


def gate_images(folder: ModelFolder, images: tuple[Path, ...]) -> list[Path]:
    """The images that were named, else the validation films of the model's own manifest.

    DataError where none of those films is at its place any more.
    """
    from lopore.data.check import lost
    from lopore.errors import DataError
    from lopore.evaluation.training_manifest import training_manifest

    from .inputs import Tally, expand

    if images:
        return expand(images, Tally())
    manifest = training_manifest(folder, advice="name real images with --images FOLDER")
    films = manifest.split_of("val") if manifest.split_of("val").rows else manifest
    if reason := lost(films):
        raise DataError(f"{reason}, or name real images with --images FOLDER")
    return [films.file(row) for row in films.rows]
