"""Trainers and backbones with one promise broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lopore.contracts import Backbone, Batch, EpochReport, LearnRequest, Scores, Trainer
from lopore.errors import RunError

from .sound import BACKBONE, TRAINER, Cells, SoundLearner


class Idle(SoundLearner):
    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        return EpochReport(1.0, sum(len(batch.pixels) for batch in batches), 0.1, 0.1)


class Unseeded(SoundLearner):
    def __init__(self, request: LearnRequest) -> None:
        super().__init__(request)
        self.rng = np.random.default_rng()


class ForgetsItsDice(SoundLearner):
    def restore(self, folder: Path) -> None:
        super().restore(folder)
        self.rng = np.random.default_rng(self.request.seed)


class StartsAnewInSilence(SoundLearner):
    def restore(self, folder: Path) -> None:
        if (folder / "state.npz").is_file():
            super().restore(folder)


class KeepsItsWeights(SoundLearner):
    def load_weights(self, folder: Path) -> None:
        pass


class Miscounts(SoundLearner):
    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        report = super().fit_epoch(epoch, batches)
        return replace(report, images=report.images - 1)


class StretchesItsInput(SoundLearner):
    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        taken = list(batches)
        report = super().fit_epoch(epoch, taken)
        for batch in taken:
            batch.pixels[:] = batch.pixels // 2
        return report


class LearnsWhenItPredicts(SoundLearner):
    def predict(self, batches: Iterable[Batch]) -> Scores:
        scores = super().predict(batches)
        self.speed = 0.5 * self.speed
        return scores


class DividesBy255(SoundLearner):
    def predict(self, batches: Iterable[Batch]) -> Scores:
        return super().predict(Batch(np.minimum(batch.pixels, 255).astype(np.uint8)) for batch in batches)


class GoesOnWithNoise(SoundLearner):
    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        try:
            return super().fit_epoch(epoch, batches)
        except RunError:
            return EpochReport(float("nan"), BATCH_OF_THE_KIT, 1.0, 0.1)


BATCH_OF_THE_KIT = 32


class SumsOverPixels(SoundLearner):
    def predict(self, batches: Iterable[Batch]) -> Scores:
        scores = super().predict(batches)
        return scores * np.float32(64) if self.request.task == "segmentation" else scores


class MarksGroundInstead(SoundLearner):
    def segment(self, batches: Iterable[Batch]) -> Iterator[Any]:
        yield from (1 - maps for maps in super().segment(batches))


class MeanAsText(SoundLearner):
    def facts(self) -> Mapping[str, Any]:
        return {**super().facts(), "mean": ["0.5"] * self.request.network.channels}


class PublishesOthers(SoundLearner):
    def publish(self, folder: Path, calibration: Any = None) -> Sequence[str]:
        np.save(folder / "softmax.npy", 0.5 * self.weights)
        return ["softmax.npy"]


def _scaling(task: str, factor: float) -> type[Any]:
    class Scaled(SoundLearner):
        def predict(self, batches: Iterable[Batch]) -> Scores:
            scores: Scores = super().predict(batches)
            return scores * np.float32(factor) if self.request.task == task else scores

    return Scaled


TRAINER_FAULTS: dict[str, tuple[Trainer, set[str]]] = {
    "no device": (replace(TRAINER, devices=lambda: []), {"names_its_devices"}),
    "images are miscounted": (replace(TRAINER, learner=Miscounts), {"reports_what_it_saw"}),
    "its batches are changed": (replace(TRAINER, learner=StretchesItsInput), {"leaves_batches_untouched"}),
    "prediction changes training": (replace(TRAINER, learner=LearnsWhenItPredicts), {"predicting_changes_nothing"}),
    "16 bits are cut at 255": (replace(TRAINER, learner=DividesBy255), {"reads_16_bit_images"}),
    "a loss of NaN is passed on": (replace(TRAINER, learner=GoesOnWithNoise), {"stops_at_a_loss_that_is_no_number"}),
    "pixels are added up": (replace(TRAINER, learner=SumsOverPixels), {"segmentation_scores_are_probabilities"}),
    "the ground is marked": (replace(TRAINER, learner=MarksGroundInstead), {"anomaly_maps_rise_on_marks"}),
    "nothing is learned": (replace(TRAINER, learner=Idle), {"learns_the_tiny_set", "anomaly_maps_rise_on_marks"}),
    "no seed": (
        replace(TRAINER, learner=Unseeded), {"same_seed_same_result", "predicting_changes_nothing"}
    ),
    "random state is lost": (replace(TRAINER, learner=ForgetsItsDice), {"resumes_where_it_stopped"}),
    "no state, no word": (replace(TRAINER, learner=StartsAnewInSilence), {"refuses_an_empty_state"}),
    "weights are not loaded": (replace(TRAINER, learner=KeepsItsWeights), {"weights_come_back"}),
    "mean is text": (replace(TRAINER, learner=MeanAsText), {"states_mean_and_std"}),
    "other weights are published": (replace(TRAINER, learner=PublishesOthers), {"published_model_reopens"}),
    "binary rows sum to 0.9": (
        replace(TRAINER, learner=_scaling("binary", 0.9)), {"binary_rows_sum_to_one", "published_model_reopens"}
    ),
    "rows sum to 0.9": (replace(TRAINER, learner=_scaling("multiclass", 0.9)), {"multiclass_rows_sum_to_one"}),
    "scores above 1": (replace(TRAINER, learner=_scaling("multilabel", 9)), {"multilabel_scores_are_probabilities"}),
}  # fmt: skip


def _no_build(request: Any) -> Any:
    return None


ONLY = Cells()
BACKBONE_FAULTS: dict[str, tuple[Backbone, set[str]]] = {
    "nothing is built": (replace(BACKBONE, build=_no_build, explanation_layer=""), {"builds"}),
    "one network for all": (
        replace(BACKBONE, build=lambda request: ONLY), {"every_build_is_new"}
    ),
    "the layer is not there": (replace(BACKBONE, explanation_layer="grey.edges"), {"explanation_layer_exists"}),
    "every name is known": (replace(BACKBONE, family=lambda name: BACKBONE), {"family_knows_its_names"}),
}  # fmt: skip


class Wide(SoundLearner):
    """A column too many for images of ``channels`` channels."""

    channels = 1

    def predict(self, batches: Iterable[Batch]) -> Scores:
        scores: Scores = super().predict(batches)
        wide = self.request.network.channels == self.channels
        return np.concatenate([scores, scores[:, :1]], axis=1) if wide else scores


class WideInColour(Wide):
    channels = 3
