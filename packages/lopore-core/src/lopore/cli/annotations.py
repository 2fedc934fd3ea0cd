"""``lopore data annotations``: marks in other tools' formats, converted, checked and drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lopore.messages import counted, plain, terminal_json

if TYPE_CHECKING:
    from lopore.data.annotations.mark import AnnotationSet

_PATH = click.Path(path_type=Path)
READABLE = ("coco", "yolo", "voc", "labelme", "boxes")


def _reading(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--images", type=_PATH, metavar="FOLDER", help="Folder of the images, where the format holds no sizes."
        ),
        click.option(
            "--from", "form", type=click.Choice(READABLE), show_default="by what lies there", help="Format of SOURCE."
        ),
        click.argument("source", type=_PATH),
    ):
        command = option(command)
    return command


@click.group(name="annotations")
def command() -> None:
    """Convert, check and draw marks of other tools.

    COCO, YOLO, Pascal VOC, LabelMe and tables of boxes are read and written, masks of class numbers are written.

    \b
    Examples:
      lopore data annotations check instances.json --images films
      lopore data annotations convert labels --to coco --out set.json
    """


@command.command()
@_reading
@click.option("--to", "target_form", type=click.Choice((*READABLE, "masks")), required=True, help="Format to write.")
@click.option("--out", type=_PATH, metavar="PATH", required=True, help="File (coco, boxes) or folder to write; new.")
def convert(source: Path, form: str | None, images: Path | None, target_form: str, out: Path) -> None:
    """Convert annotations, and say what the other format cannot hold.

    Masks hold class numbers: 0 sound, 1 to K by name, 255 not known. Beside their folder a table of labels is
    written, masks.csv for --out masks, that `lopore data index` takes for training.

    \b
    Examples:
      lopore data annotations convert instances.json --to masks --out masks
      lopore data annotations convert labels --from yolo --to coco --out a.json
    """
    from lopore.atomic_files import atomic_folder
    from lopore.data.annotations.formats import FORMATS, read_annotations
    from lopore.data.annotations.label_table import write_label_table
    from lopore.errors import DataError

    table = out.parent / f"{out.name}.csv" if target_form == "masks" else None
    for target in (out, table):
        if target is not None and target.exists():
            raise DataError(f"{plain(target)} is there already; name another --out, or remove it")
    found = read_annotations(source, form=form, images=images)
    chosen = FORMATS[target_form]
    if chosen.folder:
        with atomic_folder(out) as making:
            notes = chosen.write(found, making)
    else:
        notes = chosen.write(found, out)
    if table is not None:
        table, more = write_label_table(found, images or (source if source.is_dir() else source.parent), out)
        notes += more
    for note in (*found.notes, *notes):
        click.echo(f"note: {plain(note, 300)}", err=True)
    written = out if table is None else f"{out} and {table}"
    click.echo(f"{counted(found.mark_count, 'mark')} on {counted(len(found.images), 'image')}; wrote {written}")


@command.command()
@_reading
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(source: Path, form: str | None, images: Path | None, as_json: bool) -> None:
    """Check annotations against their images.

    Finds marks outside of their image or without area, and images that are missing or of another size.
    The exit status is 1 where something is wrong.

    \b
    Examples:
      lopore data annotations check instances.json --images films
    """
    from lopore.data.annotations.check import check_annotations
    from lopore.data.annotations.formats import read_annotations

    found = read_annotations(source, form=form, images=images)
    faults = check_annotations(found, images)
    if as_json:
        click.echo(terminal_json(json.dumps({**_counts(found), "faults": faults}, ensure_ascii=False)))
    else:
        numbers = _counts(found)
        click.echo(f"{counted(numbers['marks'], 'mark')} on {counted(numbers['images'], 'image')}")
        for name, count in numbers["classes"].items():
            click.echo(f"  {plain(name, 60)}: {count}")
        for fault in faults:
            click.echo(f"error: {plain(fault, 300)}")
    if faults:
        raise SystemExit(1)


@command.command()
@_reading
@click.option("--out", type=_PATH, metavar="FOLDER", required=True, help="Folder for the drawn images; new.")
def draw(source: Path, form: str | None, images: Path | None, out: Path) -> None:
    """Draw the marks on their images, numbered, a colour a class.

    \b
    Examples:
      lopore data annotations draw instances.json --images films --out drawn
    """
    from lopore.atomic_files import atomic_folder
    from lopore.data.annotations.draw_files import draw_files
    from lopore.data.annotations.formats import read_annotations
    from lopore.errors import DataError

    if out.exists():
        raise DataError(f"{plain(out)} is there already; name another --out, or remove it")
    found = read_annotations(source, form=form, images=images)
    root = images or (source if source.is_dir() else source.parent)
    with atomic_folder(out) as making:
        drawn, failures = draw_files(found, root, making)
    for failure in failures:
        click.echo(f"lopore: {plain(failure, 300)}", err=True)
    click.echo(f"{counted(drawn, 'image')} drawn; wrote {out}")
    if failures:
        raise SystemExit(1)


def _counts(found: AnnotationSet) -> dict[str, Any]:
    classes = dict.fromkeys(found.classes, 0)
    for image in found.images:
        for mark in image.marks:
            classes[mark.class_name] += 1
    return {"images": len(found.images), "marks": found.mark_count, "classes": classes}
