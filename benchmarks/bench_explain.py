"""Heat maps in PyTorch: lopore against the forward pass alone, pytorch-grad-cam and captum, as ratios.

python benchmarks/bench_explain.py [--backbone resnet18] [--size 224] [--batch 4] [--rounds 7] [--json FILE]

All see the same untrained one-channel network (arithmetic does not depend on the weights) in fp32; lopore as its
session holds it, the packages as timm makes it. captum runs with internal_batch_size 25, its faster setting. Candidates
take turns; the medians of a round's ratios count. One thread is measured in CPU time, several in wall time.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lopore.contracts import NetworkRequest
from lopore_torch import explain, gradients, plugin
from lopore_torch.backbones import build
from lopore_torch.predict import TorchSession

STEPS = 50
Run = Callable[[], object]


def make(backbone: str, size: int, batch: int) -> tuple[TorchSession, np.ndarray[Any, Any]]:
    torch.manual_seed(0)
    request = NetworkRequest(backbone=backbone, outputs=2, channels=1, size=(size, size))
    session = TorchSession(build(request), "multiclass", torch.device("cpu"), shape=((size, size), 1))
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 1), dtype=np.uint8)
    return session, pixels


def as_timm_makes_it(session: TorchSession) -> Any:
    """A copy of the network, contiguous and with weights that could learn."""
    return copy.deepcopy(session.open_network).to(memory_format=torch.contiguous_format).requires_grad_(True)


def cheap_candidates(session: TorchSession, pixels: Any, layer: str) -> dict[str, Run]:
    """The forward pass and class activation maps."""
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network: Any = as_timm_makes_it(session)
    planes = network.normalise(session.tensor(pixels))
    theirs = {
        "grad-cam package": GradCAM(network.body, [network.get_submodule(layer)]),
        "grad-cam package, ++": GradCAMPlusPlus(network.body, [network.get_submodule(layer)]),
    }

    def run(tool: Any) -> object:
        return tool(planes, [ClassifierOutputTarget(1)] * len(pixels))

    return {
        "forward": lambda: session.predict(pixels),
        "lopore grad-cam": lambda: explain.explain_grad_cam(session, pixels, 1),
        "lopore grad-cam++": lambda: explain.explain_grad_cam_plus_plus(session, pixels, 1),
        "grad-cam package": lambda: run(theirs["grad-cam package"]),
        "grad-cam package, ++": lambda: run(theirs["grad-cam package, ++"]),
    }


def dear_candidates(session: TorchSession, pixels: Any) -> dict[str, Run]:
    """Integrated gradients of 50 steps on one picture."""
    from captum.attr import IntegratedGradients

    network: Any = as_timm_makes_it(session)
    picture = pixels[:1]
    planes = network.normalise(session.tensor(picture))
    tool = IntegratedGradients(network.body)
    flat = gradients.baseline(planes[0])[None]
    return {
        "lopore integrated gradients": lambda: gradients.explain_integrated_gradients(session, picture, 1),
        "captum": lambda: tool.attribute(planes, flat, target=1, n_steps=STEPS, internal_batch_size=25),
    }


def rounds_of(candidates: dict[str, Run], rounds: int) -> list[dict[str, float]]:
    """Seconds of each candidate in each round, after one that does not count."""
    table = []
    for number in range(rounds + 1):
        row = {}
        for name, run in candidates.items():
            clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
            begin = clock()
            run()
            row[name] = clock() - begin
        if number:
            table.append(row)
    return table


def ratio(table: list[dict[str, float]], over: str, under: str) -> float:
    return statistics.median(row[over] / row[under] for row in table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    session, pixels = make(options.backbone, options.size, options.batch)
    layer = next(b.explanation_layer for b in plugin.lopore_backbones() if b.name == options.backbone)
    cheap = rounds_of(cheap_candidates(session, pixels, layer), options.rounds)
    dear = rounds_of(dear_candidates(session, pixels), max(2, options.rounds // 2))
    results = {
        "grad-cam over forward (at most 1.15)": ratio(cheap, "lopore grad-cam", "forward"),
        "grad-cam++ over forward (at most 1.15)": ratio(cheap, "lopore grad-cam++", "forward"),
        "grad-cam package over lopore (at least 3)": ratio(cheap, "grad-cam package", "lopore grad-cam"),
        "grad-cam package ++ over lopore (at least 3)": ratio(cheap, "grad-cam package, ++", "lopore grad-cam++"),
        "captum over lopore, 50 steps (at least 1.2)": ratio(dear, "captum", "lopore integrated gradients"),
    }
    for name, value in results.items():
        print(f"{options.backbone} {options.size} px: {name}: {value:.2f}")
    if options.json:
        options.json.write_text(
            json.dumps({"backbone": options.backbone, **results}, indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
