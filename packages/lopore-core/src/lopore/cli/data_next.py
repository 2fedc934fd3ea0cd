"""``lopore data next``: which unlabelled images are worth a label."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .data_options import PATH, json_option, plain_text, stage, threads_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lopore.data.label_next import Proposal
    from lopore.data.manifest import Manifest


@click.command(name="next")
@click.argument("manifest", type=PATH)
@click.option("--model", metavar="MODEL", help="Model whose doubts count: a name, folder or ONNX file.")
@click.option("--count", type=click.IntRange(1, 10_000), metavar="N", default=20, show_default=True,
              help="Images to propose.")  # fmt: skip
@click.option("--out", type=PATH, metavar="FILE",
              help="CSV of the proposals, with an empty column of labels to fill and to index.")  # fmt: skip
@threads_option
@json_option
def next(manifest: Path, model: str | None, count: int, out: Path | None, threads: int | None, as_json: bool) -> None:
    """Propose the images that are worth a label.

    Those that are uncertain, unlike the others, diverse, and one of a group.
    MANIFEST is what `lopore data index` wrote; its images without a label are the candidates. Without --model those
    count that are unlike the labelled ones.

    \b
    Examples:
      lopore data next data/processed/films.csv
      lopore data next films.csv --model welds --count 50 --out label-these.csv
    """
    import numpy as np

    from lopore.data.label_next import choose_next, chosen_in_a_line, describe_images
    from lopore.data.manifest import Manifest

    found = Manifest.read(manifest)
    labelled = np.array([bool(row.labels) for row in found.rows])
    features = describe_images([found.file(row) for row in found.rows], threads=threads, stage=stage)
    doubts = _doubts(model, found, labelled) if model else None
    names = [row.group or row.family for row in found.rows]
    paths = [row.path for row in found.rows]
    chosen = choose_next(paths, features, names, labelled, count=count, uncertain=doubts)
    unread = [path for path, row in zip(paths, features, strict=True) if not np.isfinite(row).all()]
    for path in unread:
        click.echo(f"lopore: {plain_text(path)} cannot be read; `lopore data check` says why", err=True)
    if out is not None:
        _write(chosen, found, out)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in chosen], indent=2))
        return
    for one in chosen:
        click.echo(f"{plain_text(one.path, 80)}  {one.reason}")
    click.echo(chosen_in_a_line(chosen, int((~labelled).sum())))
    if out is not None:
        click.echo(f"wrote {out}; fill its column labels, then: lopore data index {out}")


def _doubts(model: str, found: Manifest, labelled: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) how undecided the model is; NaN for labelled images and those that it cannot read."""
    import numpy as np

    from lopore.data.label_next import uncertainty
    from lopore.inference.predict import Failure, predict_files
    from lopore.models.catalogue import locate_model
    from lopore.models.opening import open_model

    opened = open_model(locate_model(model))
    doubts = np.full(len(found), np.nan)
    numbers = np.flatnonzero(~labelled).tolist()
    progress = stage("predicting")
    answers = predict_files(opened, [found.file(found.rows[number]) for number in numbers])
    for done, (number, answer) in enumerate(zip(numbers, answers, strict=True), start=1):
        if not isinstance(answer, Failure):
            threshold = answer.decision.threshold if opened.record.task == "binary" else None
            doubts[number] = uncertainty(answer.scores, threshold)
        progress(done, len(numbers))
    return doubts


def _write(chosen: list[Proposal], found: Manifest, out: Path) -> None:
    import csv
    import io
    import os

    from lopore.atomic_files import atomic_write_text
    from lopore.data.cells import safe_cell

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "labels", "group", "reason", "uncertain", "unlike"])
    for one in chosen:
        image = os.path.relpath((found.root / one.path).absolute(), out.absolute().parent)
        row: list[Any] = [Path(image).as_posix(), "", one.group, one.reason, one.uncertain, one.unlike]
        writer.writerow([safe_cell(cell) for cell in row])
    atomic_write_text(out, text.getvalue())
