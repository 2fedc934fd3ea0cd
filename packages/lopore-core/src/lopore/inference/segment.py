"""A segmentation model at work: its maps, and the detections that a rule leaves of them, file by file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels, gives_maps
from lopore.contracts import MapSession
from lopore.errors import ConfigError, ModelError
from lopore.models.opening import check_probabilities
from lopore.plugins.registry import call_entry, discover

from .feature_distance import Answer, FeatureWatch
from .predict import Failure, Prediction, Prepared, as_text, describe_prepared, prepared_in_batches
from .regions import Detection, DetectionRule, Detections, extract_detections
from .test_time_augmentation import segment_views

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel
    from lopore.preprocessing.enhancement_chain import Chain
    from lopore.record.model import ModelRecord

_VALUES = 2**26
"""Probabilities of maps that are held at once: 256 MiB."""


class SegmentationPrediction(Prediction):
    """A prediction of a segmentation model after a rule: its scores and its decision ignore what was dropped."""

    detections: tuple[Detection, ...]
    dropped: int
    rule: DetectionRule


def check_maps(model: OpenModel) -> MapSession:
    """The session of a segmentation model; ModelError, in one line, where the model or its runtime has no maps."""
    record = model.record
    if not gives_maps(record.task):
        raise ModelError(
            f"{model.folder.title} has no maps: it is a {record.task} model, which answers for the image as a whole; "
            "use a segmentation model for detections"
        )
    if not isinstance(model.session, MapSession):
        raise ModelError(
            f"{model.folder.title} has no maps when {model.predictor.name} opens it; take another runtime or format"
        )
    return model.session


def segment_images(
    model: OpenModel, images: Sequence[Pixels], watch: FeatureWatch | None = None
) -> NDArray[np.float32]:
    """Probability (N, K, h, w) of each class at each pixel of the network's input, averaged over the test views.

    images: preprocessed ones. watch: of the session's ``segment``, sees the features. Raises ModelError for a model
    without maps, and for maps that are none.
    """
    session, predictor, record = check_maps(model), model.predictor, model.record
    batch = np.stack(images)
    owner = discover().predictors.sources.get(predictor.key, "lopore")

    def work() -> NDArray[np.float32]:
        return np.array(segment_views(watch or session.segment, batch, record.tta_views), np.float32)

    maps = call_entry("predictor", predictor.key, owner, work)
    if maps.ndim != 4 or maps.shape[:2] != (len(images), len(record.classes)):
        raise ModelError(
            f"{model.folder.title} gave maps {maps.shape} for {len(record.classes)} classes; its weights are not those "
            "of its record, copy the model folder anew"
        )
    return check_probabilities(maps, model.folder.title)


def answer_maps(model: OpenModel, images: Sequence[Pixels]) -> list[tuple[NDArray[np.float32], float | None]]:
    """``segment_images``: of each image its maps (K, h, w) and its feature distance, as ``Answer`` has it."""
    watch = FeatureWatch(model, check_maps(model).segment)
    return [(maps, watch.of(number)) for number, maps in enumerate(segment_images(model, images, watch))]


@dataclass(frozen=True)
class Segmented:
    """A prepared radiograph with its maps (K, h, w). feature_distance: as in ``Answer``."""

    prepared: Prepared
    maps: NDArray[np.float32]
    feature_distance: float | None = None


def segment_files(
    model: OpenModel, paths: Iterable[Path], *, chain: Chain | None = None, **options: Any
) -> Iterator[Segmented | Failure]:
    """The maps of files in the order of ``paths``, with the options of ``predict_files``; memory stays bounded."""
    check_maps(model)
    for batch in prepared_in_batches(model.record, paths, chain=chain, **options):
        maps = _maps_of(model, [item for item in batch if isinstance(item, Prepared)])
        for item in batch:
            yield item if isinstance(item, Failure) else Segmented(item, *next(maps))


def _maps_of(model: OpenModel, ready: Sequence[Prepared]) -> Iterator[tuple[NDArray[np.float32], float | None]]:
    height, width = model.record.preprocessing.size
    many = max(1, _VALUES // (len(model.record.classes) * height * width))
    for start in range(0, len(ready), many):
        yield from answer_maps(model, [item.pixels for item in ready[start : start + many]])


def detect(
    model: OpenModel, prepared: Prepared, rule: DetectionRule | None = None, *, pitch_mm: float | None = None
) -> Detections:
    """The detections of one prepared radiograph.

    pitch_mm: size of an original pixel; default: what the file states. Raises ModelError for a model without maps and
    ConfigError for a rule in mm2 where no pitch is known.
    """
    return detections_in(
        model, prepared, segment_images(model, [prepared.pixels])[0], rule or DetectionRule(), pitch_mm
    )


def detections_in(
    model: OpenModel, prepared: Prepared, maps: NDArray[np.float32], rule: DetectionRule, pitch_mm: float | None = None
) -> Detections:
    """``detect`` for maps (K, h, w) that the model gave before: moving a rule's dials costs no run of the network."""
    radiograph = prepared.radiograph
    pitch = pitch_mm or radiograph.pixel_pitch_mm
    rule.least_area(pitch, radiograph.source.name)
    names = model.record.classes
    limits = [model.record.threshold_of(name) for name in names]
    return extract_detections(maps, prepared.geometry, rule, classes=names, thresholds=limits, pitch_mm=pitch)


def detect_files(
    model: OpenModel,
    paths: Iterable[Path],
    rule: DetectionRule,
    *,
    pitch_mm: float | None = None,
    chain: Chain | None = None,
    **options: Any,
) -> Iterator[SegmentationPrediction | Failure]:
    """Predictions with detections in the order of ``paths``, as ``predict_files`` and with its options."""
    for item in segment_files(model, paths, chain=chain, **options):
        yield item if isinstance(item, Failure) else _examine(model, item, rule, pitch_mm, chain)


def _examine(
    model: OpenModel, item: Segmented, rule: DetectionRule, pitch_mm: float | None, chain: Chain | None
) -> SegmentationPrediction | Failure:
    radiograph = item.prepared.radiograph
    try:
        seen = detections_in(model, item.prepared, item.maps, rule, pitch_mm)
    except ConfigError as error:
        return Failure(as_text(radiograph.source.path or radiograph.source.name), str(error))
    ruled = replace(model, folder=replace(model.folder, record=under(model.record, rule)))
    described = dict(describe_prepared(ruled, item.prepared, Answer(seen.scores, item.feature_distance), chain))
    return SegmentationPrediction(**described, detections=seen.found, dropped=seen.dropped, rule=rule)


def under(record: ModelRecord, rule: DetectionRule) -> ModelRecord:
    """The record with the rule's threshold where it names one."""
    if rule.threshold is None:
        return record
    point = record.threshold.model_copy(update={"value": rule.threshold, "per_class": {}, "rule": "given"})
    return record.model_copy(update={"threshold": point})
