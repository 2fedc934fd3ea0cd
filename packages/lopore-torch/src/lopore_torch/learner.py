"""Training in PyTorch: one epoch at a time, precision, averaging, several processes, and the state of it all."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lopore.contracts import Batch, EpochReport, LearnRequest, Scores
from lopore.errors import ModelError, RunError
from lopore.record.score_calibration import ScoreCalibration
from lopore.training.gradient_accumulation import DataWaitTimer, groups
from lopore.training.learner_refusals import check_loss, unfit_state
from lopore.training.learning_rate import LearningRateSchedule
from lopore.training.precision_trial import Trial, rank

from . import distributed, precision
from .backbones import build, cam_support, statistics_in_force
from .feature_store import FeatureStore
from .freezing import build_optimizer, freeze, frozen_modules
from .losses import image_loss
from .memory import keep_freed_memory
from .network import Classifier, Network, Segmenter, to_maps, to_scores, to_tensor
from .precision import Plan
from .state import random_states, read_state, set_random_states, write_state
from .trouble import errors_in_one_line
from .warm_start import begin_with, planes_of
from .weights import read_tensors, write_tensors

WEIGHTS_FILE = "weights.pth"
PUBLISHED_FILE = "model_best.pth"
CHECK_EVERY = 16
"""Steps between looks at the loss on a GPU, where a look waits for the device."""


class TorchLearner:
    """``lopore.contracts.Learner`` for PyTorch.

    Random numbers of an epoch depend on seed, epoch and rank only. The first batch decides precision and layout by a
    short trial, unless the run is deterministic or goes on from a saved state.
    """

    def __init__(self, request: LearnRequest) -> None:
        self.request = request
        self.rank, self.world = distributed.process_rank()
        self.device = begin(request)
        distributed.join(self.device)
        network = build(request.network, planes_of(request.start))
        self.started_from = begin_with(network, request.start, request) if request.start is not None else None
        freeze(network, request.freeze)
        self.cam = cam_support(network, request.network.size, request.network.channels, request.network.depth)
        network.to(self.device)
        self.averaged = copy.deepcopy(network).eval() if request.ema_decay > 0 else None
        if self.world > 1:
            network = cast(Network, distributed.share_statistics(network, self.device))
        self.network = network
        self.runner: nn.Module | None = None
        alone = self.world == 1 and not request.compile
        self.store = FeatureStore() if alone and request.freeze == "backbone" and _keeps_features(network) else None
        self.optimizer = build_optimizer(network, request.optimizer, self.device.type)
        self.rate = LearningRateSchedule(request.schedule, request.epochs, request.steps_per_epoch)
        self.plan: Plan | None = None
        self.trials: list[Trial[Plan]] = []
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=False)
        self.step = 0
        self.image_loss = image_loss(
            request.losses, task=request.task, classes=len(request.classes), class_weights=request.class_weights,
            label_smoothing=request.label_smoothing,
        )  # fmt: skip
        if request.deterministic:
            self._adopt(precision.fixed_plan(request.precision), [])

    def facts(self) -> Mapping[str, Any]:
        """See ``Learner.facts``; also what rebuilds the network: backbone, outputs, dropout."""
        import timm

        network, request = self.network, self.request.network
        mean, std = statistics_in_force(network, request.channels, request.depth)
        trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
        return {
            "backbone": request.backbone,
            "outputs": request.outputs,
            "dropout": request.dropout,
            "mean": mean,
            "std": std,
            "planes": int(network.normalise.scale.numel()),
            "grey_input": "folded" if network.colour is None else "convolution",
            "device": str(self.device),
            "processes": self.world,
            "threads": torch.get_num_threads(),
            "precision": self.plan.precision if self.plan else "chosen at the first batch",
            "memory_format": self.plan.layout if self.plan else "chosen at the first batch",
            "trials": [trial.as_data() for trial in self.trials],
            "parameters": sum(p.numel() for p in network.parameters()),
            "trained_parameters": trained,
            **({"started_from": dict(self.started_from)} if self.started_from else {}),
            "exact_cam": self.cam[0],
            "exact_cam_reason": self.cam[1],
            "versions": {"torch": torch.__version__, "timm": timm.__version__},
        }

    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        """See ``Learner.fit_epoch``."""
        begin = time.perf_counter()
        torch.manual_seed(np.random.SeedSequence([self.request.seed, epoch, self.rank]).generate_state(1)[0].item())
        clock = DataWaitTimer(batches)
        total = self._nought()
        images = 0
        self._train_mode()
        for number, group in enumerate(groups(clock, self.request.accumulation_steps)):
            with errors_in_one_line(self.request):
                if self.plan is None:
                    self._try_plans(group[0])
                total += self._step(group)
            images += sum(len(batch.pixels) for batch in group)
            if self.device.type == "cpu" or number % CHECK_EVERY == 0:
                self._check_loss(float(total), epoch)
        loss, seen = distributed.sum_over_processes([float(total), float(images)], self.device)
        self._check_loss(loss, epoch)
        return EpochReport(
            loss=loss / max(1.0, seen), images=int(seen), learning_rate=float(self.optimizer.param_groups[0]["lr"])
            / float(self.optimizer.param_groups[0]["factor"]),
            seconds=time.perf_counter() - begin, data_wait_seconds=clock.waited,
        )  # fmt: skip

    def _nought(self) -> Tensor:
        """Where losses add up: float64, which Apple's GPUs lack."""
        return torch.zeros((), dtype=torch.float32 if self.device.type == "mps" else torch.float64, device=self.device)

    def _train_mode(self) -> None:
        self.network.train()
        for module in frozen_modules(self.network):
            module.eval()

    def _step(self, group: Sequence[Batch]) -> Tensor:
        """One optimiser step over a group of batches; returns the sum of this process's image losses."""
        images = sum(batch.global_batch_size or len(batch.pixels) for batch in group)
        runner = self._runner()
        losses = self._nought()
        for number, batch in enumerate(group):
            alone = number + 1 < len(group) and isinstance(runner, nn.parallel.DistributedDataParallel)
            with runner.no_sync() if alone else nullcontext():  # type: ignore[operator]
                loss = self._loss_sum(runner, batch, cast(Plan, self.plan))
                self.scaler.scale(loss * (self.world / images)).backward()  # type: ignore[no-untyped-call]
            losses += loss.detach().to(losses.dtype)
        self._update()
        return losses

    def _loss_sum(self, runner: nn.Module, batch: Batch, plan: Plan) -> Tensor:
        if batch.targets is None:
            raise RunError("a training batch has no targets; give every image of the training split a label")
        targets = torch.from_numpy(np.array(batch.targets)).to(self.device, non_blocking=True)
        if self.store is not None and batch.numbers is not None:
            features = self.store.features(self.network, batch.numbers, batch.pixels, self.device)
            self._train_mode()
            with plan.autocast(self.device):
                logits = self.network.decode(features)
            return self.image_loss(logits.float(), targets).sum()
        pixels = to_tensor(batch.pixels, self.device)
        with plan.autocast(self.device):
            logits = runner(pixels)
        return self.image_loss(logits.float(), targets).sum()

    def _update(self) -> None:
        factor = self.rate.factor(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.request.optimizer.learning_rate * group["factor"] * factor
        if self.request.optimizer.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.request.optimizer.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.averaged is not None:
            _update_average(self.averaged, self.network, self.request.ema_decay, self.step)

    def _check_loss(self, total: float, epoch: int) -> None:
        check_loss(total, epoch=epoch, step=self.step, learning_rate=self.request.optimizer.learning_rate)

    def _runner(self) -> nn.Module:
        if self.runner is None:
            runner = distributed.wrap(self.network, self.device)
            self.runner = cast(nn.Module, torch.compile(runner)) if self.request.compile else runner
        return self.runner

    def _adopt(self, plan: Plan, trials: list[Trial[Plan]]) -> None:
        self.plan, self.trials = plan, trials
        for network in (self.network, self.averaged):
            if network is not None:
                network.to(memory_format=plan.memory_format)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=plan.precision == "fp16")
        self.runner = None

    def _try_plans(self, batch: Batch) -> None:
        plans = precision.candidates(self.request.precision, self.device)
        buffers = {name: buffer.clone() for name, buffer in self.network.named_buffers()}
        states = random_states()
        self._train_mode()
        trials = precision.choose(plans, lambda plan: self._trial_step(batch, plan), self.device)
        ordered = sorted(trials, key=lambda trial: plans.index(trial.plan))
        seconds = distributed.sum_over_processes([trial.seconds for trial in ordered], self.device)
        trials = rank([Trial(plan, s / self.world) for plan, s in zip(plans, seconds, strict=True)])
        with torch.no_grad():
            for name, buffer in self.network.named_buffers():
                buffer.copy_(buffers[name])
        set_random_states(states)
        self._adopt(trials[0].plan, trials)

    def _trial_step(self, batch: Batch, plan: Plan) -> None:
        self.network.to(memory_format=plan.memory_format)
        self._loss_sum(self.network, batch, plan).backward()  # type: ignore[no-untyped-call]
        self.optimizer.zero_grad(set_to_none=True)

    @property
    def predicting(self) -> Network:
        """The network that predicts and is published: the averaged one where averaging is on."""
        return self.network if self.averaged is None else self.averaged

    @torch.inference_mode()
    def predict(self, batches: Iterable[Batch]) -> Scores:
        """See ``Learner.predict``; always in fp32. Of n processes each takes every n-th batch; all get all scores."""
        network = self.predicting.eval()
        parts: dict[int, Scores] = {}
        for number, batch in enumerate(batches):
            if number % self.world == self.rank:
                scores = to_scores(self._logits(network, batch), self.request.task)
                parts[number] = scores.float().cpu().numpy()
        gathered = distributed.gather_scores(parts)
        return np.concatenate(gathered) if gathered else np.zeros((0, len(self.request.classes)), np.float32)

    def _logits(self, network: Network, batch: Batch) -> Tensor:
        """Logits to predict by; the features of a frozen backbone are computed once for each image."""
        if self.store is None or batch.numbers is None:
            return cast(Tensor, network(to_tensor(batch.pixels, self.device)))
        return network.decode(self.store.features(network, batch.numbers, batch.pixels, self.device))

    def segment(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.float32]]:
        """See ``MapLearner.segment``; always in fp32, and every process draws all maps."""
        network = self.predicting.eval()
        for batch in batches:
            with torch.inference_mode():
                drawn = to_maps(self._logits(network, batch))
            yield drawn.float().cpu().numpy()

    def observe(self, score: float) -> None:
        """See ``Learner.observe``."""
        self.rate.observe(score)

    def save(self, folder: Path) -> None:
        """See ``Learner.save``: one file, ``learner.pt``, plain tensors and numbers."""
        parts = {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "rate": self.rate.state(),
            "scaler": self.scaler.state_dict(),
            "plan": [self.plan.precision, self.plan.layout] if self.plan else None,
            "trials": [trial.as_data() for trial in self.trials],
            "step": self.step,
            "random": random_states(),
        }
        write_state(folder, parts)

    def restore(self, folder: Path) -> None:
        """See ``Learner.restore``."""
        state = read_state(folder)
        if (state["averaged"] is None) != (self.averaged is None):
            raise ModelError(
                f"{folder} was saved with another training.ema_decay; resume with the config it was started with"
            )
        if self.store is not None:
            self.store.clear()
        try:
            if state["plan"] is not None:
                trials = [Trial(Plan(t["precision"], t["layout"]), t["seconds"]) for t in state["trials"]]
                self._adopt(Plan(*state["plan"]), trials)
            self.network.load_state_dict(state["network"])
            if self.averaged is not None:
                self.averaged.load_state_dict(state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.rate.restore(state["rate"])
            if self.scaler.is_enabled():
                self.scaler.load_state_dict(state["scaler"])
            self.step = int(state["step"])
            set_random_states(state["random"])
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise unfit_state(folder, error) from None

    def save_weights(self, folder: Path) -> None:
        """See ``Learner.save_weights``."""
        write_tensors(portable(self.predicting), folder / WEIGHTS_FILE)

    def load_weights(self, folder: Path) -> None:
        """See ``Learner.load_weights``; the network in training and the averaged one both take them."""
        state = read_tensors(folder / WEIGHTS_FILE)
        for network in (self.network, self.averaged):
            try:
                if network is not None:
                    network.load_state_dict(state)
            except (RuntimeError, TypeError) as error:
                text = " ".join(str(error).split())[:160]
                raise ModelError(f"{folder / WEIGHTS_FILE} does not fit this network: {text}") from None

    def publish(self, folder: Path, calibration: ScoreCalibration | None = None) -> Sequence[str]:
        """Write ``model_best.pth``, a state dict on the CPU that ``torch.load(..., weights_only=True)`` opens."""
        write_tensors(portable(self.predicting), folder / PUBLISHED_FILE)
        return [PUBLISHED_FILE]


def _keeps_features(network: nn.Module) -> bool:
    """Whether the halves of a network can be run apart, the first one without anything that training moves."""
    in_halves = isinstance(network, Classifier | Segmenter) and type(network).forward in (
        Classifier.forward, Segmenter.forward,
    )  # fmt: skip
    trained = {id(p) for p in network.parameters() if p.requires_grad}
    first = [module for name, module in network.named_children() if name == "colour"]
    first += [network.body.get_submodule("encoder")] if isinstance(network, Segmenter) else []
    return in_halves and not any(id(p) in trained for module in first for p in module.parameters())


def portable(network: nn.Module) -> dict[str, Tensor]:
    """A state dict for any device and layout."""
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}


@torch.no_grad()
def _update_average(averaged: nn.Module, network: nn.Module, weight: float, step: int) -> None:
    """Exponential averaging of weights and statistics; the early steps weigh less, so the start is soon forgotten."""
    weight = min(weight, (1 + step) / (10 + step))
    own, new = averaged.state_dict(), network.state_dict()
    floats = [name for name, value in own.items() if value.is_floating_point()]
    torch._foreach_lerp_([own[name] for name in floats], [new[name] for name in floats], 1.0 - weight)
    for name in own.keys() - set(floats):
        own[name].copy_(new[name])


def begin(request: LearnRequest) -> torch.device:
    """Ready this process for a request: threads, seed, memory, sums in one order. The device it computes on."""
    device = distributed.choose_device(request.device)
    if device.type == "cpu":
        keep_freed_memory()
    if request.threads:
        torch.set_num_threads(request.threads)
    if request.deterministic:
        _be_deterministic()
    torch.manual_seed(request.seed)
    return device


def _be_deterministic() -> None:
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # PyTorch documentation, "Reproducibility"
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
