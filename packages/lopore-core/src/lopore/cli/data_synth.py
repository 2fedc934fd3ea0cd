"""``lopore data synth``: made films with truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lopore.messages import counted

from .data_options import PATH, seed_option, stage


@click.command()
@click.argument("out", type=PATH)
@click.option("--films", type=click.IntRange(1, 1_000_000), metavar="N", default=200, show_default=True,
              help="Images of each class.")  # fmt: skip
@click.option("--class", "classes", multiple=True, metavar="NAME[=N]",
              show_default="no_defect, lack_of_penetration, pore",
              help="Class and how many images of it: no_defect, pore, lack_of_penetration, lack_of_fusion, "
                   "slag_inclusion or crack; may be given again.")  # fmt: skip
@seed_option
@click.option("--size", type=click.IntRange(64, 20_000), metavar="PX", show_default="640",
              help="Width and height in pixels.")  # fmt: skip
@click.option("--bits", type=click.Choice(["8", "16"]), show_default="8", help="Depth of the files.")
@click.option("--receptor", type=click.Choice(["film", "detector"]), show_default="film",
              help="Scanned film, or digital detector with defects bright.")  # fmt: skip
def synth(
    out: Path, films: int, classes: tuple[str, ...], seed: int, size: int | None, bits: str | None, receptor: str | None
) -> None:
    """Make labelled weld radiographs from physics.

    The folder OUT gets class folders, masks/, labels.csv with groups and scale, and truth.csv with every defect in mm.

    \b
    Examples:
      lopore data synth films
      lopore data synth films --films 60 --class pore --class no_defect=120
      lopore data synth deep --bits 16 --receptor detector
    """
    from lopore.synthesis.dataset import DEFAULT_COUNTS, write_dataset

    counts = dict(_count(text, films) for text in classes) or dict.fromkeys(DEFAULT_COUNTS, films)
    wanted: dict[str, Any] = {
        "size": (size, size) if size else None,
        "bit_depth": int(bits) if bits else None,
        "receptor": receptor,
    }
    settings = {name: value for name, value in wanted.items() if value is not None}
    write_dataset(out, counts, seed, progress=stage("making"), **settings)
    click.echo(f"{counted(sum(counts.values()), 'film')} in {out}; next: lopore data index {out / 'labels.csv'}")


def _count(text: str, films: int) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if equals and not number.isdigit():
        raise click.BadParameter(f"{text!r} is not NAME or NAME=N, such as pore=200", param_hint="--class")
    return name, int(number) if equals else films
