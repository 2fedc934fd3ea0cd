"""Heat maps in PyTorch: lopore against the forward pass alone, pytorch-grad-cam and captum, as ratios.

python benchmarks/bench_explain.py [--backbone resnet18] [--size 224] [--batch 4] [--rounds 7] [--json FILE]

All see the same untrained one-channel network (arithmetic does not depend on the weights) in fp32; lopore as its
session holds it, the packages as timm makes it. captum runs with internal_batch_size 25, its faster setting. lopore and
each package have a process of their own, since the allocator's settings hold for a process; they take turns in each
round, the others waiting, and the medians of a round's ratios count. One thread is measured in CPU time, several in
wall time.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from figures import arguments, clock_for, keep
from turns import Turns

from lopore.contracts import NetworkRequest
from lopore.record.preprocessing import Preprocessing
from lopore_torch import explain, gradients, plugin
from lopore_torch.backbones import build
from lopore_torch.predict import TorchSession

STEPS = 50
Run = Callable[[], object]


def make(backbone: str, size: int) -> Any:
    torch.manual_seed(0)
    return build(NetworkRequest(backbone=backbone, outputs=2, channels=1, size=(size, size)))


def pictures(size: int, batch: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (batch, size, size, 1), dtype=np.uint8)


def lopore_runs(options: argparse.Namespace) -> dict[str, Run]:
    """Forward pass and explainers as a session of lopore does them; integrated gradients of one image."""
    size, pixels = options.size, pictures(options.size, options.batch)
    network = make(options.backbone, size)
    session = TorchSession(network, "multiclass", Preprocessing(size=(size, size)), torch.device("cpu"))
    return {
        "forward": lambda: session.predict(pixels),
        "grad-cam": lambda: explain.explain_grad_cam(session, pixels, 1),
        "grad-cam++": lambda: explain.explain_grad_cam_plus_plus(session, pixels, 1),
        "integrated gradients": lambda: gradients.explain_integrated_gradients(session, pixels[:1], 1),
    }


def grad_cam_runs(options: argparse.Namespace) -> dict[str, Run]:
    """The package `grad-cam` over the network as timm makes it."""
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network = make(options.backbone, options.size).eval()
    planes = network.normalise(torch.from_numpy(pictures(options.size, options.batch)))
    layer = next(b.explanation_layer for b in plugin.lopore_backbones() if b.name == options.backbone)
    cam = GradCAM(network.body, [network.get_submodule(layer)])
    plus = GradCAMPlusPlus(network.body, [network.get_submodule(layer)])
    targets = [ClassifierOutputTarget(1)] * options.batch
    return {"grad-cam": lambda: cam(planes, targets), "grad-cam++": lambda: plus(planes, targets)}


def captum_runs(options: argparse.Namespace) -> dict[str, Run]:
    """captum over the network as timm makes it."""
    from captum.attr import IntegratedGradients

    network = make(options.backbone, options.size).eval()
    planes = network.normalise(torch.from_numpy(pictures(options.size, 1)))
    flat = gradients.baseline(planes[0])[None]
    tool = IntegratedGradients(network.body)
    return {
        "integrated gradients": lambda: tool.attribute(planes, flat, target=1, n_steps=STEPS, internal_batch_size=25)
    }


CANDIDATES = {"lopore": lopore_runs, "grad-cam": grad_cam_runs, "captum": captum_runs}


def serve(name: str, options: argparse.Namespace, pipe: Connection) -> None:
    """One candidate in its own process: warms up, then does a job for every message and answers with its seconds."""
    torch.set_num_threads(options.threads)
    clock = clock_for(options.threads)
    runs = CANDIDATES[name](options)
    for run in runs.values():
        run()
    pipe.send(list(runs))
    while job := pipe.recv():
        begin = clock()
        runs[job]()
        pipe.send(clock() - begin)


def measure(options: argparse.Namespace) -> list[dict[tuple[str, str], float]]:
    """Seconds of every candidate's jobs, one table a round."""
    with Turns(serve, {name: (name, options) for name in CANDIDATES}) as turns:
        jobs = [(name, job) for name, own in turns.ready.items() for job in own]
        return [{(name, job): turns.ask(name, job) for name, job in jobs} for _ in range(options.rounds)]


def ratio(table: list[dict[tuple[str, str], float]], over: tuple[str, str], under: tuple[str, str]) -> float:
    return statistics.median(row[over] / row[under] for row in table)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    table = measure(options)
    forward, ours = ("lopore", "forward"), {job: ("lopore", job) for job in ("grad-cam", "grad-cam++")}
    steps = "integrated gradients"
    results = {
        "grad-cam over forward (at most 1.15)": ratio(table, ours["grad-cam"], forward),
        "grad-cam++ over forward (at most 1.15)": ratio(table, ours["grad-cam++"], forward),
        "grad-cam package over lopore (at least 3)": ratio(table, ("grad-cam", "grad-cam"), ours["grad-cam"]),
        "grad-cam package ++ over lopore (at least 3)": ratio(table, ("grad-cam", "grad-cam++"), ours["grad-cam++"]),
        "captum over lopore, 50 steps (at least 1.2)": ratio(table, ("captum", steps), ("lopore", steps)),
    }
    for name, value in results.items():
        print(f"{options.backbone} {options.size} px: {name}: {value:.2f}")
    keep({"backbone": options.backbone, **results}, options.json)


if __name__ == "__main__":
    main()
