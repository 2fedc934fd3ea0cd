"""``lopore data leaks A B``: what two sets share, with a contact sheet and an exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lopore.messages import counted

from .data_options import PATH, json_option, plain_text, stage, threads_option

if TYPE_CHECKING:
    from lopore.data.set_leaks import SetLeaks


@click.command()
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.option("--out", type=PATH, metavar="FOLDER",
              help="Folder for leaks.csv, leaks.json and leaks.png, the contact sheet.")  # fmt: skip
@threads_option
@json_option
def leaks(first: Path, second: Path, out: Path | None, threads: int | None, as_json: bool) -> None:
    """List images and films that two sets share.

    Found are equal files, copies, windows and crops that share a part, and one film's number on both.
    FIRST and SECOND are each a manifest, a CSV of labels, a folder, a COCO JSON or a YOLO data.yaml. The exit status
    is 1 where anything leaks, 0 where nothing does.

    \b
    Examples:
      lopore data leaks data/splits/films.csv ../acceptance
      lopore data leaks train.json test.json --out leaks
    """
    from lopore.data.image_sets import read_image_set
    from lopore.data.set_leaks import leaks_between

    sets = read_image_set(first), read_image_set(second)
    found = leaks_between(*sets, threads=threads, stage=stage)
    for path, why in found.problems:
        click.echo(f"lopore: {plain_text(path)} {plain_text(why, 300)}", err=True)
    if out is not None:
        _write(found, out)
    click.echo(json.dumps(found.as_data(), indent=2) if as_json else _text(found, out))
    if found.leaks:
        raise SystemExit(1)


def _text(found: SetLeaks, out: Path | None) -> str:
    lines = [
        f"{leak.why:<16}  {plain_text(leak.first_name, 60)}  =  {plain_text(leak.second_name, 60)}  ({leak.evidence})"
        for leak in found.leaks[:20]
    ]
    if len(found.leaks) > 20:
        lines.append(f"and {len(found.leaks) - 20} more pairs; --out writes all")
    counts = ", ".join(f"{count} {why}" for why, count in found.counts.items()) or "nothing in common"
    read = f"{counted(found.read[0], 'image')} against {found.read[1]}"
    lines.append(f"{read}: {counts}")
    if found.leaks:
        lines.append(f"{found.images[0]} images of the first and {found.images[1]} of the second leak")
    if out is not None and found.leaks:
        lines.append(f"wrote {out / 'leaks.csv'}, leaks.json and leaks.png")
    return "\n".join(lines)


def _write(found: SetLeaks, out: Path) -> None:
    import csv
    import io

    from lopore.atomic_files import atomic_write_text
    from lopore.data.cells import safe_cell
    from lopore.data.leak_sheet import write_leak_sheet

    out.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["first", "second", "why", "evidence", "score"])
    for leak in found.leaks:
        score = "" if leak.score is None else f"{leak.score:.4f}"
        writer.writerow(
            [safe_cell(cell) for cell in (str(leak.first), str(leak.second), leak.why, leak.evidence, score)]
        )
    atomic_write_text(out / "leaks.csv", text.getvalue())
    atomic_write_text(out / "leaks.json", json.dumps(found.as_data(), indent=2) + "\n")
    if found.leaks:
        write_leak_sheet(out / "leaks.png", found.leaks)
