"""Sound images in one pass: places of a frozen backbone are sampled, and a memory bank or Gaussian is made of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lopore.contracts import Batch, EpochReport, LearnRequest, Scores
from lopore.errors import ConfigError, ModelError, RunError
from lopore.messages import counted
from lopore.record.score_calibration import ScoreCalibration
from lopore.training.gradient_accumulation import DataWaitTimer
from lopore.training.learner_refusals import unfit_state
from lopore.training_settings import Anomaly

from . import distributed
from .anomaly_network import AnomalyMapper
from .backbones import build, statistics_in_force
from .learner import PUBLISHED_FILE, WEIGHTS_FILE, begin, portable
from .network import to_maps, to_scores, to_tensor
from .sound_places import PlaceSample, covering, random_projection, whitening
from .state import read_state, write_state
from .trouble import errors_in_one_line
from .warm_start import begin_with, planes_of
from .weights import read_tensors, write_tensors

HELD_OUT, ONE_IN = 100_000, 5
"""Of every five images one is held out, up to so many places: how far they lie sets the distance of an even chance."""
WITHIN = 0.9
"""Share of the images held out that lie within that distance everywhere."""
LEAST_PLACES = 16
STATE = ("network", "learned")


class AnomalyLearner:
    """``lopore.contracts.MapLearner`` for task anomaly; always in fp32, on one device.

    In ``fit_epoch`` nothing moves but what compares: the backbone keeps the weights that it came with.
    """

    def __init__(self, request: LearnRequest) -> None:
        settings = request.network.anomaly
        if settings is None:
            raise ConfigError("a learner of task anomaly needs NetworkRequest.anomaly; give lopore's settings of it")
        if distributed.process_rank()[1] > 1:
            raise ConfigError("task anomaly is learned in one process; start it without a launcher")
        self.request, self.settings = request, settings
        self.device = begin(request)
        network = build(request.network, planes_of(request.start))
        assert isinstance(network, AnomalyMapper)
        self.started_from = begin_with(network, request.start, request) if request.start is not None else None
        self.network = network.to(self.device).requires_grad_(False).eval()
        self.learned: dict[str, Any] = {}

    def facts(self) -> Mapping[str, Any]:
        """See ``Learner.facts``; ``anomaly`` holds the settings, the size of the bank and what it was made of."""
        import timm

        network, request = self.network, self.request.network
        mean, std = statistics_in_force(network, request.channels, request.depth)
        bank = int(network.body.decoder.bank.shape[0])
        return {
            "backbone": request.backbone,
            "outputs": request.outputs,
            "dropout": 0.0,
            "mean": mean,
            "std": std,
            "planes": int(network.normalise.scale.numel()),
            "grey_input": "folded" if network.colour is None else "convolution",
            "anomaly": {**self.settings.model_dump(mode="json"), "bank": bank, **self.learned},
            "device": str(self.device),
            "processes": 1,
            "threads": torch.get_num_threads(),
            "precision": "fp32",
            "memory_format": "contiguous",
            "trials": [],
            "parameters": sum(p.numel() for p in network.parameters()),
            "trained_parameters": 0,
            **({"started_from": dict(self.started_from)} if self.started_from else {}),
            "exact_cam": False,
            "exact_cam_reason": "anomaly models show their own maps",
            "versions": {"torch": torch.__version__, "timm": timm.__version__},
        }

    @torch.no_grad()
    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        """See ``Learner.fit_epoch``: learns anew from what passes by; the loss is the mean squared distance, a
        dimension, of places held out, over that of an even chance."""
        begin = time.perf_counter()
        clock = DataWaitTimer(batches)
        fit = _Fit(self.network, self.settings, self.request.seed)
        with errors_in_one_line(self.request):
            for batch in clock:
                fit.add(to_tensor(batch.pixels, self.device), self._sound(batch))
            loss = fit.finish()
        seconds = time.perf_counter() - begin
        numbers = sum(value.numel() for value in self.network.body.decoder.buffers())
        self.learned = {
            "images": fit.images, "held_out": len(fit.held), "places_seen": fit.sample.seen,
            "places_sampled": len(fit.sample.rows), "mb": round(4 * numbers / 2**20, 2),
        }  # fmt: skip
        return EpochReport(
            loss=loss, images=fit.images, learning_rate=0.0, seconds=seconds, data_wait_seconds=clock.waited,
            news=self._news(),
        )  # fmt: skip

    def _news(self) -> str:
        learned, kept = self.learned, ""
        if self.settings.method == "memory-bank":
            kept = f", {counted(self.network.body.decoder.bank.shape[0], 'place')} kept"
        return (
            f"learned {counted(learned['images'], 'sound image')}, {learned['held_out']} of them held out for the "
            f"scale of the map: {learned['places_sampled']} of {learned['places_seen']} places sampled{kept}, "
            f"{learned['mb']} MB"
        )

    def _sound(self, batch: Batch) -> Tensor:
        """(N, h, w) bool: places of the grid with nothing but known, unmarked pixels in and next to them."""
        stride = self.settings.strides[0]
        if batch.targets is None:
            raise RunError("a training batch has no targets; give every image of the training split a label")
        masks = np.asarray(batch.targets)
        if masks.ndim != 3:
            raise RunError(f"targets of task anomaly are masks (N, H, W), not {masks.shape}")
        marked = torch.from_numpy((masks != 0).astype(np.float32))[:, None]
        cells = functional.max_pool2d(marked, stride, ceil_mode=True)
        return functional.max_pool2d(cells, 3, stride=1, padding=1)[:, 0] == 0

    @torch.inference_mode()
    def predict(self, batches: Iterable[Batch]) -> Scores:
        """See ``Learner.predict``."""
        rows = [
            to_scores(self.network(to_tensor(batch.pixels, self.device)), self.request.task).cpu().numpy()
            for batch in batches
        ]
        return np.concatenate(rows) if rows else np.zeros((0, len(self.request.classes)), np.float32)

    def segment(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.float32]]:
        """See ``MapLearner.segment``."""
        for batch in batches:
            with torch.inference_mode():
                drawn = to_maps(self.network(to_tensor(batch.pixels, self.device)))
            yield drawn.cpu().numpy()

    def observe(self, score: float) -> None:
        """See ``Learner.observe``; there is no schedule."""

    def save(self, folder: Path) -> None:
        """See ``Learner.save``: one file, ``learner.pt``, plain tensors and numbers."""
        write_state(folder, {"network": self.network.state_dict(), "learned": self.learned}, STATE)

    def restore(self, folder: Path) -> None:
        """See ``Learner.restore``."""
        state = read_state(folder, STATE)
        try:
            _load(self.network, state["network"])
            self.learned = dict(state["learned"])
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
            raise unfit_state(folder, error) from None

    def save_weights(self, folder: Path) -> None:
        """See ``Learner.save_weights``."""
        write_tensors(portable(self.network), folder / WEIGHTS_FILE)

    def load_weights(self, folder: Path) -> None:
        """See ``Learner.load_weights``."""
        try:
            _load(self.network, read_tensors(folder / WEIGHTS_FILE))
        except (RuntimeError, KeyError, TypeError, AttributeError) as error:
            text = " ".join(str(error).split())[:160]
            raise ModelError(f"{folder / WEIGHTS_FILE} does not fit this network: {text}") from None

    def publish(self, folder: Path, calibration: ScoreCalibration | None = None) -> Sequence[str]:
        """Write ``model_best.pth``, a state dict on the CPU that ``torch.load(..., weights_only=True)`` opens."""
        write_tensors(portable(self.network), folder / PUBLISHED_FILE)
        return [PUBLISHED_FILE]


def _load(network: AnomalyMapper, state: Mapping[str, Tensor]) -> None:
    """Take a state dict whose memory bank may have another number of places."""
    network.body.decoder.bank = network.body.decoder.bank.new_zeros(state["body.decoder.bank"].shape)
    network.load_state_dict(state)


class _Fit:
    """One pass: the first images standardise the channels, all are sampled, some are held out."""

    def __init__(self, network: AnomalyMapper, settings: Anomaly, seed: int) -> None:
        self.network, self.settings, self.seed = network, settings, seed
        self.sample = PlaceSample(settings.places, seed)
        self.held: list[Tensor] = []
        self.images = 0
        self._ready = False

    def add(self, pixels: Tensor, sound: Tensor) -> None:
        """One batch: pixels (N, H, W, C), and which places (N, h, w) are learned from."""
        part = self.network.body.decoder
        stacked = part.stack(self.network.encode(pixels))
        if not self._ready:
            self._standardise(stacked, sound)
        if not self._ready:
            return
        described = part.describe(stacked).permute(0, 2, 3, 1).float().cpu()
        for one, places in zip(described, sound, strict=True):
            chosen = one[places]
            if len(chosen) and self.images % ONE_IN == ONE_IN - 1 and sum(map(len, self.held)) < HELD_OUT:
                self.held.append(chosen)
            elif len(chosen):
                self.sample.add(chosen)
            self.images += 1

    def _standardise(self, stacked: Tensor, sound: Tensor) -> None:
        values = stacked.permute(0, 2, 3, 1).cpu()[sound].double()
        if len(values) < LEAST_PLACES:
            return
        deviation, mean = values.std(dim=0), values.mean(dim=0)
        deviation = deviation.clamp_min(1e-3 * float(deviation.mean()) + 1e-12)
        part = self.network.body.decoder
        projection, offset = random_projection(len(part.offset), deviation, mean, self.seed)
        part.projection.copy_(projection)
        part.offset.copy_(offset)
        self._ready = True

    def finish(self) -> float:
        """Make what sound places are compared with; returns the mean squared distance of places held out."""
        if self.sample.seen < LEAST_PLACES or not self._ready:
            raise RunError(
                f"the sound images give {self.sample.seen} places to learn from, {LEAST_PLACES} are needed; add "
                "images, or set anomaly.strides to smaller ones"
            )
        rows, part = self.sample.rows, self.network.body.decoder
        if self.settings.method == "gaussian":
            matrix, mean = whitening(rows)
            projection, offset = part.projection.double().cpu(), part.offset.double().cpu()
            part.projection.copy_((matrix @ projection).float())
            part.offset.copy_((matrix @ (offset - mean)).float())
            bank = torch.zeros((1, rows.shape[1]))
            self.held = [(matrix @ (one.double() - mean).T).T.float() for one in self.held]
            rows = (matrix @ (rows.double() - mean).T).T.float()
        else:
            bank = covering(rows, self.settings.bank)
        part.bank = bank.to(part.projection.device)
        far = [self._distances(one) for one in self.held or [rows]]
        peaks = torch.stack([one.max() for one in far])
        level = torch.quantile(peaks, WITHIN, interpolation="higher").clamp_min(1e-6)
        self.network.body.segmentation_head.level.copy_(level)
        return float(torch.cat(far).mean() / level)

    def _distances(self, rows: Tensor) -> Tensor:
        """(n,) squared distances of described places (n, D)."""
        part = self.network.body.decoder
        return part.distance(rows.T[None, :, :, None].to(part.bank.device)).flatten().cpu()
