"""Cavities in real castings from boxes, leaving one casting out: recall at given false calls an image, and AP.

usage: castings.py CASTING_BOXES OUT [--castings C0021 ...] [--threshold 0.05] [--set KEY=VALUE ...]

For each casting: train ``configs/castings.yaml`` on the others, inspect every image of it, match the boxes of its
indications with the true ones. A box is hit where a call's box meets it with an intersection over union of 0.2 or more
(the true boxes are loose); AP is COCO's. Finished castings are kept, so that a stopped run goes on. Intervals (95 %)
resample castings. Beside it: a white top-hat over the local noise, which is not trained.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lopore.metrics.average_precision import ImageOverlaps, average_precision, box_overlaps

HOME = Path(__file__).resolve().parents[1]
LIMITS = (0.5, 1, 2)
LEAST_OVERLAP = 0.2
Floats = NDArray[np.float64]
Called = dict[str, Floats]
"""Of each image its calls: (N, 5) score, left, top, right, bottom in pixels."""


def lopore(*words: object) -> str:
    """What a command of lopore prints; bad files give an exit status of 1, and so does nothing else here."""
    command = [sys.executable, "-m", "lopore", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def laid_out(source: Path, place: Path) -> Path:
    """Images, masks and a manifest below ``place``, by the two commands that the docs name."""
    manifest = place / "manifest.csv"
    if not manifest.exists():
        shutil.copytree(source, place / "castings", dirs_exist_ok=True)
        shutil.rmtree(place / "masks", ignore_errors=True)
        (place / "masks.csv").unlink(missing_ok=True)
        lopore("data", "annotations", "convert", place / "castings" / "boxes.csv", "--to", "masks", "--out",
               place / "masks")  # fmt: skip
        lopore("data", "index", place / "masks.csv", "--groups", "none", "--group-pattern", "(C[0-9]+)", "--out",
               manifest)  # fmt: skip
    return manifest


def trained_without(casting: str, manifest: Path, place: Path, settings: list[str]) -> Path:
    """The folder of a model that never saw the casting."""
    found = sorted((place / "models" / "final").glob("*/*/lopore.json"))
    if found:
        return found[-1].parent
    with manifest.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    part = manifest.with_name(f"without-{casting}.csv")
    with part.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows({**row, "split": "test" if row["group"] == casting else "train"} for row in rows)
    shutil.copy(manifest.with_name(f"{manifest.name}.json"), part.with_name(f"{part.name}.json"))
    words = [word for setting in settings for word in ("--set", setting)]
    lopore("train", "--config", HOME / "configs" / "castings.yaml", "--set", f"data.manifest={part}", "--set",
           "exports=[]", "--out", place / "models", *words)  # fmt: skip
    return sorted((place / "models" / "final").glob("*/*/lopore.json"))[-1].parent


def calls_of(model: Path, folder: Path, place: Path, threshold: float) -> Called:
    """Calls on each image of a folder."""
    answer = place / f"inspected-{threshold:g}.jsonl"
    if not answer.exists():
        place.mkdir(parents=True, exist_ok=True)
        answer.write_text(lopore("inspect", model, folder, "--json", "--threshold", threshold, "--extent", threshold))
    found = {}
    for line in answer.read_text().splitlines():
        one = json.loads(line)
        boxes = [(mark["peak"], *mark["box"]) for mark in one["indications"]]
        found[Path(one["film"]["name"]).name] = np.array(boxes, np.float64).reshape(-1, 5)
    return found


def top_hat(path: Path, side: int = 31, most: int = 40) -> Floats:
    """Bright marks by a white top-hat over the local noise, the ``most`` highest."""
    image = cv2.GaussianBlur(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float32), (0, 0), 1.2)
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    bright = cv2.morphologyEx(image, cv2.MORPH_TOPHAT, element)
    noise = np.sqrt(cv2.GaussianBlur((image - cv2.GaussianBlur(image, (0, 0), 4)) ** 2, (0, 0), 40) + 0.5)
    contrast = bright / noise
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (contrast > np.percentile(contrast, 96)).astype(np.uint8)
    )
    peaks = np.zeros(count)
    np.maximum.at(peaks, labels.ravel(), contrast.ravel())
    left, top, width, height, area = (stats[1:, column] for column in range(5))
    boxes = np.column_stack([peaks[1:], left - 2, top - 2, left + width + 2, top + height + 2])[area >= 20]
    return boxes[np.argsort(-boxes[:, 0])][:most]


def overlaps(calls: Floats, truth: Floats) -> Floats:
    """(calls, boxes) intersection over union."""
    wide = [np.column_stack([boxes[:, -4:-2], boxes[:, -2:] - boxes[:, -4:-2]]) for boxes in (calls, truth)]
    return np.asarray(box_overlaps(wide[0], wide[1], np.zeros(len(truth), np.bool_)))


def table(title: str, truth: dict[str, Floats], called: Called, casting_of: dict[str, str]) -> None:
    """Print recall at each of ``LIMITS`` and AP, with intervals over castings."""
    names = sorted(called)
    iou = {name: overlaps(called[name], truth[name]) for name in names}
    castings = sorted({casting_of[name] for name in names})
    rng = np.random.default_rng(0)
    draws = [castings, *([castings[i] for i in rng.integers(0, len(castings), len(castings))] for _ in range(1000))]
    shares = np.array([recalls([n for c in draw for n in names if casting_of[n] == c], called, iou) for draw in draws])
    images = [[ImageOverlaps("cavity", called[n][:, 0], iou[n], np.zeros(len(truth[n]), np.bool_))] for n in names]
    precision = average_precision(images, [castings.index(casting_of[name]) for name in names])
    low, high = np.percentile(shares[1:], [2.5, 97.5], axis=0)
    print(f"{title}: {len(names)} images of {len(castings)} castings, {sum(len(truth[n]) for n in names)} boxes")
    for limit, value, least, most in zip(LIMITS, shares[0], low, high, strict=True):
        print(f"  recall at {limit} false calls an image: {value:.3f} [{least:.3f}, {most:.3f}]")
    for name, one in (("AP", precision.ap), ("AP50", precision.ap50)):
        print(f"  {name}: {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]")
    for casting in castings:
        own = [name for name in names if casting_of[name] == casting]
        print(f"    {casting}: {recalls(own, called, iou)[1]:.3f} at 1 of its {sum(len(truth[n]) for n in own)} boxes")


def recalls(names: list[str], called: Called, iou: dict[str, Floats]) -> list[float]:
    """Share of the boxes that are hit at each of ``LIMITS``."""
    boxes = sum(iou[name].shape[1] for name in names)
    scores = np.concatenate([called[name][:, 0] for name in names])
    wrong = np.concatenate([~(iou[name] >= LEAST_OVERLAP).any(axis=1) for name in names])
    order = np.argsort(-scores, kind="stable")
    false = np.cumsum(wrong[order]) / len(names)
    found = []
    for limit in LIMITS:
        beyond = np.flatnonzero(false > limit)
        least = scores[order][beyond[0]] if len(beyond) else -np.inf
        hit = [(iou[name][called[name][:, 0] > least] >= LEAST_OVERLAP).any(axis=0).sum() for name in names]
        found.append(float(sum(hit)) / max(boxes, 1))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("casting_boxes", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--castings", nargs="*", help="only these; default: all")
    parser.add_argument("--threshold", type=float, default=0.05)
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    asked = parser.parse_args()
    boxes: dict[str, list[list[float]]] = defaultdict(list)
    with (asked.casting_boxes / "boxes.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            boxes[Path(row["file"]).name].append([float(row[key]) for key in ("x0", "y0", "x1", "y1")])
    manifest = laid_out(asked.casting_boxes, asked.out / "set")
    called, plain, casting_of = {}, {}, {}
    for folder in sorted(path for path in (asked.out / "set" / "castings").iterdir() if path.is_dir()):
        if asked.castings and folder.name not in asked.castings:
            continue
        place = asked.out / folder.name
        model = trained_without(folder.name, manifest, place, asked.settings)
        called.update(calls_of(model, folder, place, asked.threshold))
        plain.update({path.name: top_hat(path) for path in folder.iterdir()})
        casting_of.update({path.name: folder.name for path in folder.iterdir()})
    truth = {name: np.array(boxes[name], np.float64).reshape(-1, 4) for name in casting_of}
    table("white top-hat", truth, plain, casting_of)
    table("lopore, configs/castings.yaml", truth, called, casting_of)


if __name__ == "__main__":
    main()
