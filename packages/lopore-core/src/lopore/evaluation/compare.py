"""Two models on the same films: which differences hold, and where they answer differently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lopore.atomic_files import atomic_write_text
from lopore.data.manifest import Manifest
from lopore.errors import ConfigError, DataError
from lopore.metrics.paired import compare_scores

from .against_masks import Progress
from .evaluate import evaluate
from .model_comparison import ModelComparison

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel


def compare_models(
    first: OpenModel, second: OpenModel, manifest: Manifest, *, split: str, progress: Progress | None = None
) -> ModelComparison:
    """Score two models of the same classes on one split, and their differences with intervals over films.

    ConfigError for models of other tasks or classes; DataError where no image was answered by both.
    """
    a, b = first.record, second.record
    if (a.task, a.classes, a.positive) != (b.task, b.classes, b.positive):
        raise ConfigError(
            f"{first.folder.title} is a {a.task} model of {', '.join(a.classes)}, {second.folder.title} a {b.task} "
            f"model of {', '.join(b.classes)}; compare models of one task and the same classes in one order"
        )
    found = tuple(evaluate(model, manifest, split=split, progress=progress) for model in (first, second))
    paths = [[row.path for row in one.manifest.rows] for one in found]
    shared = [path for path in paths[0] if path in set(paths[1])]
    if not shared:
        raise DataError("no image was answered by both models; check what could not be read")
    rows = tuple(tuple(one.index(path) for path in shared) for one in paths)
    chosen = found[0].manifest.select(list(rows[0]))
    compared = compare_scores(
        (found[0].scores[list(rows[0])], found[1].scores[list(rows[1])]),
        (a.threshold, b.threshold),
        found[0].targets.labels[list(rows[0])],
        np.unique(chosen.group_ids(), return_inverse=True)[1].reshape(-1),
        task=a.task,
        classes=a.classes,
        positive=a.positive,
        seed=a.seed,
    )
    notes = [f"{model.folder.title}: {note}" for model, one in zip((first, second), found, strict=True)
             for note in one.metrics.notes]  # fmt: skip
    return ModelComparison(
        titles=(first.folder.title, second.folder.title),
        evaluations=(found[0], found[1]),
        manifest=chosen,
        rows=(rows[0], rows[1]),
        comparison=compared,
        notes=tuple(notes),
    )


def write_comparison(found: ModelComparison, models: Sequence[OpenModel], out: Path, *, images: int = 24) -> list[Path]:
    """compare.json, and compare.html with the images on which the models answer differently."""
    from .report.comparison_page import comparison_page

    atomic_write_text(out / "compare.json", found.comparison.model_dump_json(indent=2) + "\n")
    atomic_write_text(out / "compare.html", comparison_page(found, models, images=images))
    return [out / "compare.json", out / "compare.html"]
