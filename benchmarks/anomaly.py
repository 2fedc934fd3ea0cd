"""Task anomaly beside anomalib's PatchCore: the same images, split, backbone, weights, stages and places in memory.

usage: anomaly.py DATA OUT [--anomalib PYTHON] [--exposures 0 2 4] [--only magnetic-tile]

DATA holds ``magnetic-tile`` and ``weld-films``. PYTHON is the interpreter of an environment with anomalib 2.7.0 and
torch; without it lopore runs alone. Each method runs in a process of its own with one thread (``anomaly_fit.py``).

magnetic-tile: 224 px; learned from half of the tiles that are free at every exposure, scored on the other half and all
tiles with a defect. ROC AUC by image and by pixel, with 95 % intervals over tiles.
weld-films: the seven masked films at 0.1 mm a pixel, contrast over noise, tiles of 128 px; each film is left out in
turn, and learned are the tiles of the six others that lie within the rectangle looked at and show no mark. Hits by the
measure of weld_films.py, of regions above the 99 % quantile of the maps of training tiles.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from weld_films import PITCH_MM, Box, Truth, table, truth_of

HOME = Path(__file__).resolve().parent
METHODS = ("memory-bank", "gaussian")
STEP, TILE, MM = 64, 128, 0.1
BINS = 2000


def fit(method: str, python: str, folders: list[Path]) -> dict[str, float]:
    """Run one method over folders; the mean of its facts, and the largest memory."""
    subprocess.run([python, str(HOME / "anomaly_fit.py"), method, *map(str, folders)], check=True)
    facts = [json.loads((folder / f"{method}.json").read_text()) for folder in folders]
    return {name: float((max if name == "peak_mb" else np.mean)([one[name] for one in facts])) for name in facts[0]}


def told(method: str, facts: dict[str, float]) -> str:
    return (
        f"{method}: fit {facts['fit_processor_seconds']:.1f} s of processor on {facts['train_images']:.0f} images, "
        f"{facts['ms_an_image']:.0f} ms an image, {facts['peak_mb']:.0f} MB, {facts['places']:.0f} places"
    )


def write_state(out: Path) -> None:
    """The weights of the backbone for three channels, as lopore-torch[offline] installs them."""
    from lopore.contracts import NetworkRequest
    from lopore_torch.weights import find_pretrained

    request = NetworkRequest(
        backbone="tf_efficientnet_lite0", outputs=2, channels=3, size=(224, 224), pretrained="offline"
    )
    found = find_pretrained(request, "tf_efficientnet_lite0")
    assert found is not None
    torch.save(found.state, out / "state.pth")


def with_bounds(by_group: NDArray[np.float64]) -> str:
    """ROC AUC of histograms (groups, 2, bins) of sound and defective, with bounds over groups."""

    def area(counts: NDArray[np.float64]) -> float:
        sound, defect = counts / counts.sum(axis=1, keepdims=True)
        return float((defect * (np.cumsum(sound) - sound / 2)).sum())

    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(1000):
        counts = by_group[rng.integers(0, len(by_group), len(by_group))].sum(axis=0)
        if counts.sum(axis=1).all():
            drawn.append(area(counts))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{area(by_group.sum(axis=0)):.3f} [{low:.3f}, {high:.3f}]"


def histograms(values: list[NDArray[Any]], defect: list[NDArray[np.bool_]], groups: list[str]) -> NDArray[np.float64]:
    """(groups, 2, bins) of values, by rank among all of them."""
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    sample = np.concatenate([one.ravel()[:: max(1, one.size // 4096)] for one in values])
    edges = np.unique(np.quantile(sample, np.linspace(0, 1, BINS)))
    found = np.zeros((len(names), 2, len(edges) + 1))
    for one, truth, group in zip(values, defect, groups, strict=True):
        place = np.searchsorted(edges, one.ravel(), side="right")
        for kind in (0, 1):
            found[names[group], kind] += np.bincount(place[truth.ravel() == kind], minlength=len(edges) + 1)
    return found


def magnetic_tile(data: Path, out: Path, pythons: dict[str, str], exposures: list[str]) -> None:
    root = data / "magnetic-tile"
    rows = [row for row in csv.DictReader((root / "index.csv").open()) if row["exposure"] in exposures]
    classes = defaultdict(set)
    for row in csv.DictReader((root / "index.csv").open()):
        classes[row["tile"]].add(row["class"])
    free = sorted(tile for tile, kinds in classes.items() if kinds == {"MT_Free"})
    np.random.default_rng(0).shuffle(free)
    learned = set(free[: len(free) // 2])
    train = [row for row in rows if row["tile"] in learned]
    test = [row for row in rows if row["tile"] not in learned]

    def image(row: dict[str, str], suffix: str, flag: int) -> NDArray[np.uint8]:
        read = cv2.imread(str((root / row["file"]).with_suffix(suffix)), cv2.IMREAD_GRAYSCALE)
        return np.asarray(cv2.resize(read, (224, 224), interpolation=flag), np.uint8)

    folder = out / "magnetic-tile"
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "train.npy", np.stack([image(row, ".jpg", cv2.INTER_AREA) for row in train]))
    np.save(folder / "test.npy", np.stack([image(row, ".jpg", cv2.INTER_AREA) for row in test]))
    masks = [image(row, ".png", cv2.INTER_AREA) > 127 for row in test]
    defect = [np.array([row["class"] != "MT_Free"]) for row in test]
    groups = [row["tile"] for row in test]
    tiles, bad = len(set(groups)), sum(bool(one[0]) for one in defect)
    print(f"magnetic-tile: {len(train)} images learned, {len(test)} of {tiles} tiles scored, {bad} with a defect")
    for method, python in pythons.items():
        facts = fit(method, python, [folder])
        scores, maps = np.load(folder / f"{method}-scores.npy"), np.load(folder / f"{method}.npy")
        images = with_bounds(histograms([score[None] for score in scores], defect, groups))
        marked = [mask & bool(bad_one[0]) for mask, bad_one in zip(masks, defect, strict=True)]
        print(f"  {told(method, facts)}")
        print(f"    ROC AUC by image {images}, by pixel {with_bounds(histograms(list(maps), marked, groups))}")


def film_arrays(data: Path, out: Path) -> list[tuple[dict[str, str], Truth, Any, list[tuple[int, int]]]]:
    """Of each masked film its row, truth, tiles (N, 128, 128) at 0.1 mm with their marks, and their corners."""
    from lopore.data.film_masks import FilmFile, Films
    from lopore.record.preprocessing import Preprocessing

    root = data / "weld-films"
    rows = [row for row in csv.DictReader((root / "films.csv").open()) if row["mask"]]
    record = Preprocessing.model_validate(
        {
            "channels": 1, "depth": 8, "resize": "tile", "size": TILE, "mm_per_pixel": MM,
            "enhance": [{"name": "contrast-to-noise", "radius": 12, "noise_radius": 24, "knee": 8.0, "floor": 0.05}],
        }
    )  # fmt: skip
    found = []
    for row in rows:
        x0, y0, x1, y1 = map(int, row["mask_known_in_x0_y0_x1_y1"].split())
        drawn = cv2.imread(str(root / row["mask"]), cv2.IMREAD_GRAYSCALE) > 127
        mask = np.full(drawn.shape, 255, np.uint8)
        mask[y0:y1, x0:x1] = drawn[y0:y1, x0:x1]
        path = out / "masks" / f"{row['film']}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), mask)
        films = Films([FilmFile(root / row["file"], (path,), (1,), float(row["mm_per_px"]))], record, 1)
        height, width = films.shape(0)
        corners = [(t, left) for t in range(0, height - STEP, STEP) for left in range(0, width - STEP, STEP)]
        parts = [films.read(0, top, left, (TILE, TILE)) for top, left in corners]
        kept = [(part, corner) for part, corner in zip(parts, corners, strict=True) if (part[1] != 255).any()]
        tiles = np.stack([part[0][:, :, 0] for part, _ in kept])
        sound = np.array([not part[1].any() for part, _ in kept])
        found.append((row, truth_of(root, row), (tiles, sound), [corner for _, corner in kept]))
    return found


def boxes_of(maps: NDArray[np.float32], corners: list[tuple[int, int]], level: float, factor: float) -> list[Box]:
    """Regions of a film's map above a level, its tiles averaged where they overlap; the score is the peak."""
    height, width = (max(corner[axis] for corner in corners) + TILE for axis in (0, 1))
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for one, (top, left) in zip(maps, corners, strict=True):
        total[top : top + TILE, left : left + TILE] += one
        count[top : top + TILE, left : left + TILE] += 1
    mean = total / np.maximum(count, 1)
    number, labels, stats, _ = cv2.connectedComponentsWithStats((mean > level).astype(np.uint8))
    peaks = np.zeros(number)
    np.maximum.at(peaks, labels.ravel(), mean.ravel())
    return [
        (float(peaks[k]), left * factor, top * factor, (left + wide) * factor, (top + high) * factor)
        for k, (left, top, wide, high, _) in enumerate(stats) if k
    ]  # fmt: skip


