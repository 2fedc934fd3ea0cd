"""lopore-openvino (examples/) against lopore-onnx on one model and the same films, in one run: times and answers.

python benchmarks/bench_openvino.py [--model FOLDER] [--images FOLDER] [--images 64] [--rounds 7] [--json FILE]

The model is the demonstration's where it was made (`nox -s demo`), else a small one is trained here. Candidates take
turns within a round; the median of the rounds' ratios counts. Both use every core that the process may use.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from figures import arguments, keep, timed
from material import REAL_FILMS, ROOT, demonstration, real_films, train_small, write_films

SOURCE = ROOT / "examples" / "lopore-openvino" / "src"
sys.path.insert(0, str(SOURCE))
COLD = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from lopore.record.folder import ModelFolder
from lopore.inference.predict import prepare
folder = ModelFolder.read(Path(sys.argv[3]))
if sys.argv[2] == "openvino":
    from lopore_openvino.predict import open_openvino as opens
else:
    from lopore_onnx.predict import open_onnx as opens
opens(folder, "cpu", None).predict(prepare(folder.record, Path(sys.argv[4])).pixels[None])
"""


def differences(expected: Any, got: Any, record: Any) -> dict[str, float]:
    """Largest and mean change of a probability, and how many decisions moved."""
    from lopore.inference.decisions import decide

    moved = sum(decide(record, a).labels != decide(record, b).labels for a, b in zip(expected, got, strict=True))
    change = np.abs(expected.astype(np.float64) - got)
    return {"max |dp|": float(change.max()), "mean |dp|": float(change.mean()), "decisions moved": float(moved)}


Job = Callable[[], object]


def jobs_of(sessions: dict[str, Any], pictures: Any) -> dict[tuple[str, str], Job]:
    """(session, work) -> all images through it."""
    jobs: dict[tuple[str, str], Job] = {}
    for name, session in sessions.items():
        for size in (1, 32):
            jobs[name, f"batch {size}"] = lambda session=session, size=size: [
                session.predict(pictures[at : at + size]) for at in range(0, len(pictures), size)
            ]
        if "cam" in session.outputs:
            jobs[name, "Grad-CAM, batch 32"] = lambda session=session: [
                session.run(pictures[at : at + 32], ("cam",)) for at in range(0, len(pictures), 32)
            ]
    return jobs


def measure(model: Path, films: list[Path], rounds: int) -> dict[str, float]:
    """Median ratios of times, and the answers' differences from lopore-onnx."""
    from lopore_openvino.predict import SHORT, OpenVinoSession, open_openvino
    from lopore_openvino.short import open_short

    from lopore.cores import available_cores
    from lopore.inference.predict import prepare
    from lopore.record.folder import ModelFolder
    from lopore_onnx.predict import open_onnx

    folder = ModelFolder.read(model)
    pictures = np.stack([prepare(folder.record, path).pixels for path in films])
    sessions: dict[str, Any] = {
        "lopore-onnx": open_onnx(folder, "cpu", None),
        "openvino f32": open_openvino(folder, "cpu", None),
        "openvino bf16": OpenVinoSession(folder, available_cores(), SHORT),
    }
    jobs = jobs_of(sessions, pictures)
    for job in jobs.values():
        job()
    turns = [{key: timed(job) for key, job in jobs.items()} for _ in range(rounds)]
    figures = {f"images, of {len(films)} films": float(len(pictures)), "cores": float(available_cores())}
    for name, work in jobs:
        if name != "lopore-onnx":
            ratio = statistics.median(turn["lopore-onnx", work] / turn[name, work] for turn in turns)
            figures[f"{name} / lopore-onnx, {work} (throughput)"] = ratio
    expected = sessions["lopore-onnx"].predict(pictures)
    for name, session in sessions.items():
        if name != "lopore-onnx":
            found = differences(expected, session.predict(pictures), folder.record)
            figures |= {f"{name}: {what}": value for what, value in found.items()}
    figures["openvino-bf16 chose bfloat16 by its rule"] = float(open_short(folder, "cpu", None).precision == SHORT)
    return figures


def cold_starts(model: Path, film: Path, rounds: int) -> dict[str, float]:
    """A process that opens the model and predicts one film, median wall seconds."""
    found: dict[str, list[float]] = {"onnxruntime": [], "openvino": []}
    for turn in range(rounds + 1):
        for name, times in found.items():
            words = [sys.executable, "-c", COLD, str(SOURCE), name, str(model), str(film)]
            seconds = timed(lambda words=words: subprocess.run(words, check=True))
            if turn:  # the first warms the file cache
                times.append(seconds)
    return {f"one film from a cold start, {name}, s": statistics.median(times) for name, times in found.items()}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--model", type=Path, help="model folder with an ONNX file")
    parser.add_argument("--images", type=Path, default=REAL_FILMS, help="folder of films")
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = options.model or demonstration() or train_small(Path(place))
        every = real_films(options.images, 100_000)
        films = every[:: max(1, len(every) // options.pictures)][: options.pictures]
        films = films or write_films(Path(place), options.pictures)
        figures = {**measure(model, films, options.rounds), **cold_starts(model, films[0], 5)}
    for name, value in figures.items():
        print(f"{name:<62} {value:12.6g}")
    keep(figures, options.json)


if __name__ == "__main__":
    main()
