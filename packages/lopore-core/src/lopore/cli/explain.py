"""``lopore explain``: heat maps over radiographs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lopore.contracts import Explainer
    from lopore.model import OpenModel


@click.command(name="explain")
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@click.option("--model", "model_name", required=True, help="Model folder, ONNX file, NAME or NAME/VERSION.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for overlays and raw maps.")
@click.option("--explainer", "explainer_name", help="Such as grad-cam; default: the best that fits the model.")
@click.option("--class", "class_name", help="Class to explain; default: the decision of each picture.")
@click.option("--runtime", help="Predictor or format to use, such as onnxruntime or pth.")
@click.option("--opacity", type=click.FloatRange(0, 1), default=0.6, show_default=True)
@click.option("--raw", is_flag=True, help="Also write the raw map as a float32 NumPy file.")
def command(
    images: tuple[Path, ...],
    model_name: str,
    out: Path,
    explainer_name: str | None,
    class_name: str | None,
    runtime: str | None,
    opacity: float,
    raw: bool,
) -> None:
    """Draw what drove the decision on IMAGES: an overlay with its scale bar for each."""
    from lopore.explain import check_class, choose_explainer
    from lopore.model import locate_model, open_model

    from .enhance import target_names
    from .inputs import Tally, expand

    tally = Tally()
    model = open_model(locate_model(model_name), runtime=runtime)
    explainer = choose_explainer(model, explainer_name)
    check_class(model, class_name)
    paths = expand(images, tally)
    for path, target in zip(paths, target_names(paths, out), strict=True):
        tally.attempt(path, partial(_one, model, explainer, path, target, class_name, opacity, raw))
    tally.finish("explained")


def _one(
    model: OpenModel, explainer: Explainer, path: Path, target: Path, class_name: str | None, opacity: float, raw: bool
) -> None:
    import io

    import numpy as np

    from lopore.explain import explain
    from lopore.files import atomic_write_bytes
    from lopore.overlay import draw_overlay
    from lopore.predict import decide, prepare, score_pictures
    from lopore.radiograph import write_radiograph

    prepared = prepare(model.record, path)
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
