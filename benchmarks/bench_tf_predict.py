"""Prediction and heat maps in TensorFlow: lopore's session against ``model.predict``, its ONNX file, torch's ONNX file.

python benchmarks/bench_tf_predict.py [--backbone resnet18] [--size 224] [--rounds 9] [--threads 2] [--json FILE]

Untrained one-channel networks (arithmetic does not depend on the weights), fp32. Candidates take turns, session and
``model.predict`` each in a process of its own; the medians of a round's ratios count. One thread is measured in CPU
time, several in wall time. The ONNX files of both backends are
written in processes of their own and raced in a third, where neither framework is loaded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from figures import arguments, clock_for, keep
from turns import Turns

Run = Callable[[], object]
CALLS = {1: 30, 32: 3}
"""Calls that a candidate makes in its turn, by images in a call."""


def pictures(count: int, size: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1), dtype=np.uint8)


def rounds_of(candidates: dict[str, Run], rounds: int, threads: int) -> list[dict[str, float]]:
    """Seconds of each candidate in each round, after one that does not count."""
    clock, table = clock_for(threads), []
    for number in range(rounds + 1):
        row = {}
        for name, run in candidates.items():
            begin = clock()
            run()
            row[name] = clock() - begin
        if number:
            table.append(row)
    return table


def ratio(table: list[dict[str, float]], over: str, under: str) -> float:
    return statistics.median(row[over] / row[under] for row in table)


def request_for(options: argparse.Namespace) -> Any:
    from lopore.contracts import NetworkRequest

    return NetworkRequest(backbone=options.backbone, outputs=1, channels=1, size=(options.size, options.size))


def serve_predictions(name: str, options: argparse.Namespace, pipe: Connection) -> None:
    """lopore's session or `model.predict` in its own process: for each batch size, median seconds of a call."""
    from lopore_tf import distributed
    from lopore_tf.backbones import build
    from lopore_tf.predict import KerasSession

    distributed.prepare(options.threads)
    network = build(request_for(options))
    call = KerasSession(network, "binary").predict if name == "session" else partial(network.predict, verbose=0)
    clock = clock_for(options.threads)
    job = 1
    while job:
        batch, seconds = pictures(job, options.size), []
        call(batch)
        for _ in range(CALLS[job]):
            begin = clock()
            call(batch)
            seconds.append(clock() - begin)
        pipe.send(statistics.median(seconds))
        job = pipe.recv()


def against_keras(options: argparse.Namespace) -> dict[str, float]:
    """The session against ``model.predict``."""
    found = {}
    with Turns(serve_predictions, {name: (name, options) for name in ("session", "predict")}) as turns:
        for count in CALLS:
            table = [turns.round(count) for _ in range(options.rounds)]
            for name in ("session", "predict"):
                found[f"{name}, milliseconds, batch {count}"] = 1000 * statistics.median(row[name] for row in table)
            wanted = " (at least 5)" if count == 1 else ""
            found[f"model.predict over session, batch {count}{wanted}"] = ratio(table, "predict", "session")
    return found


def explaining(session: Any, options: argparse.Namespace) -> dict[str, float]:
    """The explainers against the forward pass."""
    from lopore_tf import explain, gradients

    batch, one = pictures(8, options.size), pictures(1, options.size)
    maps: dict[str, Run] = {
        "forward": lambda: session.predict(batch),
        "grad-cam": lambda: explain.explain_grad_cam(session, batch, 1),
        "grad-cam++": lambda: explain.explain_grad_cam_plus_plus(session, batch, 1),
        "saliency": lambda: gradients.explain_saliency(session, batch, 1),
    }
    table = rounds_of(maps, options.rounds, options.threads)
    found = {}
    for name in ("grad-cam", "grad-cam++"):
        found[f"{name} over forward (at most 1.15)"] = ratio(table, name, "forward")
    found["saliency over forward"] = ratio(table, "saliency", "forward")
    dear: dict[str, Run] = {
        "forward": lambda: session.predict(one),
        "way": lambda: gradients.explain_integrated_gradients(session, one, 1),
    }
    found["integrated gradients, 50 steps, over 50 forward passes"] = (
        ratio(rounds_of(dear, max(2, options.rounds // 3), options.threads), "way", "forward") / 50
    )
    return found


def in_tensorflow(options: argparse.Namespace) -> dict[str, float]:
    """The explainers against the forward pass; writes the ONNX file."""
    from lopore_tf import distributed
    from lopore_tf.backbones import build
    from lopore_tf.onnx_export import to_onnx
    from lopore_tf.predict import KerasSession

    distributed.prepare(options.threads)
    network = build(request_for(options))
    Path(options.file).write_bytes(to_onnx(network, "binary", exact=True).SerializeToString())
    return explaining(KerasSession(network, "binary"), options)


def in_torch(options: argparse.Namespace) -> dict[str, float]:
    """Writes the ONNX file of the same network from PyTorch."""
    import torch

    from lopore_torch.backbones import build
    from lopore_torch.export import to_onnx
    from lopore_torch.graphs import export_graph

    network = build(request_for(options)).eval().requires_grad_(False)
    pixels = torch.from_numpy(pictures(2, options.size))
    graph, names = export_graph(network, "binary", network.features(pixels).shape[1])
    Path(options.file).write_bytes(to_onnx(graph.eval(), names, pixels).SerializeToString())
    return {}


def raced(options: argparse.Namespace, ours: Path, theirs: Path) -> dict[str, float]:
    """Both ONNX files in ONNX Runtime, heat maps included."""
    import onnxruntime

    choices = onnxruntime.SessionOptions()
    choices.intra_op_num_threads = options.threads
    choices.add_session_config_entry("session.intra_op.allow_spinning", "0")
    runs = {
        name: onnxruntime.InferenceSession(str(path), choices, providers=["CPUExecutionProvider"])
        for name, path in (("tf", ours), ("torch", theirs))
    }
    found = {}
    for count in (1, 32):
        batch = pictures(count, options.size)
        jobs: dict[str, Run] = {
            name: lambda run=run, batch=batch: run.run(["scores", "cam"], {"pixels": batch})
            for name, run in runs.items()
        }
        table = rounds_of(jobs, options.rounds, options.threads)
        found[f"ONNX from TensorFlow over ONNX from PyTorch, time, batch {count}"] = ratio(table, "tf", "torch")
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("--part", choices=("tf", "torch"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps({"tf": in_tensorflow, "torch": in_torch}[options.part](options)))
        return
    results = against_keras(options)
    with tempfile.TemporaryDirectory() as place:
        files = {part: Path(place) / f"{part}.onnx" for part in ("tf", "torch")}
        for part, file in files.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--part", part, "--file", str(file)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results |= json.loads(done.stdout.strip().splitlines()[-1])
        results |= raced(options, files["tf"], files["torch"])
    for name, value in results.items():
        print(f"{options.backbone} {options.size} px: {name}: {value:.2f}")
    keep({"backbone": options.backbone, **results}, options.json)


if __name__ == "__main__":
    main()
