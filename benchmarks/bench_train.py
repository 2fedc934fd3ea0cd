"""Training from JPEG files to the optimiser step: lopore against two plain PyTorch loops, images a second as ratios.

python benchmarks/bench_train.py [--images FOLDER] [--backbones ...] [--images 96] [--rounds 3] [--json FILE]

plain: what tutorials do: ImageFolder, Pillow, torchvision transforms, three channels, eager fp32, AdamW, DataLoader
workers. timm: the step of timm's train.py with --amp --amp-dtype bfloat16 --channels-last, its own transform and
loader. lopore: `lopore.data.batches` and the Learner as `lopore train` runs them, precision auto; its first epoch
reads files, later ones take images from memory (both are shown; the others decode every epoch, as they are used).
Each candidate has a process of its own, since allocator and thread settings hold for a process; they take turns in each
round, one epoch each, the others waiting; the medians of a round's ratios count.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import arguments, keep
from material import REAL_FILMS, real_films, write_films
from torch import nn
from turns import Turns

from lopore.augmentation.augmenter import Augmenter
from lopore.contracts import LearnRequest, NetworkRequest
from lopore.data.batches import training_batches
from lopore.data.image_cache import ImageCache
from lopore.plugins.registry import discover
from lopore.record.preprocessing import Preprocessing
from lopore.training.losses import chosen_losses
from lopore.training_settings import Loss, Optimizer, Schedule
from lopore_torch.learner import TorchLearner

SIZE, BATCH, CLASSES = 224, 16, 2
BACKBONES = ("resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_100")
TARGETS = {"resnet18": {"plain": 2.5, "timm": 1.15}}
Epoch = Callable[[], int]


def link_folders(files: list[Path], root: Path) -> None:
    """Class folders of links, as ImageFolder reads them."""
    for number, file in enumerate(files):
        folder = root / f"class{number % CLASSES}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:05d}{file.suffix}").symlink_to(file.resolve())


def lopore_epochs(backbone: str, files: list[Path]) -> tuple[Epoch, TorchLearner]:
    """An epoch of lopore's run; the learner tells what it chose."""
    request = LearnRequest(
        task="multiclass",
        classes=("class0", "class1"),
        network=NetworkRequest(backbone=backbone, outputs=CLASSES, channels=1, size=(SIZE, SIZE)),
        losses=chosen_losses(Loss(), "multiclass", "torch", discover().losses),
        optimizer=Optimizer(),
        schedule=Schedule(name="constant"),
        epochs=100,
        steps_per_epoch=len(files) // BATCH,
        batch_size=BATCH,
    )
    learner = TorchLearner(request)
    pictures = ImageCache(files, Preprocessing(size=(SIZE, SIZE)))
    labels = np.arange(len(files)) % CLASSES
    count = [0]

    def epoch() -> int:
        order = np.random.default_rng(count[0]).permutation(len(files))
        batches = training_batches(
            pictures, labels, order, batch_size=BATCH, epoch=count[0], augmenter=Augmenter("none", (SIZE, SIZE))
        )
        count[0] += 1
        return learner.fit_epoch(count[0] - 1, batches).images

    return epoch, learner


