"""Exports from TensorFlow on trained networks: the largest difference of a probability, per backbone and format.

python benchmarks/parity_tf.py [--backbones resnet18,...] [--steps 60] [--size 96] [--films 48] [--json FILE]

Each network learns made films (physics-made welds, two classes) until its probabilities spread, goes through the parity
gate into every format, and the table shows what the gate measured on other films; the last columns compare it with its
PyTorch twin from ``lopore convert``, opened natively and as ONNX. Spread is the range of the probabilities: a table
whose spread is near zero would prove nothing. Each backbone runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from figures import arguments, keep

BACKBONES = (
    "resnet18", "tf_efficientnet_lite0", "mobilenetv2_100", "mobilenetv3_small_100", "tf_efficientnetv2_b0",
    "efficientnet_b0",
)  # fmt: skip
FORMATS = ("h5", "weights", "saved_model", "onnx")
CLASSES = ("no_defect", "pore")
BATCH = 16


def films(count: int, size: int, first_seed: int) -> tuple[Any, Any]:
    """Made films at network size, every second one with pores: (N, S, S, 1) uint8 and (N,)."""
    import cv2

    from lopore.synthesis.sampling import sample_film

    kinds = [CLASSES[number % 2] for number in range(count)]
    made = [sample_film(kind, first_seed + number) for number, kind in enumerate(kinds)]
    small = [cv2.resize(film.pixels, (size, size), interpolation=cv2.INTER_AREA) for film in made]
    return np.stack(small)[..., None], np.arange(count) % 2


def learner_for(backbone: str, size: int, steps: int) -> Any:
    """A learner after ``steps`` steps on made films."""
    from lopore.contracts import Batch, LearnRequest, NetworkRequest
    from lopore.plugins.registry import discover
    from lopore.training.losses import chosen_losses
    from lopore.training_settings import Loss, Optimizer, Schedule
    from lopore_tf.learner import TensorFlowLearner

    network = NetworkRequest(backbone=backbone, outputs=1, channels=1, size=(size, size))
    learner = TensorFlowLearner(
        LearnRequest(
            task="binary", classes=CLASSES, network=network,
            losses=chosen_losses(Loss(), "binary", "tf", discover().losses), optimizer=Optimizer(learning_rate=1e-3),
            schedule=Schedule(), epochs=1, steps_per_epoch=steps, batch_size=BATCH, precision="fp32", device="cpu",
        )
    )  # fmt: skip
    pixels, targets = films(BATCH * 8, size, 0)
    order = [np.random.default_rng(step).permutation(len(pixels))[:BATCH] for step in range(steps)]
    learner.fit_epoch(0, [Batch(pixels[rows], targets[rows]) for rows in order])
    return learner


def publish(learner: Any, backbone: str, size: int, folder: Path) -> Any:
    """The learner's network as a model folder."""
    from lopore.atomic_files import sha256_of
    from lopore.record.folder import ModelFolder
    from lopore.record.model import LeakReport, ModelFile, ModelRecord, Threshold
    from lopore.record.preprocessing import Preprocessing

    folder.mkdir(parents=True)
    facts = learner.facts()
    plan = Preprocessing(size=(size, size), mean=tuple(facts["mean"]), std=tuple(facts["std"]))
    files = [ModelFile(path=name, sha256=sha256_of(folder / name), format="keras") for name in learner.publish(folder)]
    record = ModelRecord(
        name=backbone, version="1", created="2026-01-01T00:00:00+00:00", task="binary", classes=CLASSES,
        positive=CLASSES[1], preprocessing=plan, preprocessing_fingerprint=plan.fingerprint, framework="tf",
        backbone=backbone, architecture={key: facts[key] for key in facts if key not in ("versions", "trials")},
        threshold=Threshold(value=0.5, rule="fixed", chosen_on="nothing"), leaks=LeakReport(split_kind="made"),
        files=tuple(files),
    )  # fmt: skip
    (folder / "lopore.json").write_text(record.to_json(), encoding="utf-8")
    return ModelFolder.read(folder)


def row_of(backbone: str, size: int, steps: int, count: int, place: Path) -> dict[str, Any]:
    """One line of the table."""
    from lopore.errors import LoporeError
    from lopore.export.convert import convert_model
    from lopore.export.parity_gate import export_model
    from lopore.models.opening import open_model

    folder = publish(learner_for(backbone, size, steps), backbone, size, place / backbone / "1")
    pictures, _ = films(count, size, 1000)
    source = open_model(folder, runtime="keras", device="cpu").session.predict(pictures)
    row: dict[str, Any] = {"backbone": backbone, "spread": float(np.ptp(source[:, 1]))}
    for format in FORMATS:
        try:
            folder, report = export_model(folder, format, pictures)
            row[format], row["cam" if format == "onnx" else f"cam {format}"] = report.max_dp, report.cam
        except LoporeError as error:
            row[format] = str(error)
    twin = convert_model(folder, "torch", pictures).folder
    twin, _ = export_model(twin, "onnx", pictures)
    for format in ("pth", "onnx"):
        scores = open_model(twin, runtime=format, device="cpu").session.predict(pictures)
        row[f"torch {format}"] = float(np.abs(scores - source).max())
    return row


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--films", type=int, default=48)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.backbones.split(",")
    if options.one:
        with tempfile.TemporaryDirectory() as place:
            print(json.dumps(row_of(names[0], options.size, options.steps, options.films, Path(place))))
        return
    columns = ("spread", *FORMATS, "cam", "torch pth", "torch onnx")
    print(f"{'backbone':<24}" + "".join(f"{column:>13}" for column in columns), flush=True)
    rows = []
    for name in names:
        words = ["--backbones", name, "--steps", options.steps, "--size", options.size, "--films", options.films]
        command = [sys.executable, __file__, "--one", *map(str, words)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        said = (rows[-1].get(column) for column in columns)
        cells = (f"{value:>13.1e}" if isinstance(value, float) else f"  {value}" for value in said)
        print(f"{name:<24}" + "".join(cells), flush=True)
    keep(rows, options.json)


if __name__ == "__main__":
    main()
