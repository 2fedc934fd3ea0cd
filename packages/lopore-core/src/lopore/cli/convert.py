"""``lopore convert``: a trained model carried to another framework, through the parity gate."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .export import agreement, gate_images, images_option


@click.command(name="convert")
@click.argument("model_name", metavar="MODEL")
@click.option("--to", required=True, metavar="FRAMEWORK", help="Framework of the new model, torch or tf.")
@images_option
@click.option("--name", metavar="NAME", show_default="that of MODEL", help="Name of the new model.")
@click.option(
    "--version",
    metavar="VERSION",
    show_default="that of MODEL with -FRAMEWORK behind",
    help="Version of the new model.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(
    model_name: str, to: str, images: tuple[Path, ...], name: str | None, version: str | None, as_json: bool
) -> None:
    """Carry a model from PyTorch to TensorFlow or back.

    MODEL is NAME, NAME/VERSION or a model's folder. Its twin has the same weights, classes and threshold, and is
    published only if it gave the same answers on real films. It is the newest version of MODEL's name from then on,
    unless --name gives it another.

    \b
    Examples:
      lopore convert weld --to tf
      lopore convert weld --to tf --name weld-keras --images films/
    """
    from dataclasses import asdict

    from lopore.export.convert import check_frameworks, convert_model
    from lopore.export.parity_gate import gate_inputs
    from lopore.models.catalogue import locate_model

    folder = locate_model(model_name)
    check_frameworks(folder, to)
    done = convert_model(folder, to, gate_inputs(folder, gate_images(folder, images)), name=name, version=version)
    report = done.report
    click.echo(agreement(done.folder, report), err=as_json)
    if as_json:
        report_data = {
            "model": done.folder.title,
            "path": str(done.folder.path),
            "source": folder.title,
            **asdict(report),
        }
        click.echo(json.dumps(report_data, indent=2, default=str))
