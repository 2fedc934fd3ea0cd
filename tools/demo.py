"""The main job as a user would type it: make films, train, evaluate, export, predict with ONNX, open the app.

Run by ``nox -s demo``; writes everything below ./demo. ``--no-app`` ends before the app, ``--films N``
and ``--out DIR`` change size and place.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOPORE = (sys.executable, "-m", "lopore")


def lopore(*words: str, folder: Path, capture: bool = False) -> str:
    """Run one command as the README shows it; stops the demonstration where it fails."""
    print(f"\n$ lopore {' '.join(words)}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [*LOPORE, *words], cwd=folder, check=False, stdout=subprocess.PIPE if capture else None, text=True
    )
    if done.returncode:
        raise SystemExit(f"demo: `lopore {words[0]}` ended with status {done.returncode}")
    print(f"{time.monotonic() - began:.0f} s", flush=True)
    return done.stdout or ""


def newest_model(folder: Path) -> Path:
    """The model folder that the training published last."""
    records = sorted(
        (folder / "models" / "final" / "demo").glob("*/lopore.json"), key=lambda path: path.stat().st_mtime
    )
    return records[-1].parent.relative_to(folder)


def main() -> None:
    """Every step in order, then what was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-app", action="store_true", help="do not open the app at the end")
    parser.add_argument("--films", type=int, default=300, help="images a class")
    parser.add_argument("--out", type=Path, default=ROOT / "demo", help="folder, made anew")
    parser.add_argument("--port", type=int, default=8501)
    options = parser.parse_args()
    began = time.monotonic()
    folder = options.out.resolve()
    if folder.exists() and not (folder / "films").is_dir() and any(folder.iterdir()):
        raise SystemExit(f"demo: {folder} holds something else; choose another --out")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = str(ROOT / "configs" / "demo.yaml")

    lopore("data", "synth", "films", "--films", str(options.films), "--seed", "1", folder=folder)
    lopore("data", "index", "films/labels.csv", "--out", "films/manifest.csv", folder=folder)
    lopore("data", "split", "films/manifest.csv", "--train", "0.6", "--val", "0.15", "--test", "0.25", folder=folder)
    lopore("train", "--config", config, folder=folder)
    model = str(newest_model(folder))
    lopore("eval", model, "--split", "test", "--out", "reports/test", folder=folder)
    lopore(
        "predict", "--model", model, "--runtime", "onnxruntime", "--out", "predictions.csv", "films/pore", folder=folder
    )
    lopore("explain", "--model", model, "--out", "heatmaps", *some_films(folder), folder=folder)
    lopore("show", model, folder=folder)
    summary(folder, folder / model, time.monotonic() - began)
    if not options.no_app:
        lopore("app", "--port", str(options.port), folder=folder)


def some_films(folder: Path) -> list[str]:
    """Two films of each class."""
    classes = sorted(path for path in (folder / "films").iterdir() if path.is_dir() and path.name != "masks")
    return [str(film.relative_to(folder)) for kind in classes for film in sorted(kind.glob("*.png"))[:2]]


def summary(folder: Path, model: Path, seconds: float) -> None:
    """Score, parity and where everything lies; ends with status 1 where the score is under 0.95."""
    metrics = json.loads((folder / "reports" / "test" / "metrics.json").read_text(encoding="utf-8"))
    parity = json.loads((model / "parity-onnx.json").read_text(encoding="utf-8"))
    auc = metrics["overall"]["roc_auc"]
    bounds = f"{auc['low']:.3f} to {auc['high']:.3f}"
    print(f"\ntest ROC AUC {auc['value']:.3f} ({bounds}) on films never seen in training")
    told = f"{parity['max_dp']:.1e} at most on {parity['images']} images, {parity['flipped']} decisions differ"
    print(f"ONNX against torch: {told}")
    for path in (model, folder / "reports" / "test" / "report.html", folder / "predictions.csv", folder / "heatmaps"):
        print(path)
    print(f"{seconds:.0f} s")
    if auc["value"] < 0.95:
        raise SystemExit("demo: the ROC AUC is under 0.95")


if __name__ == "__main__":
    main()
