"""What every trainer promises, one function a promise; the tiny set is grain with dark or bright discs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import ANOMALY, Task
from lopore.contracts import EpochReport, Learner, LearnRequest, MapLearner, Trainer
from lopore.errors import ModelError, RunError

from .check import NotJudged, require
from .images import in_batches
from .learning import BATCH, CLASSES, HELD_OUT, area_under_curve, material, request_for
from .workshop import Workshop

REOPENED = 1e-5
DEPTHS = 1e-3
SHORT = 2 * BATCH


def checks_for(trainer: Trainer) -> Iterator[Callable[[Trainer, Workshop], None]]:
    """The promises that this descriptor makes."""
    yield from (
        names_its_devices,
        reports_what_it_saw,
        leaves_batches_untouched,
        predicting_changes_nothing,
        reads_16_bit_images,
        stops_at_a_loss_that_is_no_number,
        learns_the_tiny_set,
        same_seed_same_result,
        resumes_where_it_stopped,
        refuses_an_empty_state,
        weights_come_back,
        states_mean_and_std,
        published_model_reopens,
    )
    if "binary" in trainer.tasks:
        yield binary_rows_sum_to_one
    if "multiclass" in trainer.tasks:
        yield multiclass_rows_sum_to_one
    if "multilabel" in trainer.tasks:
        yield multilabel_scores_are_probabilities
    if "segmentation" in trainer.tasks:
        yield segmentation_scores_are_probabilities
    if ANOMALY in trainer.tasks:
        yield anomaly_maps_rise_on_marks


def names_its_devices(trainer: Trainer, workshop: Workshop) -> None:
    """It lists at least one device by name."""
    devices = list(trainer.devices())
    require(bool(devices) and all(isinstance(name, str) and name for name in devices), f"devices() gave {devices!r}")


def learns_the_tiny_set(trainer: Trainer, workshop: Workshop) -> None:
    """Bright discs are told from dark ones: AUC of at least 0.9 on images it never saw."""
    score = workshop.trained(trainer.framework, workshop.main_task(trainer))[1]
    require(score >= 0.9, f"its best AUC on held-out images is {score:.3f}; at least 0.9 is asked")


def _short(trainer: Trainer, workshop: Workshop, task: Task | None = None) -> tuple[Learner, LearnRequest]:
    backbone = workshop.backbone(trainer.framework)
    request = request_for(
        trainer, backbone, task or workshop.main_task(trainer), epochs=2, steps_per_epoch=SHORT // BATCH
    )
    return trainer.learner(request), request


def _fit(learner: Learner, request: LearnRequest, epoch: int) -> float:
    loss = learner.fit_epoch(epoch, in_batches(*material(request, SHORT, seed=3 + epoch), BATCH)).loss
    learner.observe(0.5)
    return float(loss)


def _scores(learner: Learner, request: LearnRequest) -> NDArray[Any]:
    return np.asarray(learner.predict(in_batches(*material(request, HELD_OUT, seed=2), BATCH)))


def reports_what_it_saw(trainer: Trainer, workshop: Workshop) -> None:
    """An epoch's report counts the images it was given; loss, rate and seconds are sound numbers."""
    learner, request = _short(trainer, workshop)
    report = learner.fit_epoch(0, in_batches(*material(request, SHORT, seed=3), BATCH))
    require(isinstance(report, EpochReport), f"fit_epoch gave {type(report).__name__}, not an EpochReport")
    require(report.images == SHORT, f"it reports {report.images} images of {SHORT}")
    numbers = (report.loss, report.learning_rate, report.seconds, report.data_wait_seconds)
    require(all(np.isfinite(number) for number in numbers), f"its report holds what is no number: {report}")
    require(report.learning_rate >= 0 and report.seconds > 0, f"its report says {report}")


def leaves_batches_untouched(trainer: Trainer, workshop: Workshop) -> None:
    """Pixels and targets that it learned from or predicted are the same afterwards: other epochs get them again."""
    learner, request = _short(trainer, workshop)
    pixels, targets = material(request, SHORT, seed=3)
    given = pixels.copy(), targets.copy()
    learner.fit_epoch(0, in_batches(*given, BATCH))
    list(learner.predict(in_batches(*given, BATCH)))
    require(bool((given[0] == pixels).all()), "it changed the pixels that it was given")
    require(bool((given[1] == targets).all()), "it changed the targets that it was given")


def predicting_changes_nothing(trainer: Trainer, workshop: Workshop) -> None:
    """Two predictions in a row are equal, and training goes on as if there had been none."""
    runs = []
    for count in (1, 3):
        learner, request = _short(trainer, workshop)
        _fit(learner, request, 0)
        scores = [_scores(learner, request) for _ in range(count)]
        require(bool((scores[0] == scores[-1]).all()), "the same images get other scores the second time")
        runs.append(_fit(learner, request, 1))
    require(runs[0] == runs[1], f"the next loss is {runs[0]} after one prediction and {runs[1]} after three")


