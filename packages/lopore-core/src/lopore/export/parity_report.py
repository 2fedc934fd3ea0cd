"""How far an export's answers are from its source's: probabilities, decisions, pixels and class activation maps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch, Scores, gives_maps
from lopore.atomic_files import sha256_of
from lopore.contracts import FeatureSession
from lopore.errors import ParityError
from lopore.inference.explain import explainers_for, raw_maps
from lopore.inference.segment import segment_images
from lopore.inference.test_time_augmentation import predict_views
from lopore.messages import counted
from lopore.models.opening import OpenModel, choose_predictor, open_model, open_session
from lopore.record.folder import ModelFolder

from .other_runtimes import RuntimeFigures, differences, runtime_figures

GATE_IMAGES = 512
CAM_TOLERANCE = 1e-3
FEATURE_TOLERANCE = 1e-3
"""Beside distances of some tenths between images."""
CAMS = {"cam": ("grad-cam", "Grad-CAM"), "cam_plus": ("grad-cam++", "Grad-CAM++")}
"""Fields of the report: the explainers that a file answers by itself, and their names for people."""
QUANTISED_AGREEMENT = 0.98
_BATCH = 16


@dataclass(frozen=True)
class ParityReport:
    """What the gate measured.

    max_dp: largest difference of a probability, for segmentation of any pixel's too. cam, cam_plus: largest difference
    of a Grad-CAM and of a Grad-CAM++ map, relative to the hottest place that its image has in the maps of any class,
    None where one side offers none.
    """

    format: str
    images: int
    max_dp: float
    mean_dp: float
    flipped: int
    tolerance: float
    cam: float | None
    cam_plus: float | None
    source_sha256: str
    export_sha256: str
    checked: str
    notes: dict[str, Any]
    auc_change: float | None = None
    """Of a quantised export: mean ROC AUC over the classes less that of its source, where the images have labels."""
    features: float | None = None
    """Largest distance between the features of one image, each scaled to length 1; None where one side gives none."""
    runtimes: tuple[RuntimeFigures, ...] = ()
    """What each installed runtime that opens the file says, where there are several; the judged one stands first."""

    def verdict(self, quantised: bool) -> str:
        """Empty where the export may be published, else what is wrong."""
        if quantised:
            agreement = 1 - self.flipped / self.images
            return "" if agreement >= QUANTISED_AGREEMENT else f"decisions agree on {agreement:.1%} only"
        if not self.max_dp <= self.tolerance:
            return f"probabilities differ by {self.max_dp:.2e}, {self.tolerance:.0e} is allowed"
        if self.flipped:
            return f"{self.flipped} of {counted(self.images, 'decision differs', 'decisions differ')}"
        for field, (_, title) in CAMS.items():
            found: float | None = getattr(self, field)
            if found is not None and not found <= CAM_TOLERANCE:
                return f"{title} differs by {found:.2e} of the maps' maximum, {CAM_TOLERANCE:.0e} is allowed"
        if self.features is not None and not self.features <= FEATURE_TOLERANCE:
            return f"features lie {self.features:.2e} apart, {FEATURE_TOLERANCE:.0e} is allowed"
        return ""


def compare(
    folder: ModelFolder,
    source_format: str,
    candidate: ModelFolder,
    candidate_format: str,
    images: PixelBatch,
    *,
    tolerance: float,
    notes: dict[str, Any],
    truth: NDArray[np.bool_] | None = None,
) -> ParityReport:
    """Open both on the CPU and answer the same images, at most 512; the report judges, nothing is published here.

    candidate: not published yet, with the format in its record. truth: (N, K), which classes the images show, where
    that is known. ParityError where the candidate's scores have another shape or are no numbers.
    """
    images = images[:GATE_IMAGES]
    with ExitStack() as opened:
        source = open_model(folder, runtime=source_format, device="cpu")
        opened.callback(source.session.close)
        export = _unpublished(candidate, opened)
        expected, got = _both_scores(source, export, images)
        cams, pixels = _map_differences(source, export, images)
    labels = None if truth is None else truth[: len(images)]
    moved, largest, mean, change = differences(folder.record, expected, got, labels)
    return ParityReport(
        format=candidate_format,
        images=len(images),
        max_dp=max(largest, pixels),
        mean_dp=mean,
        flipped=moved,
        tolerance=tolerance,
        **cams,
        source_sha256=sha256_of(folder.file_for(source_format)),
        export_sha256=sha256_of(candidate.file_for(candidate_format)),
        checked=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=notes,
        auc_change=change,
        runtimes=runtime_figures(candidate, images, expected, labels, _scores),
    )


def _unpublished(candidate: ModelFolder, opened: ExitStack) -> OpenModel:
    """The candidate, open until ``opened`` ends."""
    format, predictor = choose_predictor(candidate)
    export = OpenModel(candidate, format, predictor, open_session(candidate, predictor, "cpu"))
    opened.callback(export.session.close)
    return export


def _both_scores(source: OpenModel, export: OpenModel, images: PixelBatch) -> tuple[Scores, Scores]:
    expected, got = _scores(source, images), _scores(export, images)
    if got.shape != expected.shape:
        shapes = f"{got.shape} for {expected.shape}"
        raise ParityError(f"{source.folder.title} as {export.format} gave scores {shapes}; nothing was published")
    return expected, got


def _scores(model: OpenModel, images: PixelBatch) -> Scores:
    parts: Sequence[Scores] = [
        predict_views(model.session.predict, images[at : at + _BATCH], model.record.tta_views)
        for at in range(0, len(images), _BATCH)
    ]
    scores = np.concatenate(parts)
    if not np.isfinite(scores).all():
        raise ParityError(
            f"{model.folder.title} as {model.format} gave scores that are no numbers; nothing was published"
        )
    return scores


def _map_differences(source: OpenModel, export: OpenModel, images: PixelBatch) -> tuple[dict[str, float | None], float]:
    """Of class activation maps and features, by field of the report, and of pixels, on a few images."""
    few = images[:: -(-len(images) // _BATCH)]  # a manifest may hold one class after the other
    cams = {field: _cam_difference(source, export, few, name) for field, (name, _) in CAMS.items()}
    cams["features"] = _feature_difference(source, export, few)
    return cams, _pixel_difference(source, export, few)


def _feature_difference(source: OpenModel, export: OpenModel, images: PixelBatch) -> float | None:
    """How far the features of an image lie apart, at most."""
    found = []
    for session in (source.session, export.session):
        if not isinstance(session, FeatureSession) or not session.gives_features:
            return None
        values = session.answer_with_features(images)[1]
        found.append(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12))
    if found[0].shape != found[1].shape:
        shapes = f"{found[1].shape} for {found[0].shape}"
        raise ParityError(f"{source.folder.title} as {export.format} gave features {shapes}; nothing was published")
    return float(np.linalg.norm(found[0] - found[1], axis=1).max())


def _pixel_difference(source: OpenModel, export: OpenModel, images: PixelBatch) -> float:
    """Largest difference of a pixel's probability; 0 for a classifier.

    A score is the largest of its map's pixels, so that a map turned over would have equal scores.
    """
    if not gives_maps(source.record.task):
        return 0.0
    expected, got = segment_images(source, list(images)), segment_images(export, list(images))
    if got.shape != expected.shape:
        shapes = f"{got.shape} for {expected.shape}"
        raise ParityError(f"{source.folder.title} as {export.format} gave maps {shapes}; nothing was published")
    return float(np.abs(expected - got).max())


def _cam_difference(source: OpenModel, export: OpenModel, images: PixelBatch, name: str) -> float | None:
    """Largest difference of an explainer's map over the hottest place that the image has in the maps of any class.

    A map is a sum of features that may nearly cancel: that of a class without evidence can end at 1e-6 where that of
    another class reaches 0.2, and is rounding noise then, whose own maximum is no scale.
    """
    ours, theirs = explainers_for(source).get(name), explainers_for(export).get(name)
    if ours is None or theirs is None:
        return None
    top, worst = np.full(len(images), 1e-12), np.zeros(len(images))
    for index in range(len(source.record.classes)):
        a = raw_maps(source, ours, images, index)
        b = raw_maps(export, theirs, images, index)
        if a.shape != b.shape:
            shapes = f"{b.shape} for {a.shape}"
            raise ParityError(f"{source.folder.title} as {export.format} gave maps {shapes}; nothing was published")
        top = np.maximum(top, np.abs(a).max(axis=(1, 2)))
        worst = np.maximum(worst, np.abs(a - b).max(axis=(1, 2)))
    return float((worst / top).max())
