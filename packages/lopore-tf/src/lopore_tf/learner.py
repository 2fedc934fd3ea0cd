"""Training in TensorFlow: one epoch at a time, precision, averaging, several devices, and the state of it all."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Batch, EpochReport, LearnRequest, Scores
from lopore.errors import ConfigError, ModelError
from lopore.record.score_calibration import ScoreCalibration
from lopore.training.gradient_accumulation import DataWaitTimer, groups
from lopore.training.learner_refusals import check_loss, unfit_state
from lopore.training.learning_rate import LearningRateSchedule
from lopore.training.precision_trial import ComputePlan, Trial

from . import distributed, precision
from .backbones import build, cam_support, normalisation_of, statistics_in_force
from .cluster import process_rank
from .export import probabilities
from .freezing import frozen_layers, groups_of
from .optimizer import Updater
from .precision import LossScale
from .start import keras, tf
from .state import (
    WEIGHTS_FILE,
    random_states,
    read_arrays,
    read_state,
    set_random_states,
    set_weights,
    weights_of,
    write_arrays,
    write_state,
)
from .step import Step
from .warm_start import begin_with, normalisation_to_begin_with

PUBLISHED_FILE = "model_best.keras"
CHECK_EVERY = 16
"""Steps between looks at the loss on a GPU, where a look waits for the device."""


class TensorFlowLearner:
    """``lopore.contracts.Learner`` for TensorFlow.

    Random numbers of an epoch depend on seed, epoch, step and device only. The first batch decides the precision by a
    short trial, unless the run is deterministic or goes on from a saved state.
    """

    def __init__(self, request: LearnRequest) -> None:
        self.request = request
        distributed.prepare(request.threads)
        self.rank, self.world = process_rank()
        self.devices, self.strategy = distributed.start(request.device)
        if request.compile and self.strategy.num_replicas_in_sync > 1:
            raise ConfigError("training.compile (XLA) needs one device; set it to false, or name one device")
        if request.deterministic:
            tf.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(request.seed)
        with self.strategy.scope():
            self.network = build(request.network, normalisation_to_begin_with(request.start, request.network.depth))
            start = request.start
            self.started_from = begin_with(self.network, start, request) if start is not None else None
            self.averaged = keras.models.clone_model(self.network) if request.ema_decay > 0 else None
            if self.averaged is not None:
                set_weights(self.averaged, weights_of(self.network))
            frozen = frozen_layers(self.network, request.freeze)
            self.updater = Updater(request.optimizer, groups_of(self.network, frozen, request.optimizer))
        self.step_graphs = Step(request, self.network, self.averaged, frozen, self.updater, self.strategy)
        self.cam = cam_support(self.network, request.network.size, request.network.channels)
        self.rate = LearningRateSchedule(request.schedule, request.epochs, request.steps_per_epoch)
        self.learning_rate = request.optimizer.learning_rate
        self.plan: ComputePlan | None = None
        self.trials: list[Trial[ComputePlan]] = []
        self.scale = LossScale(on=False)
        self.step = 0
        if request.deterministic or self.world > 1:  # machines would not always find the same one the fastest
            self._adopt(precision.fixed_plan(request.precision), [])

    def facts(self) -> Mapping[str, Any]:
        """See ``Learner.facts``; also what rebuilds the network: backbone, outputs, dropout, normalisation."""
        network, request = self.network, self.request.network
        mean, std = statistics_in_force(network, request.channels, request.depth)
        scale, shift = normalisation_of(network)
        return {
            "backbone": request.backbone,
            "outputs": request.outputs,
            "dropout": request.dropout,
            "mean": mean,
            "std": std,
            "planes": len(scale),
            "grey_input": request.grey_input,
            "normalisation": [list(scale), list(shift)],
            "device": distributed.config_names(self.devices),
            "processes": self.world,
            "devices": self.step_graphs.replicas,
            "threads": distributed.threads_in_force(),
            "precision": self.plan.precision if self.plan else "chosen at the first batch",
            "memory_format": self.plan.layout if self.plan else "chosen at the first batch",
            "trials": [trial.as_data() for trial in self.trials],
            "parameters": _count(network.trainable_weights),
            "trained_parameters": _count(self.updater.variables),
            **({"started_from": dict(self.started_from)} if self.started_from else {}),
            "exact_cam": self.cam[0],
            "exact_cam_reason": self.cam[1],
            "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
        }

    @property
    def _on_cpu(self) -> bool:
        return self.devices[0].startswith("CPU")

    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        """See ``Learner.fit_epoch``."""
        begin = time.perf_counter()
        seed = int(np.random.SeedSequence([self.request.seed, epoch, 0]).generate_state(1)[0]) >> 1
        clock = DataWaitTimer(batches)
        total: Any = 0.0
        images = 0
        for number, group in enumerate(groups(clock, self.request.accumulation_steps)):
            if self.plan is None:
                self._try_plans(group[0])
            total += self._step(group, seed)
            images += sum(batch.global_batch_size or len(batch.pixels) for batch in group)
            if self._on_cpu or number % CHECK_EVERY == 0:
                self._check_loss(float(total), epoch)
        loss = float(total)
        self._check_loss(loss, epoch)
        return EpochReport(
            loss=loss / max(1, images), images=images, learning_rate=self.learning_rate,
            seconds=time.perf_counter() - begin, data_wait_seconds=clock.waited,
        )  # fmt: skip

    def _step(self, group: Sequence[Batch], seed: int) -> Any:
        """One optimiser step over a group of batches; returns the sum of the image losses."""
        assert self.plan is not None
        factor = self.rate.factor(self.step)
        self.learning_rate = self.request.optimizer.learning_rate * factor
        weight = min(self.request.ema_decay, (2 + self.step) / (11 + self.step))
        total, finite = self.step_graphs.run(
            self.plan, group, self.updater.numbers(factor), (seed, self.step), self.scale.factor, weight
        )
        good = not self.scale.on or bool(finite)
        self.updater.updates += good
        self.scale.update(good)
        self.step += 1
        return total

    def _check_loss(self, total: float, epoch: int) -> None:
        check_loss(total, epoch=epoch, step=self.step, learning_rate=self.request.optimizer.learning_rate)

    def _adopt(self, plan: ComputePlan, trials: list[Trial[ComputePlan]]) -> None:
        self.plan, self.trials = plan, trials
        self.scale = LossScale(on=plan.precision == "fp16")

    def _try_plans(self, batch: Batch) -> None:
        """Choose a plan by steps of no length on a batch; everything they moved is put back."""
        plans = precision.candidates(self.request.precision, self.devices[0])
        if len(plans) == 1:
            self._adopt(plans[0], [])
            return
        networks = [network for network in (self.network, self.averaged) if network is not None]
        before, moments = [weights_of(network) for network in networks], self.updater.state()
        still = self.updater.still()

        def step(plan: ComputePlan) -> None:
            group = [batch] * self.request.accumulation_steps
            float(self.step_graphs.run(plan, group, still, (0, 0), 1.0, 1.0)[0])

        trials = precision.choose(plans, step, self.devices[0])
        for network, weights in zip(networks, before, strict=True):
            set_weights(network, weights)
        self.updater.restore(moments)
        self._adopt(trials[0].plan, trials)

    @property
    def predicting(self) -> Any:
        """The network that predicts and is published: the averaged one where averaging is on."""
        return self.network if self.averaged is None else self.averaged

    def predict(self, batches: Iterable[Batch]) -> Scores:
        """See ``Learner.predict``; always in fp32. Of several processes each scores every n-th batch."""
        classes = len(self.request.classes)
        parts = [
            self.step_graphs.scores(batch.pixels)
            if number % self.world == self.rank
            else np.zeros((len(batch.pixels), classes), np.float32)
            for number, batch in enumerate(batches)
        ]
        scores = np.concatenate(parts) if parts else np.zeros((0, classes), np.float32)
        return scores if self.world == 1 else self.step_graphs.gathered(scores)

    def segment(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.float32]]:
        """See ``MapLearner.segment``; always in fp32."""
        for batch in batches:
            yield self.step_graphs.maps(batch.pixels)

    def observe(self, score: float) -> None:
        """See ``Learner.observe``."""
        self.rate.observe(score)

    def save(self, folder: Path) -> None:
        """See ``Learner.save``: one file, ``learner.safetensors``, plain arrays and numbers."""
        arrays, random = random_states()
        write_state(
            folder,
            {
                "network": weights_of(self.network),
                "averaged": None if self.averaged is None else weights_of(self.averaged),
                "optimizer": self.updater.state(),
                "random": arrays,
            },
            {
                "rate": self.rate.state(),
                "scaler": self.scale.state(),
                "plan": [self.plan.precision, self.plan.layout] if self.plan else None,
                "trials": [trial.as_data() for trial in self.trials],
                "step": self.step,
                "random": random,
            },
        )

    def restore(self, folder: Path) -> None:
        """See ``Learner.restore``."""
        arrays, values = read_state(folder)
        if (arrays["averaged"] is None) != (self.averaged is None):
            raise ModelError(
                f"{folder} was saved with another training.ema_decay; resume with the config it was started with"
            )
        try:
            set_weights(self.network, arrays["network"] or {})
            if self.averaged is not None:
                set_weights(self.averaged, arrays["averaged"] or {})
            self.updater.restore(arrays["optimizer"] or {})
            if values["plan"] is not None:
                tried = [Trial(ComputePlan(t["precision"], t["layout"]), t["seconds"]) for t in values["trials"]]
                self._adopt(ComputePlan(*values["plan"]), tried)
            self.scale.restore(values["scaler"])
            self.rate.restore(values["rate"])
            self.step = int(values["step"])
            set_random_states(arrays["random"] or {}, values["random"])
        except (KeyError, ValueError, TypeError) as error:
            raise unfit_state(folder, error) from None

    def save_weights(self, folder: Path) -> None:
        """See ``Learner.save_weights``."""
        write_arrays(folder / WEIGHTS_FILE, weights_of(self.predicting))

    def load_weights(self, folder: Path) -> None:
        """See ``Learner.load_weights``; the network in training and the averaged one both take them."""
        weights, _ = read_arrays(folder / WEIGHTS_FILE)
        for network in (self.network, self.averaged):
            try:
                if network is not None:
                    set_weights(network, weights)
            except ValueError as error:
                raise ModelError(f"{folder / WEIGHTS_FILE} does not fit this network: {error}") from None

    def publish(self, folder: Path, calibration: ScoreCalibration | None = None) -> Sequence[str]:
        """Write ``model_best.keras``: raw pixels to calibrated probabilities, of standard Keras layers only."""
        probabilities(self.predicting, self.request.task, calibration).save(folder / PUBLISHED_FILE)
        return [PUBLISHED_FILE]


def _count(variables: Iterable[Any]) -> int:
    return sum(math.prod(variable.shape) for variable in variables)
