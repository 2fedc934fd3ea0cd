"""``lopore export``: a trained model in another format, through the parity gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lopore.model import ModelFolder


@click.command(name="export")
@click.argument("model_name", metavar="MODEL")
@click.option("--to", "formats", multiple=True, required=True, help="Format, such as onnx or pt; may be repeated.")
@click.option(
    "--images",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Real pictures for the gate; default: the validation split of the model's own manifest.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON.")
def command(model_name: str, formats: tuple[str, ...], images: tuple[Path, ...], as_json: bool) -> None:
    """Write MODEL in other formats; each is published only if it gives the same answers on real pictures."""
    from dataclasses import asdict

    from lopore.export import export_model, gate_pictures
    from lopore.model import locate_model

    folder = locate_model(model_name)
    pictures = gate_pictures(folder, gate_images(folder, images))
    reports = []
    for format in formats:
        folder, report = export_model(folder, format, pictures)
        reports.append(asdict(report))
        cam = "" if report.cam is None else f", Grad-CAM {report.cam:.1e} of its maximum"
        click.echo(
            f"{folder.file_for(format)}: largest difference of a probability {report.max_dp:.1e} "
            f"on {report.pictures} pictures, {report.flipped} decisions differ{cam}",
            err=as_json,
        )
    if as_json:
        click.echo(json.dumps(reports, indent=2, default=str))


def gate_images(folder: ModelFolder, images: tuple[Path, ...]) -> list[Path]:
    """The pictures that were named, else the validation films of the model's own manifest."""
    from lopore.evaluate import own_manifest

    from .inputs import Tally, expand

    if images:
        return expand(images, Tally())
    manifest = own_manifest(folder, advice="name real pictures with --images FOLDER")
    side = manifest.side("val") if manifest.side("val").rows else manifest
    return [side.file(row) for row in side.rows]
