"""``lopore data crop``: parts of films as a set of their own."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lopore.messages import counted

from .data_options import PATH, json_option, plain_text, stage


@click.command(name="crop")
@click.argument("manifest", type=PATH)
@click.option(
    "--around", type=click.Choice(("masks", "boxes", "seam")), required=True,
    help="What is cut out: each mark of the masks, each box of --annotations, or the weld.",
)  # fmt: skip
@click.option("--annotations", type=PATH, metavar="FILE", help="COCO, YOLO, VOC, LabelMe or a table of boxes.")
@click.option(
    "--size", type=click.IntRange(8, 16384), metavar="PX", show_default="as large as the mark and its margin",
    help="Side of square crops; what is longer gets several.",
)  # fmt: skip
@click.option("--margin", type=click.IntRange(0, 4096), default=16, show_default=True, metavar="PX",
              help="Pixels around each mark or the weld.")  # fmt: skip
@click.option("--sound", type=click.IntRange(0, 10_000), default=0, show_default=True, metavar="N",
              help="Crops without a mark of each film; needs --size.")  # fmt: skip
@click.option("--out", type=PATH, default=Path("data/processed/crops"), show_default=True, metavar="FOLDER",
              help="New folder for images/, masks/ and manifest.csv.")  # fmt: skip
@json_option
def crop(
    manifest: Path, around: str, annotations: Path | None, size: int | None, margin: int, sound: int, out: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Cut parts out of films and keep where they come from.

    MANIFEST is what `lopore data index` wrote. Depth and scale stay as they are. Every crop keeps the group, split and
    fold of its film, so that no film stands on two sides, and its place there in the column crop_of.

    \b
    Examples:
      lopore data crop films.csv --around masks --size 224 --sound 4
      lopore data crop films.csv --around boxes --annotations coco.json
      lopore data crop films.csv --around seam --size 512
    """
    from lopore.data.annotations.formats import read_annotations
    from lopore.data.crops import CropPlan, crop_films
    from lopore.data.manifest import Manifest
    from lopore.errors import ConfigError
    from lopore.indications.weld_position import weld_box

    from .inputs import check_out_folder

    films = Manifest.read(manifest)
    marks = read_annotations(annotations) if annotations is not None else None
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"--out {out} is not empty; name a new folder")
    check_out_folder(out)
    plan = CropPlan(around, size, margin, sound, marks if around == "boxes" else None)
    made, notes = crop_films(films, plan, out, seam_of=weld_box, advance=stage("cutting"))
    if as_json:
        click.echo(json.dumps({"manifest": str(made.location), "crops": len(made), "classes": made.class_counts}))
    else:
        counts = ", ".join(f"{name} {count}" for name, count in made.class_counts.items())
        click.echo(f"{counted(len(made), 'crop')} of {counted(len(films), 'film')}: {counts}")
        click.echo(str(made.location))
    for note in notes:
        click.echo(f"note: {plain_text(note, 300)}", err=True)