def reads_16_bit_images(trainer: Trainer, workshop: Workshop) -> None:
    """An image in 16 bits, made of one in 8, gets its scores: grey values are divided by the full range of a depth."""
    learner, request = _short(trainer, workshop)
    deep = trainer.learner(replace(request, network=replace(request.network, depth=16)))
    pixels, targets = material(request, HELD_OUT, seed=2)
    expected = np.asarray(learner.predict(in_batches(pixels, targets, BATCH)), np.float64)
    got = np.asarray(deep.predict(in_batches(pixels.astype(np.uint16) * 257, targets, BATCH)), np.float64)
    difference = float(np.abs(expected - got).max())
    require(difference <= DEPTHS, f"in 16 bits the scores of the same images differ by {difference:.1e}")


def stops_at_a_loss_that_is_no_number(trainer: Trainer, workshop: Workshop) -> None:
    """A loss that is infinite or NaN is a RunError, never a model of noise."""
    _, request = _short(trainer, workshop)
    wild = request.optimizer.model_copy(update={"learning_rate": 1e30})
    nan = (float("nan"),) * len(request.classes)
    learner = trainer.learner(replace(request, optimizer=wild, class_weights=nan, epochs=4))
    for epoch in range(4):
        try:
            with np.errstate(all="ignore"):
                loss = _fit(learner, request, epoch)
        except RunError:
            return
        require(bool(np.isfinite(loss)), f"it reports the loss {loss} and goes on; raise RunError")
    raise NotJudged("no learning rate and no weight made its loss infinite")


def same_seed_same_result(trainer: Trainer, workshop: Workshop) -> None:
    """In deterministic mode two runs of one seed end with the same loss and the same scores, bit by bit."""
    results = []
    for _ in range(2):
        learner, request = _short(trainer, workshop)
        results.append((_fit(learner, request, 0), _scores(learner, request)))
    (loss, scores), (other_loss, other_scores) = results
    require(loss == other_loss, f"the losses of two runs of one seed are {loss} and {other_loss}")
    difference = float(np.abs(scores - other_scores).max())
    require(difference == 0, f"scores of two runs of one seed differ by {difference:.1e}")


def resumes_where_it_stopped(trainer: Trainer, workshop: Workshop) -> None:
    """Saved after one epoch, restored into a new learner and trained on, it ends as the uninterrupted run does."""
    learner, request = _short(trainer, workshop)
    _fit(learner, request, 0)
    folder = workshop.folder("state")
    learner.save(folder)
    expected_loss = _fit(learner, request, 1)
    expected = _scores(learner, request)
    resumed, _ = _short(trainer, workshop)
    resumed.restore(folder)
    loss = _fit(resumed, request, 1)
    require(loss == expected_loss, f"the loss after resuming is {loss}, uninterrupted it is {expected_loss}")
    difference = float(np.abs(_scores(resumed, request) - expected).max())
    require(difference == 0, f"scores after resuming differ by {difference:.1e}: a part of the state is not saved")


def refuses_an_empty_state(trainer: Trainer, workshop: Workshop) -> None:
    """Restoring from a folder without a state is a ModelError, never a silent new start."""
    learner, _ = _short(trainer, workshop)
    try:
        learner.restore(workshop.folder("empty"))
    except ModelError:
        return
    raise AssertionError("restore of an empty folder passes in silence; raise ModelError")


def weights_come_back(trainer: Trainer, workshop: Workshop) -> None:
    """Weights that were saved predict the same again after training went on."""
    learner, request = _short(trainer, workshop)
    _fit(learner, request, 0)
    folder = workshop.folder("weights")
    learner.save_weights(folder)
    before = _scores(learner, request)
    _fit(learner, request, 1)
    learner.load_weights(folder)
    difference = float(np.abs(_scores(learner, request) - before).max())
    require(difference == 0, f"scores differ by {difference:.1e} after load_weights")


def states_mean_and_std(trainer: Trainer, workshop: Workshop) -> None:
    """Its facts hold the mean and std that the network applies, one number a channel."""
    learner, request = _short(trainer, workshop)
    facts = learner.facts()
    for name in ("mean", "std"):
        values = facts.get(name)
        require(
            isinstance(values, list | tuple)
            and len(values) == request.network.channels
            and all(isinstance(value, float | int) and np.isfinite(value) for value in values),
            f"facts()['{name}'] is {values!r}; a list of {request.network.channels} number(s)",
        )
    require(min(facts["std"]) > 0, f"facts()['std'] is {facts['std']!r}; it is positive")


