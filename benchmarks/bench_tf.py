"""Training in TensorFlow: lopore beside Keras' own loops and lopore-torch, as ratios.

python benchmarks/bench_tf.py [--images FOLDER] [--backbones ...] [--images 96] [--rounds 3] [--json FILE]

arrays: `model.fit` over tf.data of the same images, ready in memory. files: `model.fit` over tf.data that decodes and
resizes the JPEG files in parallel each epoch. Both train the very network that lopore-tf builds, with Keras' AdamW in
fp32. torch: lopore-torch. lopore: lopore-tf as `lopore train` runs it, precision auto; its images come from memory
after the first epoch, as do those of torch. Each has a process of its own; in each round they take turns, one epoch
each, the others waiting; the medians of a round's ratios count.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from figures import arguments, keep
from material import REAL_FILMS, real_films, write_films
from turns import Turns

from lopore.augmentation.augmenter import Augmenter
from lopore.contracts import Learner, LearnRequest, NetworkRequest
from lopore.data.batches import training_batches
from lopore.data.image_cache import ImageCache
from lopore.plugins.registry import discover
from lopore.record.preprocessing import Preprocessing
from lopore.training.losses import chosen_losses
from lopore.training_settings import Loss, Optimizer, Schedule

SIZE, BATCH, CLASSES = 224, 16, 2
BACKBONES = ("resnet18", "mobilenetv3_small_100")
CANDIDATES = ("lopore", "arrays", "files", "torch")
TARGET = 0.95
Epoch = Callable[[], tuple[int, float]]
"""Trains one epoch; tells the images seen and the seconds waited for data, where that is known."""


def request_for(backbone: str, images: int, threads: int) -> LearnRequest:
    return LearnRequest(
        task="multiclass", classes=("class0", "class1"),
        network=NetworkRequest(backbone=backbone, outputs=CLASSES, channels=1, size=(SIZE, SIZE)),
        losses=chosen_losses(Loss(), "multiclass", "tf", discover().losses),
        optimizer=Optimizer(), schedule=Schedule(name="constant"), epochs=100, steps_per_epoch=images // BATCH,
        batch_size=BATCH, threads=threads,
    )  # fmt: skip


def learner_epochs(
    make: Callable[[LearnRequest], Learner], request: LearnRequest, files: list[Path]
) -> tuple[Epoch, Learner]:
    """Epochs as core's run drives a learner; the learner tells what precision it chose."""
    learner = make(request)
    pictures = ImageCache(files, Preprocessing(size=(SIZE, SIZE)))
    labels, count = np.arange(len(files)) % CLASSES, [0]

    def epoch() -> tuple[int, float]:
        order = np.random.default_rng(count[0]).permutation(len(files) // BATCH * BATCH)
        batches = training_batches(
            pictures, labels, order, batch_size=BATCH, epoch=count[0], augmenter=Augmenter("none", (SIZE, SIZE))
        )
        count[0] += 1
        report = learner.fit_epoch(count[0] - 1, batches)
        return report.images, report.data_wait_seconds

    return epoch, learner


def keras_epochs(request: LearnRequest, files: list[Path], from_files: bool) -> Epoch:
    """`model.fit` on the network of ``request``."""
    from lopore_tf.backbones import build
    from lopore_tf.distributed import prepare
    from lopore_tf.start import keras, tf

    prepare(request.threads)
    model = build(request.network)
    model.compile(keras.optimizers.AdamW(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    labels = np.arange(len(files)) % CLASSES

    def read(path: Any, label: Any) -> tuple[Any, Any]:
        pixels = tf.io.decode_jpeg(tf.io.read_file(path), channels=1)
        return tf.cast(tf.image.resize(pixels, (SIZE, SIZE), antialias=True), tf.uint8), label

    if from_files:
        data = tf.data.Dataset.from_tensor_slices(([str(path) for path in files], labels)).shuffle(len(files))
        data = data.map(read, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        pictures = ImageCache(files, Preprocessing(size=(SIZE, SIZE)))
        ready = np.stack([pictures[number][0] for number in range(len(files))])
        data = tf.data.Dataset.from_tensor_slices((ready, labels)).shuffle(len(files))
    data = data.batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)

    def epoch() -> tuple[int, float]:
        model.fit(data, shuffle=False, verbose=0)  # the data set shuffles itself
        return len(files) // BATCH * BATCH, 0.0

    return epoch


def epochs_of(name: str, request: LearnRequest, files: list[Path]) -> tuple[Epoch, Learner | None]:
    if name == "torch":
        from lopore_torch.learner import TorchLearner

        return learner_epochs(TorchLearner, request, files)
    if name == "lopore":
        from lopore_tf.learner import TensorFlowLearner

        return learner_epochs(TensorFlowLearner, request, files)
    return keras_epochs(request, files, from_files=name == "files"), None


def serve(name: str, backbone: str, files: list[Path], threads: int, pipe: Connection) -> None:
    """One candidate in its own process: warms up with an epoch, then runs one for every message."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    epoch, learner = epochs_of(name, request_for(backbone, len(files), threads), files)
    epoch()
    pipe.send(learner.facts()["precision"] if learner else "fp32")
    while pipe.recv():
        begin = time.perf_counter()
        images, waited = epoch()
        pipe.send((images / (time.perf_counter() - begin), waited))


def train_ratios(backbone: str, files: list[Path], rounds: int, threads: int) -> dict[str, Any]:
    """Medians of images a second and of the rounds' ratios, lopore over each."""
    with Turns(serve, {name: (name, backbone, files, threads) for name in CANDIDATES}) as turns:
        table = [turns.round() for _ in range(rounds)]
    others = [name for name in CANDIDATES if name != "lopore"]
    return {
        "precision": turns.ready,
        "images_per_second": {name: statistics.median(row[name][0] for row in table) for name in CANDIDATES},
        "ratio": {name: statistics.median(row["lopore"][0] / row[name][0] for row in table) for name in others},
        "data_wait_seconds": statistics.median(row["lopore"][1] for row in table),
        "target": {"arrays": TARGET, "files": TARGET},
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument(
        "--images", type=Path, default=REAL_FILMS, help="folder of JPEG films; made ones where it is absent"
    )
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES))
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        jpegs = [path for path in real_films(options.images, 100_000) if path.suffix.lower() in (".jpg", ".jpeg")]
        files = jpegs[: options.pictures] or write_films(Path(place), options.pictures)
        for backbone in options.backbones:
            results[backbone] = train_ratios(backbone, files, options.rounds, options.threads)
            show(backbone, results[backbone])
    keep(results, options.json)


def show(backbone: str, trained: dict[str, Any]) -> None:
    speeds = ", ".join(
        f"{name} {value:.1f} ({trained['precision'][name]})" for name, value in trained["images_per_second"].items()
    )
    ratios = ", ".join(f"{name} x{value:.2f}" for name, value in trained["ratio"].items())
    print(f"{backbone}: images/s {speeds}; lopore is {ratios} (target x{TARGET} of Keras)", flush=True)
    print(f"  waited {trained['data_wait_seconds']:.3f} s an epoch for data", flush=True)


if __name__ == "__main__":
    main()