def weld_films(data: Path, out: Path, pythons: dict[str, str]) -> None:
    films = film_arrays(data, out)
    folders = [out / f"film-{row['film']}" for row, *_ in films]
    for number, (folder, (_, _, (tiles, _), _)) in enumerate(zip(folders, films, strict=True)):
        folder.mkdir(parents=True, exist_ok=True)
        others = [tiles_of[sound] for k, (_, _, (tiles_of, sound), _) in enumerate(films) if k != number]
        np.save(folder / "train.npy", np.concatenate(others))
        np.save(folder / "test.npy", tiles)
    print(f"weld-films: {len(films)} films, each left out in turn")
    for method, python in pythons.items():
        facts = fit(method, python, folders)
        boxes = [
            boxes_of(np.load(f / f"{method}.npy"), corners, float(np.load(f / f"{method}-level.npy")), MM / PITCH_MM)
            for f, (_, _, _, corners) in zip(folders, films, strict=True)
        ]
        table(f"  {told(method, facts)}", [truth for _, truth, *_ in films], boxes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--anomalib", default="", help="python of an environment with anomalib and torch")
    parser.add_argument("--exposures", nargs="*", default=["0", "2", "4"], help="exposures of magnetic-tile, of 0 to 6")
    parser.add_argument("--only", choices=("magnetic-tile", "weld-films"))
    asked = parser.parse_args()
    pythons = dict.fromkeys(METHODS, sys.executable) | ({"anomalib": asked.anomalib} if asked.anomalib else {})
    asked.out.mkdir(parents=True, exist_ok=True)
    write_state(asked.out)
    if asked.only != "weld-films":
        magnetic_tile(asked.data, asked.out, pythons, asked.exposures)
    if asked.only != "magnetic-tile":
        weld_films(asked.data, asked.out, pythons)


if __name__ == "__main__":
    main()
