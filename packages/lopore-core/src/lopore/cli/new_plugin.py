"""``lopore new-plugin``: a folder that installs, is found by lopore and passes the conformance kit."""

from __future__ import annotations

from pathlib import Path

import click

KINDS = (
    "enhancer", "backbone", "trainer", "exporter", "predictor", "explainer", "callback", "loss", "metric",
    "augmentation",
)  # fmt: skip


@click.command(name="new-plugin")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    metavar="KIND",
    required=True,
    help=f"What it offers: {', '.join(KINDS)}; a trainer and an exporter bring their predictor.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    default=Path(),
    show_default="this folder",
    help="Folder in which the folder NAME is made.",
)
def command(name: str, kind: str, out: Path) -> None:
    """Write a plugin package that conforms as it stands.

    The folder NAME gets the package, its entry point, a README and a conformance test.

    \b
    Examples:
      lopore new-plugin weld-contrast --kind enhancer
      lopore new-plugin my-nets --kind backbone --out ~/plugins
    """
    from lopore.scaffold import write_plugin

    for path in write_plugin(name, kind, out):
        click.echo(str(path))
    click.echo(f"next: pip install -e {out / name}, then `lopore check-plugin {name}`")
