"""The maps of a segmentation model against the masks of a split: pixels, and indications one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.masks import read_mask
from lopore.errors import DataError, ImageError
from lopore.indications.image_marks import marks_of_image
from lopore.inference.predict import Failure
from lopore.inference.regions import DetectionRule
from lopore.inference.segment import Segmented, detections_in, segment_files
from lopore.messages import plain
from lopore.metrics.segmentation import PixelCounts, PixelMetrics, count_pixels, pixel_scores

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel
    from lopore.preprocessing.geometry import Geometry

    from .marks.tally import MarkTally

Progress = Callable[[int, int], None]


def evaluate_pixels(
    model: OpenModel,
    films: Manifest,
    rule: DetectionRule | None = None,
    *,
    tally: MarkTally | None = None,
    progress: Progress | None = None,
) -> PixelMetrics:
    """The detections of a segmentation model against the masks of ``films``, before and after what a rule drops.

    tally: also counts the indications of every image, of the same maps. Images whose mask is unknown
    or does not fit are left out and told in the notes. ModelError for a model without maps;
    ConfigError for a rule in mm2 and an image whose pitch neither the manifest nor the file knows.
    """
    rule = rule or DetectionRule()
    rules = (rule.keeping_all, rule) if rule.drops else (rule.keeping_all,)
    judged, unknown = _all_against_masks(model, films, rules, tally, progress)
    chosen, names = films.select(sorted(judged)), model.record.classes
    return pixel_scores(
        [counts[0] for _, counts in judged.values()],
        [counts[1] for _, counts in judged.values()] if rule.drops else (),
        np.array([marked for marked, _ in judged.values()], np.int64).reshape(-1, len(names)),
        chosen.targets(names).astype(np.bool_),
        chosen.group_ids(),
        classes=names,
        rule=rule,
        seed=model.record.seed,
        notes=tuple(
            f"{len(unknown)} of {len(films.rows)} images count in no pixel score; first: {it}" for it in unknown[:1]
        ),
    )


def _all_against_masks(
    model: OpenModel,
    films: Manifest,
    rules: Sequence[DetectionRule],
    tally: MarkTally | None,
    progress: Progress | None,
) -> tuple[dict[int, tuple[NDArray[np.int64], list[PixelCounts]]], list[str]]:
    """Marked pixels and counts by row, and why the other rows have none."""
    judged: dict[int, tuple[NDArray[np.int64], list[PixelCounts]]] = {}
    unknown: list[str] = []
    paths = [films.file(row) for row in films.rows]
    for index, result in enumerate(segment_files(model, paths)):
        if tally is not None and isinstance(result, Segmented):
            _tally(tally, model, index, result)
        try:
            judged[index] = _against_mask(model, films, films.rows[index], result, rules)
        except (DataError, ImageError) as error:
            unknown.append(str(error))
        if progress is not None:
            progress(index + 1, len(paths))
    return judged, unknown


def _tally(tally: MarkTally, model: OpenModel, index: int, result: Segmented) -> None:
    radiograph, geometry = result.prepared.radiograph, result.prepared.geometry
    pitch = tally.films.rows[index].mm_per_pixel or radiograph.pixel_pitch_mm
    found = marks_of_image(result.maps, geometry, tally.thresholds, classes=model.record.classes, pitch_mm=pitch)
    tally.add(index, found, geometry.original, pitch)


def _against_mask(
    model: OpenModel, films: Manifest, row: Row, result: Segmented | Failure, rules: Sequence[DetectionRule]
) -> tuple[NDArray[np.int64], list[PixelCounts]]:
    """(K,) pixels of each class in an image's mask, and the counts under each rule."""
    if isinstance(result, Failure):
        raise ImageError(result.reason)
    classes = model.record.classes
    truth = _truth(films, row, result.prepared.geometry, classes)
    seen = [detections_in(model, result.prepared, result.maps, rule, row.mm_per_pixel) for rule in rules]
    marked = np.bincount(truth.ravel(), minlength=len(classes) + 1)[1 : len(classes) + 1].astype(np.int64)
    return marked, [count_pixels(each, truth, classes) for each in seen]


def _truth(films: Manifest, row: Row, geometry: Geometry, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Class numbers (h, w) of one image on the network's input; DataError where they are not known."""
    marked = [classes.index(label) + 1 for label in row.labels if label in classes]
    if row.mask:
        return read_mask(films.mask_files(row), geometry, marked, len(classes))
    if marked:
        raise DataError(f"{plain(row.path)} has no mask")
    return np.zeros(geometry.size, np.uint8)
