"""``lopore explain``: heat maps over radiographs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import device_option, model_option, page_option, runtime_option

if TYPE_CHECKING:
    from lopore.contracts import Explainer
    from lopore.model import OpenModel


@click.command(name="explain")
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@model_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder for the overlays, a PNG for each film, and for raw maps.",
)
@click.option(
    "--explainer",
    "explainer_name",
    metavar="NAME",
    show_default="the best that fits the model",
    help="Method, such as grad-cam or occlusion, as `lopore plugins` lists it.",
)
@click.option(
    "--class",
    "class_name",
    metavar="CLASS",
    show_default="the decision on each film",
    help="Class whose evidence is drawn.",
)
@click.option(
    "--opacity",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    default=0.6,
    show_default=True,
    help="How strongly the heat covers the film.",
)
@runtime_option
@device_option
@page_option
@click.option("--raw", is_flag=True, help="Also write the raw map as a float32 NumPy file.")
def command(
    images: tuple[Path, ...],
    model_name: str,
    out: Path,
    explainer_name: str | None,
    class_name: str | None,
    opacity: float,
    runtime: str | None,
    device: str,
    page: int | None,
    raw: bool,
) -> None:
    """Draw heat maps of what drove the decisions.

    IMAGES are files, folders or globs. Each gives an overlay with its scale bar. A heat map shows what moved the score,
    not the outline of a defect.

    \b
    Examples:
      lopore explain --model weld --out heatmaps films/
      lopore explain --model weld --out heatmaps --class pore film.tif
    """
    from lopore.explain import check_class, choose_explainer
    from lopore.model import locate_model, open_model

    from .enhance import target_names
    from .inputs import Tally, expand

    tally = Tally()
    model = open_model(locate_model(model_name), runtime=runtime, device=device)
    explainer = choose_explainer(model, explainer_name)
    check_class(model, class_name)
    paths = expand(images, tally)
    for path, target in zip(paths, target_names(paths, out), strict=True):
        tally.attempt(path, partial(_one, model, explainer, path, target, class_name, page, opacity, raw))
    tally.finish("explained")


def _one(
    model: OpenModel, explainer: Explainer, path: Path, target: Path, class_name: str | None, page: int | None,
    opacity: float, raw: bool,
) -> None:  # fmt: skip
    import io

    import numpy as np

    from lopore.explain import explain
    from lopore.files import atomic_write_bytes
    from lopore.overlay import draw_overlay
    from lopore.predict import decide, prepare, score_pictures
    from lopore.radiograph import write_radiograph

    prepared = prepare(model.record, path, page=page)
    row = score_pictures(model, [prepared.pixels])[0]
    decision = decide(model.record, row)
    name = class_name or (decision.labels[0] if decision.labels else model.record.classes[int(row.argmax())])
    heat = explain(model, prepared, class_name=name, explainer=explainer)
    title = f"{name} {row[model.record.classes.index(name)]:.3f}, {explainer.name} ({explainer.scale})"
    write_radiograph(draw_overlay(prepared.radiograph.pixels, heat.values, opacity=opacity, title=title), target)
    click.echo(str(target))
    if raw:
        stream = io.BytesIO()
        np.save(stream, heat.values)
        atomic_write_bytes(target.with_suffix(".npy"), stream.getvalue())
