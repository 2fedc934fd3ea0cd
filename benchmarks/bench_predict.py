"""Prediction through ONNX: a folder of JPEG files against bare ONNX Runtime on ready batches; Grad-CAM; cold starts.

python benchmarks/bench_predict.py [--images FOLDER] [--backbone resnet18] [--images 192] [--rounds 5] [--json FILE]

The model is a real one: made films, one epoch, exported through the parity gate. lopore and bare ONNX
Runtime have a process each and take turns within a round, the other waiting; the median of the rounds' ratios counts.
Both use every core that they may use.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from figures import arguments, keep, timed
from material import REAL_FILMS, real_films, train_small, write_films
from turns import Turns

BATCH = 16
"""Images that bare ONNX Runtime takes at once: its better figure of 16 and 32. ``predict_files`` chooses its own."""
Run = Callable[[], object]


def bare_jobs(folder: Path, films: list[Path]) -> dict[str, Run]:
    """ONNX Runtime as its own documentation shows it, over batches that are ready in memory."""
    import onnxruntime

    from lopore.cores import available_cores
    from lopore.inference.predict import prepare
    from lopore.record.folder import ModelFolder

    model = ModelFolder.read(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    path = str(model.file_for("onnx"))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    batches = split(np.stack([prepare(model.record, film).pixels for film in films]))
    return {"bare": lambda: [session.run(["scores"], {"pixels": batch}) for batch in batches]}


def lopore_jobs(folder: Path, films: list[Path]) -> dict[str, Run]:
    """Files to predictions, and the session alone over ready batches, without and with heat maps."""
    from lopore.inference.explain import choose_explainer, raw_maps
    from lopore.inference.predict import predict_files, prepare
    from lopore.models.opening import open_model
    from lopore.record.folder import ModelFolder

    model = open_model(ModelFolder.read(folder))
    batches = split(np.stack([prepare(model.record, film).pixels for film in films]))
    explainer = choose_explainer(model, "grad-cam")
    return {
        "files": lambda: list(predict_files(model, films)),
        "scores": lambda: [model.session.predict(batch) for batch in batches],
        "maps": lambda: [raw_maps(model, explainer, batch, 1) for batch in batches],
    }


def split(pictures: Any) -> list[Any]:
    return [pictures[at : at + BATCH] for at in range(0, len(pictures), BATCH)]


CANDIDATES = {"bare": bare_jobs, "lopore": lopore_jobs}


def serve(name: str, folder: Path, films: list[Path], pipe: Connection) -> None:
    """One candidate in its own process: does the job that each message names and answers with its seconds."""
    jobs = CANDIDATES[name](folder, films)
    for job in jobs.values():
        job()
    pipe.send(list(jobs))
    while job := pipe.recv():
        pipe.send(timed(jobs[job]))


def measure(folder: Path, films: list[Path], rounds: int) -> dict[str, float]:
    """Median ratios of one run."""
    with Turns(serve, {name: (name, folder, films) for name in CANDIDATES}) as turns:
        jobs = [(name, job) for name, own in turns.ready.items() for job in own]
        table = [{job: turns.ask(name, job) for name, job in jobs} for _ in range(rounds)]
    return {
        "bare ONNX Runtime, images a second": len(films) / statistics.median(row["bare"] for row in table),
        "predict of a folder / bare (throughput)": statistics.median(row["bare"] / row["files"] for row in table),
        "session alone / bare (throughput)": statistics.median(row["bare"] / row["scores"] for row in table),
        "Grad-CAM in the file / forward alone (time)": statistics.median(row["maps"] / row["scores"] for row in table),
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
    parser = arguments(__doc__)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--images", type=Path, default=REAL_FILMS, help="folder of films")
    parser.add_argument("--pictures", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = train_small(Path(place), options.backbone)
        films = real_films(options.images, options.pictures) or write_films(Path(place), options.pictures)
        figures = {**measure(model, films, options.rounds), **cold_starts(model, films[0], options.rounds)}
    for name, value in figures.items():
        print(f"{name:<46} {value:8.3f}")
    keep(figures, options.json)


if __name__ == "__main__":
    main()
