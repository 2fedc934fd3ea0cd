"""``lopore explain``: heat maps over radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import click

from lopore.messages import plain

from .options import device_option, model_option, page_option, runtime_option

if TYPE_CHECKING:
    from lopore.contracts import Explainer
    from lopore.models.opening import OpenModel

    from .inputs import Tally


IN_MEMORY = 1 << 28
"""Bytes of maps that are kept in memory between the two rounds; more go to a temporary file."""


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
    runtime: str | None,
    device: str,
    **drawing: Any,
) -> None:
    """Draw heat maps of what drove the decisions.

    IMAGES are files, folders or globs. Each gives an overlay with a scale bar, on one scale for all films of a call, so
    that weak evidence looks weak. A heat map shows what moved the score, not the outline of a defect.

    \b
    Examples:
      lopore explain --model weld --out heatmaps films/
      lopore explain --model weld --out heatmaps --class pore film.tif
    """
    from lopore.inference.explain import check_class, choose_explainer
    from lopore.models.catalogue import locate_model
    from lopore.models.opening import open_model

    from .enhance import target_names
    from .inputs import Tally, expand

    tally = Tally()
    model = open_model(locate_model(model_name), runtime=runtime, device=device)
    explainer = choose_explainer(model, explainer_name)
    check_class(model, class_name)
    paths = expand(images, tally)
    targets = target_names(paths, out)
    _explain(model, explainer, list(zip(paths, targets, strict=True)), class_name, tally, **drawing)
    tally.finish("explained")


def _explain(
    model: OpenModel, explainer: Explainer, films: Sequence[tuple[Path, Path]], class_name: str | None, tally: Tally,
    *, page: int | None, opacity: float, raw: bool,
) -> None:  # fmt: skip
    """Two rounds, for one scale: on a scale of its own the map of a sound weld would look hot."""
    with SpooledTemporaryFile(IN_MEMORY) as maps:
        seen: list[_Seen] = []
        for path, target in films:
            with tally.reported(path):
                seen.append(_explain_one(model, explainer, path, target, class_name, page, maps))
        maps.seek(0)
        top = max((one.top for one in seen), default=1.0)
        for one in seen:
            tally.attempt(one.path, partial(_draw, model, explainer, one, page, maps, (0.0, top), opacity, raw))


@dataclass(frozen=True)
class _Seen:
    """One film after the first round: the class that is explained, its score, the hottest value on the film."""

    path: Path
    target: Path
    class_name: str
    score: float
    top: float


def _explain_one(
    model: OpenModel, explainer: Explainer, path: Path, target: Path, class_name: str | None, page: int | None,
    maps: IO[bytes],
) -> _Seen:  # fmt: skip
    """Decide on a film and append the map of its class, over the network's input, to ``maps``."""
    import numpy as np

    from lopore.inference.decisions import decide
    from lopore.inference.explain import raw_maps
    from lopore.inference.overlay import natural_limits
    from lopore.inference.predict import prepare, score_images

    prepared = prepare(model.record, path, page=page)
    row = score_images(model, [prepared.pixels])[0]
    labels = [class_name] if class_name else decide(model.record, row).labels
    index = model.record.classes.index(labels[0]) if labels else int(row.argmax())
    found = raw_maps(model, explainer, prepared.pixels[None], index)[0]
    top = natural_limits(prepared.geometry.map_to_original(found, fill=float("nan")), explainer.scale)[1]
    np.save(maps, found)
    return _Seen(path, target, model.record.classes[index], float(row[index]), top)


def _draw(
    model: OpenModel, explainer: Explainer, one: _Seen, page: int | None, maps: IO[bytes],
    limits: tuple[float, float], opacity: float, raw: bool,
) -> None:  # fmt: skip
    """Write the overlay of a film from the next map in ``maps``, on the scale of all."""
    import io

    import numpy as np

    from lopore.atomic_files import atomic_write_bytes
    from lopore.inference.overlay import draw_overlay
    from lopore.inference.predict import prepare
    from lopore.reading.encode import write_radiograph

    found = np.load(maps)
    prepared = prepare(model.record, one.path, page=page)
    values = prepared.geometry.map_to_original(found, fill=float("nan"))
    title = f"{one.class_name} {one.score:.3f}, {explainer.name} ({explainer.scale})"
    image = draw_overlay(prepared.radiograph.pixels, values, opacity=opacity, limits=limits, title=title)
    write_radiograph(image, one.target)
    click.echo(plain(one.target, 4096))
    if raw:
        stream = io.BytesIO()
        np.save(stream, values)
        atomic_write_bytes(one.target.with_suffix(".npy"), stream.getvalue())
