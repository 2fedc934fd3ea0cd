"""Defects of magnetic tiles by pixels, split by tile: IoU of each class, and sound images against any defect.

usage: magnetic_tile.py MAGNETIC_TILE OUT [--seeds 0 ...] [--set KEY=VALUE ...]

For each seed: split by tile (60 % train, 20 % val, 20 % test), train ``configs/magnetic-tile.yaml``, score the test
images once with ``lopore eval``. Finished seeds are kept. Prints mean IoU and that of each class, marks found, and the
ROC AUC of sound images against any defect by the largest probability of the map, with its 95 % interval over tiles.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from lopore.metrics.bootstrap import group_weights
from lopore.metrics.ranking import roc_auc

HOME = Path(__file__).resolve().parents[1]
SOUND = "MT_Free"


def lopore(*words: object) -> str:
    """What a command of lopore prints."""
    command = [sys.executable, "-m", "lopore", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def laid_out(source: Path, place: Path) -> Path:
    """A manifest of the images with their masks and tiles; the files stay where they are."""
    manifest = place / "manifest.csv"
    if manifest.exists():
        return manifest
    place.mkdir(parents=True, exist_ok=True)
    with (source / "index.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (place / "labels.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "labels", "group", "mask"))
        for row in rows:
            mask = "" if row["class"] == SOUND else Path(row["file"]).with_suffix(".png").as_posix()
            writer.writerow((row["file"], row["class"], row["tile"], mask))
    lopore("data", "index", place / "labels.csv", "--root", source, "--sound", SOUND, "--out", manifest)
    return manifest


def scored(manifest: Path, place: Path, seed: int, settings: list[str]) -> Path:
    """The folder of the report on the test images."""
    report = place / f"report-{seed}"
    if (report / "metrics.json").exists():
        return report
    split = place / f"split-{seed}.csv"
    if not split.exists():
        lopore("data", "split", manifest, "--out", split, "--seed", seed)
    words = [word for setting in settings for word in ("--set", setting)]
    models = place / f"models-{seed}"
    lopore("train", "--config", HOME / "configs" / "magnetic-tile.yaml", "--seed", seed, "--set",
           f"data.manifest={split}", "--out", models, *words)  # fmt: skip
    model = sorted((models / "final").glob("*/*/lopore.json"))[-1].parent
    lopore("eval", model, "--manifest", split, "--out", report)
    return report


def told(report: Path, seed: int) -> None:
    """Print the figures of one report."""
    pixels = json.loads((report / "metrics.json").read_text())["pixels"]
    print(f"seed {seed}: mean IoU {pixels['mean_iou']:.3f}, mean Dice {pixels['mean_dice']:.3f}")
    for name, one in pixels["per_class"].items():
        found = one["after"] or one["before"]
        iou, marks = found["iou"], found["found"] + found["missed"]
        print(f"  {name}: IoU {iou['value']:.3f} [{iou['low']:.3f}, {iou['high']:.3f}], {found['found']} of {marks} "
              f"marks found, {found['false_calls']} false calls")  # fmt: skip
    with (report / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    peaks = np.array([max(float(v) for k, v in row.items() if k.startswith("score:")) for row in rows])
    defective = np.array([row["labels"] != "no_defect" for row in rows])
    tiles = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    value = roc_auc(peaks, defective)
    draws = [roc_auc(peaks, defective, weights) for block in group_weights(tiles, 1000, 0) for weights in block]
    low, high = np.percentile([one for one in draws if one is not None], [2.5, 97.5])
    print(f"  sound against any defect: ROC AUC {value:.3f} [{low:.3f}, {high:.3f}], {len(rows)} images of "
          f"{tiles.max() + 1} tiles")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("magnetic_tile", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    manifest = laid_out(asked.magnetic_tile.resolve(), asked.out)
    for seed in asked.seeds:
        told(scored(manifest, asked.out, seed, asked.settings), seed)


if __name__ == "__main__":
    main()
