"""``lopore convert``: a trained model carried to another framework, through the parity gate."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(name="convert")
@click.argument("model_name", metavar="MODEL")
@click.option("--to", required=True, metavar="FRAMEWORK", help="torch or tf.")
@click.option(
    "--images",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Real pictures for the gate; default: the validation split of the model's own manifest.",
)
@click.option("--name", help="Name of the new model; default: MODEL's.")
@click.option("--version", help="Version of the new model; default: MODEL's with -FRAMEWORK behind.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    model_name: str, to: str, images: tuple[Path, ...], name: str | None, version: str | None, as_json: bool
) -> None:
    """Make MODEL's twin in another framework, with its weights, classes and threshold; published if answers agree."""
    from dataclasses import asdict

    from lopore.convert import convert_model
    from lopore.export import gate_pictures
    from lopore.model import locate_model

    from .export import gate_images

    folder = locate_model(model_name)
    done = convert_model(folder, to, gate_pictures(folder, gate_images(folder, images)), name=name, version=version)
    report = done.report
    cam = "" if report.cam is None else f", Grad-CAM {report.cam:.1e} of its maximum"
    click.echo(
        f"{done.folder.file_for(report.format)}: largest difference of a probability {report.max_dp:.1e} "
        f"on {report.pictures} pictures, {report.flipped} decisions differ{cam}",
        err=as_json,
    )
    if as_json:
        told = {"model": done.folder.title, "path": str(done.folder.path), "source": folder.title, **asdict(report)}
        click.echo(json.dumps(told, indent=2, default=str))
