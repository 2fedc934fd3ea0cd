"""One method of task anomaly over arrays: fitted, run and measured in a process of its own. Started by anomaly.py.

usage: anomaly_fit.py METHOD FOLDER ...

METHOD: memory-bank or gaussian of lopore-torch, or anomalib (its PatchCore, with as many places in its memory). Each
FOLDER holds ``train.npy`` and ``test.npy`` (N, H, W) uint8; it gets ``METHOD.npy`` (N, H, W) float32 maps,
``METHOD-scores.npy`` (N,), ``METHOD-level.npy`` (the 99 % quantile of the maps of the training images) and
``METHOD.json``. ``state.pth`` beside the folders holds the weights of the three-channel backbone for anomalib.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

BACKBONE, LAYERS = "tf_efficientnet_lite0", ("blocks.2", "blocks.4")
"""Of strides 8 and 16, in both."""
BANK, BATCH = 2000, 16
MEAN, STD = 127 / 255, 128 / 255
"""Of the weights that lopore-torch[offline] installs."""
Maps = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]


def batches(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for at in range(0, len(images), BATCH):
        yield images[at : at + BATCH]


def with_lopore(method: str, train: NDArray[np.uint8]) -> tuple[Maps, dict[str, Any]]:
    from lopore.contracts import Batch, LearnRequest, NetworkRequest
    from lopore.training_settings import Anomaly, Optimizer, Schedule
    from lopore_torch.anomaly_learner import AnomalyLearner

    settings = Anomaly.model_validate({"method": method, "bank": BANK})
    network = NetworkRequest(
        backbone=BACKBONE, outputs=2, channels=1, size=train.shape[1:3], pretrained="offline", anomaly=settings
    )
    request = LearnRequest(
        task="anomaly", classes=("anomaly",), network=network, optimizer=Optimizer(), schedule=Schedule(), epochs=1,
        steps_per_epoch=1, batch_size=BATCH, device="cpu", threads=1,
    )  # fmt: skip
    learner = AnomalyLearner(request)
    learner.fit_epoch(0, (Batch(part[..., None], np.zeros(part.shape, np.int64)) for part in batches(train)))

    def maps(part: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        drawn = next(iter(learner.segment([Batch(part[..., None])])))[:, 0]
        return drawn, drawn.max(axis=(1, 2))

    return maps, {"places": learner.facts()["anomaly"]["bank"]}


def with_anomalib(train: NDArray[np.uint8], state: Path) -> tuple[Maps, dict[str, Any]]:
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    model = PatchcoreModel(layers=LAYERS, backbone=BACKBONE, pre_trained=False)
    inner = model.feature_extractor.feature_extractor
    own = inner.state_dict()
    weights = torch.load(state, weights_only=True)
    inner.load_state_dict({name: weights[name] for name in own})
    model.eval()

    def tensor(part: NDArray[np.uint8]) -> torch.Tensor:
        grey = torch.from_numpy(part.astype(np.float32) / 255)[:, None].repeat(1, 3, 1, 1)
        return (grey - MEAN) / STD

    with torch.no_grad():
        model.train()
        model.feature_extractor.eval()
        for part in batches(train):
            model(tensor(part))
        seen = sum(map(len, model.embedding_store))
        model.subsample_embedding(min(1.0, BANK / seen))
        model.eval()

    def maps(part: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with torch.no_grad():
            found = model(tensor(part))
        return found.anomaly_map[:, 0].numpy(), found.pred_score.reshape(-1).numpy()

    return maps, {"places": len(model.memory_bank)}


def measure(method: str, folder: Path) -> None:
    train, test = np.load(folder / "train.npy"), np.load(folder / "test.npy")
    clock, processor = time.perf_counter(), time.process_time()
    made = with_anomalib(train, folder.parent / "state.pth") if method == "anomalib" else with_lopore(method, train)
    maps, facts = made
    fitted, fitted_processor = time.perf_counter(), time.process_time()
    parts = [maps(part) for part in batches(test)]
    facts |= {
        "fit_seconds": fitted - clock,
        "fit_processor_seconds": fitted_processor - processor,
        "ms_an_image": 1000 * (time.process_time() - fitted_processor) / len(test),
        "train_images": len(train),
        "test_images": len(test),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    np.save(folder / f"{method}.npy", np.concatenate([part[0] for part in parts]))
    np.save(folder / f"{method}-scores.npy", np.concatenate([part[1] for part in parts]))
    level = np.quantile(np.concatenate([maps(part)[0].ravel() for part in batches(train[:64])]), 0.99)
    np.save(folder / f"{method}-level.npy", level)
    (folder / f"{method}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name in sys.argv[2:]:
        measure(sys.argv[1], Path(name))
