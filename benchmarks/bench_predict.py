"""Prediction through ONNX: a folder of JPEG files against bare ONNX Runtime on ready batches; Grad-CAM; cold starts.

python benchmarks/bench_predict.py [--images FOLDER] [--backbone resnet18] [--pictures 192] [--rounds 5] [--json FILE]

The model is a real one: made films, one epoch, exported through the parity gate. Candidates take turns within a
round; the median of the rounds' ratios counts. All use every core that the process may use.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

BATCH = 16


def train_small(folder: Path, backbone: str) -> Path:
    """A published model with an ONNX file, by the commands a user types."""
    config = {
        "name": "bench",
        "data": {"manifest": "films/manifest.csv"},
        "preprocessing": {"size": 224},
        "model": {"backbone": backbone},
        "training": {"epochs": 1, "select_by": "last"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    for words in (
        ("data", "synth", "films", "--films", "12"),
        ("data", "index", "films/labels.csv", "--out", "films/manifest.csv"),
        ("data", "split", "films/manifest.csv"),
        ("train", "--config", "config.yaml"),
    ):
        subprocess.run([sys.executable, "-m", "lopore", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return next((folder / "models" / "final" / "bench").glob("*/lopore.json")).parent


def real_films(folder: Path, count: int) -> list[Path]:
    """Up to ``count`` films of a folder; none where it is absent."""
    from lopore.radiograph import image_paths

    return list(image_paths(folder).images)[:count] if folder.is_dir() else []


def write_films(folder: Path, count: int) -> list[Path]:
    """640 x 640 grey JPEG files of made films: grainier than scans, so larger and slower to decode."""
    import simplejpeg

    from lopore.synthesis import sample_film

    films = [sample_film("pore", seed).pixels for seed in range(min(count, 24))]
    coded = [simplejpeg.encode_jpeg(np.ascontiguousarray(film[:, :, None]), 92, "GRAY") for film in films]
    paths = [folder / f"{number:04d}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(coded[number % len(coded)])
    return paths


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bare_runtime(model: Path, pictures: Any, outputs: list[str]) -> Callable[[], object]:
    """ONNX Runtime as its own documentation shows it, over batches that are ready in memory."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    batches = [pictures[at : at + BATCH] for at in range(0, len(pictures), BATCH)]
    return lambda: [session.run(outputs, {"pixels": batch}) for batch in batches]


def measure(folder: Path, films: list[Path], rounds: int) -> dict[str, float]:
    """Median ratios of one run."""
    from lopore.explain import choose_explainer, raw_maps
    from lopore.model import ModelFolder, open_model
    from lopore.predict import predict_files, prepare

    model = open_model(ModelFolder.read(folder))
    pictures = np.stack([prepare(model.record, path).pixels for path in films])
    bare = bare_runtime(model.folder.file_for("onnx"), pictures, ["scores"])
    explainer = choose_explainer(model, "grad-cam")

    def maps() -> object:
        return [raw_maps(model, explainer, pictures[at : at + BATCH], 1) for at in range(0, len(pictures), BATCH)]

    def scores() -> object:
        return [model.session.predict(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH)]

    jobs: dict[str, Callable[[], object]] = {
        "bare": bare,
        "files": lambda: list(predict_files(model, films, batch_size=BATCH)),
        "scores": scores,
        "maps": maps,
    }
    for job in jobs.values():
        job()
    turns = [{name: timed(job) for name, job in jobs.items()} for _ in range(rounds)]
    return {
        "bare ONNX Runtime, pictures a second": len(films) / statistics.median(turn["bare"] for turn in turns),
        "predict of a folder / bare (throughput)": statistics.median(turn["bare"] / turn["files"] for turn in turns),
        "session alone / bare (throughput)": statistics.median(turn["bare"] / turn["scores"] for turn in turns),
        "Grad-CAM in the file / forward alone (time)": statistics.median(
            turn["maps"] / turn["scores"] for turn in turns
        ),
    }


def cold_starts(folder: Path, film: Path, rounds: int) -> dict[str, float]:
    """Whole processes from a shell, median wall seconds."""
    command = [str(Path(sys.executable).with_name("lopore"))]
    jobs = {
        "lopore --help, s": [*command, "--help"],
        "lopore plugins, s": [*command, "plugins"],
        "one-image ONNX prediction, s": [*command, "predict", "--model", str(folder), str(film)],
    }
    quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    found = {}
    for name, words in jobs.items():
        subprocess.run(words, **quiet)
        found[name] = statistics.median(
            timed(lambda words=words: subprocess.run(words, **quiet)) for _ in range(rounds)
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--images", type=Path, default=Path("../shared/data/weld-radiographs"), help="folder of films")
    parser.add_argument("--pictures", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = train_small(Path(place), options.backbone)
        films = real_films(options.images, options.pictures) or write_films(Path(place), options.pictures)
        figures = {**measure(model, films, options.rounds), **cold_starts(model, films[0], options.rounds)}
    for name, value in figures.items():
        print(f"{name:<46} {value:8.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