def published_model_reopens(trainer: Trainer, workshop: Workshop) -> None:
    """What it publishes opens with the predictor of its native format and gives the learner's own scores."""
    learner, _, folder = workshop.trained(trainer.framework, workshop.main_task(trainer))
    require(
        trainer.native_format in folder.record.formats,
        f"publish names no {trainer.native_format} file; it wrote {[file.path for file in folder.record.files]}",
    )
    predictor = workshop.predictor(trainer.native_format)
    session = predictor.opens(folder, "cpu", 1)
    record = folder.record.preprocessing
    request = request_for(trainer, workshop.backbone(trainer.framework), folder.record.task)
    pixels, targets = material(request, HELD_OUT, seed=2)
    require(pixels.shape[1:] == (*record.size, record.channels), f"the record says {record.size}, {record.channels}")
    expected = np.asarray(learner.predict(in_batches(pixels, targets, BATCH)), np.float64)
    got = np.asarray(session.predict(pixels), np.float64)
    session.close()
    require(got.shape == expected.shape, f"reopened it gives scores {got.shape}, the learner {expected.shape}")
    difference = float(np.abs(got - expected).max())
    require(difference <= REOPENED, f"reopened its scores differ by {difference:.1e}; {REOPENED:.0e} is allowed")


def _checked_scores(trainer: Trainer, workshop: Workshop, task: Task) -> NDArray[Any]:
    learner, request = _short(trainer, workshop, task)
    _fit(learner, request, 0)
    scores = _scores(learner, request)
    _are_probabilities(scores, task)
    return scores


def _are_probabilities(scores: NDArray[Any], task: Task) -> None:
    shape = (HELD_OUT, len(CLASSES[task]))
    require(scores.shape == shape, f"{task}: predict gave {scores.shape}, not {shape}")
    require(
        bool(np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all()),
        f"{task}: scores reach from {np.nanmin(scores):.3g} to {np.nanmax(scores):.3g}; they are probabilities",
    )


def _sum_to_one(scores: NDArray[Any], task: str) -> None:
    off = float(np.abs(scores.astype(np.float64).sum(axis=1) - 1).max())
    require(off <= 1e-5, f"{task}: a row sums to 1 but for {off:.1e}")


def binary_rows_sum_to_one(trainer: Trainer, workshop: Workshop) -> None:
    """Binary: one row an image, two columns, that sum to 1."""
    _sum_to_one(_checked_scores(trainer, workshop, "binary"), "binary")


def multiclass_rows_sum_to_one(trainer: Trainer, workshop: Workshop) -> None:
    """Multiclass: one row an image, one column a class, that sum to 1."""
    _sum_to_one(_checked_scores(trainer, workshop, "multiclass"), "multiclass")


def segmentation_scores_are_probabilities(trainer: Trainer, workshop: Workshop) -> None:
    """Segmentation: it learns from masks; one row an image, a class's score is its largest probability of a pixel."""
    scores, _ = workshop.segmenter(trainer.framework)
    _are_probabilities(scores, "segmentation")


def anomaly_maps_rise_on_marks(trainer: Trainer, workshop: Workshop) -> None:
    """Anomaly: in one epoch it learns what masks leave unmarked; its maps are higher on marks, the same for a seed."""
    backbone = workshop.backbone(trainer.framework)
    request = request_for(trainer, backbone, ANOMALY, epochs=1, steps_per_epoch=SHORT // BATCH)
    pixels, masks = material(request, HELD_OUT, seed=2)
    drawn = []
    for _ in range(2):
        learner = trainer.learner(request)
        require(isinstance(learner, MapLearner), "its learner has no segment(batches)")
        assert isinstance(learner, MapLearner)
        learner.fit_epoch(0, in_batches(*material(request, SHORT, seed=3), BATCH))
        drawn.append(np.concatenate(list(learner.segment(in_batches(pixels, masks, BATCH)))))
    maps = drawn[0]
    require(maps.shape == (HELD_OUT, 1, *request.network.size), f"its maps are {maps.shape}")
    require(bool(np.isfinite(maps).all() and maps.min() >= 0 and maps.max() <= 1), "its maps are no probabilities")
    require(bool((drawn[0] == drawn[1]).all()), "the same seed gives other maps the second time")
    inside, outside = (maps[:, 0][part][::7] for part in (masks > 0, masks == 0))
    values, marked = np.concatenate([inside, outside]), np.arange(len(inside) + len(outside)) < len(inside)
    area = area_under_curve(values, marked)
    require(area >= 0.8, f"of its maps marks have a ROC AUC of {area:.3f}; at least 0.8 is asked")


def multilabel_scores_are_probabilities(trainer: Trainer, workshop: Workshop) -> None:
    """Multilabel: one row an image, every class between 0 and 1 by itself."""
    _checked_scores(trainer, workshop, "multilabel")