def plain_loader(root: Path) -> Any:
    """ImageFolder and the transforms of a tutorial."""
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    prepare = transforms.Compose(
        [
            transforms.Resize((SIZE, SIZE)),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    return DataLoader(
        datasets.ImageFolder(str(root), prepare),
        BATCH,
        shuffle=True,
        num_workers=2,
        drop_last=True,
        persistent_workers=True,
        multiprocessing_context="fork",
    )


def plain_epochs(backbone: str, root: Path) -> Epoch:
    """The loop of a tutorial."""
    import timm

    loader = plain_loader(root)
    model: nn.Module = timm.create_model(backbone, num_classes=CLASSES)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()

    def epoch() -> int:
        model.train()
        seen = 0
        for pixels, targets in loader:
            optimizer.zero_grad()
            loss = criterion(model(pixels), targets)
            loss.backward()
            optimizer.step()
            seen += len(targets)
        return seen

    return epoch


def timm_epochs(backbone: str, root: Path) -> Epoch:
    """The step of timm's train.py in bf16 and channels_last, on timm's own data set, transform and loader."""
    import timm
    from timm.data import create_dataset, create_loader
    from timm.optim import create_optimizer_v2

    model: nn.Module = timm.create_model(backbone, num_classes=CLASSES).to(memory_format=torch.channels_last)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.01)
    loader = create_loader(
        create_dataset("", root=str(root)), (3, SIZE, SIZE), BATCH, is_training=True, no_aug=True, num_workers=2,
        use_prefetcher=False, device=torch.device("cpu"), interpolation="bilinear",
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()

    def epoch() -> int:
        model.train()
        seen = 0
        for pixels, targets in loader:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = criterion(model(pixels), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(targets)
        return seen

    return epoch


def speed(epoch: Epoch) -> float:
    """Images a second of one epoch, wall time."""
    begin = time.perf_counter()
    return epoch() / (time.perf_counter() - begin)


def serve(name: str, backbone: str, files: list[Path], root: Path, threads: int, pipe: Connection) -> None:
    """One candidate in its own process: warms up, then runs an epoch for every message and answers with its speed."""
    torch.set_num_threads(threads)
    if name == "lopore":
        epoch, learner = lopore_epochs(backbone, files)
        learner.fit_epoch(0, _one_batch(files))  # the trial of precision is no part of the epochs that are timed
        facts = learner.facts()
        pipe.send((speed(epoch), f"{facts['precision']} {facts['memory_format']}"))
    else:
        epoch = (plain_epochs if name == "plain" else timm_epochs)(backbone, root)
        pipe.send((speed(epoch), ""))
    while pipe.recv():
        pipe.send(speed(epoch))


def measure(backbone: str, files: list[Path], rounds: int, threads: int) -> dict[str, Any]:
    """Medians of images a second and of the rounds' ratios."""
    names = ("lopore", "plain", "timm")
    with tempfile.TemporaryDirectory() as folder:
        link_folders(files, Path(folder))
        with Turns(serve, {name: (name, backbone, files, Path(folder), threads) for name in names}) as turns:
            table = [turns.round() for _ in range(rounds)]
    first, chosen = turns.ready["lopore"]
    result: dict[str, Any] = {"backbone": backbone, "chosen": chosen}
    result["images_per_second"] = {name: statistics.median(row[name] for row in table) for name in names}
    result["images_per_second"]["lopore, first epoch"] = first
    result["ratio"] = {
        name: statistics.median(row["lopore"] / row[name] for row in table) for name in ("plain", "timm")
    }
    result["target"] = TARGETS.get(backbone, {"plain": 1.3})
    return result


def _one_batch(files: list[Path]) -> Any:
    pictures = ImageCache(files[:BATCH], Preprocessing(size=(SIZE, SIZE)))
    order = np.arange(BATCH)
    return training_batches(
        pictures, order % CLASSES, order, batch_size=BATCH, epoch=0, augmenter=Augmenter("none", (SIZE, SIZE))
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=Path, default=REAL_FILMS, help="folder of films; made ones where it is absent")
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES))
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as place:
        films = real_films(options.images, options.pictures) or write_films(Path(place), options.pictures)
        for backbone in options.backbones:
            results.append(measure(backbone, films, options.rounds, options.threads))
            show(results[-1])
    keep(results, options.json)


def show(result: dict[str, Any]) -> None:
    speeds = ", ".join(f"{name} {value:.1f}" for name, value in result["images_per_second"].items())
    ratios = ", ".join(f"{name} x{value:.2f}" for name, value in result["ratio"].items())
    head = f"{result['backbone']} ({result['chosen']})"
    print(f"{head}: images/s {speeds}; lopore is {ratios}; targets {result['target']}", flush=True)


if __name__ == "__main__":
    main()
