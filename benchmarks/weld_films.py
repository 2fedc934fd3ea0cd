"""Marks on real whole films, leaving one film out: lopore's own training and inspection against two baselines.

usage: weld_films.py WELD_FILMS OUT [--films RRT-12R ...] [--model weld] [--threshold 0.05] [--extent 0.05]

For each film with a mask: train ``configs/weld-films.yaml`` on the others, inspect the film, keep its boxes. With
``--model`` nothing is trained: that model inspects every film, those without a mask too. Finished films are kept, so
that a stopped run goes on. OUT/detections.csv holds all boxes. Prints hits at 0.5, 1, 2, 5 and 10 false calls a film
within the rectangle that was looked at, of all marks and of those of 10 px equivalent diameter or more, each with a 95
% interval over films (percentile bootstrap), how much of the rectangle the boxes cover, and the same of a black top-hat
over local noise. A mark is hit when a box meets it; a box is false when it meets no mark dilated by 4 px.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

HOME = Path(__file__).resolve().parents[1]
PITCH_MM = 0.0403
LIMITS = (0.5, 1, 2, 5, 10)
Box = tuple[float, float, float, float, float]
"""Score, left, top, right, bottom in pixels of the film."""


@dataclass(frozen=True)
class Truth:
    """The marks of one film: numbered components, their areas, a mask dilated by 4 px, and what was looked at."""

    labels: NDArray[np.int32]
    areas: NDArray[np.int64]
    near: NDArray[np.bool_]
    known: tuple[int, int, int, int]


def truth_of(root: Path, film: dict[str, str]) -> Truth:
    mask = (cv2.imread(str(root / film["mask"]), cv2.IMREAD_GRAYSCALE) > 127).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    x0, y0, x1, y1 = map(int, film["mask_known_in_x0_y0_x1_y1"].split())
    near = cv2.dilate(mask, np.ones((9, 9), np.uint8)) > 0
    return Truth(labels, stats[1:, cv2.CC_STAT_AREA].astype(np.int64), near, (x0, y0, x1, y1))


def events_of(truth: Truth, boxes: Sequence[Box]) -> list[tuple[float, list[int], bool]]:
    """Of each box its score, the marks that it meets, and whether it is a false call."""
    x0, y0, x1, y1 = truth.known
    events = []
    for score, left, top, right, bottom in boxes:
        part = slice(max(int(top), 0), int(np.ceil(bottom))), slice(max(int(left), 0), int(np.ceil(right)))
        inside = x0 <= (left + right) / 2 < x1 and y0 <= (top + bottom) / 2 < y1
        marks = [int(mark) for mark in np.unique(truth.labels[part]) if mark]
        events.append((score, marks, bool(inside and not truth.near[part].any())))
    return events


def hits(truths: Sequence[Truth], events: Sequence[Sequence[Any]]) -> NDArray[np.float64]:
    """Share of all marks, and of those of 10 px or more, that are found at each of ``LIMITS``: (limits, 2)."""
    pooled = sorted(
        ((score, number, marks, false) for number, film in enumerate(events) for score, marks, false in film),
        key=lambda event: -event[0],
    )
    every = {(n, mark + 1): area for n, truth in enumerate(truths) for mark, area in enumerate(truth.areas)}
    large = {place for place, area in every.items() if area >= 78.5}
    found: set[tuple[int, int]] = set()
    wrong, at, shares = 0, 0, []
    for limit in LIMITS:
        while at < len(pooled) and (wrong + pooled[at][3]) / len(truths) <= limit:
            wrong += pooled[at][3]
            found |= {(pooled[at][1], mark) for mark in pooled[at][2]}
            at += 1
        shares.append((len(found) / max(len(every), 1), len(found & large) / max(len(large), 1)))
    return np.array(shares)


def table(title: str, truths: Sequence[Truth], boxes: Sequence[Sequence[Box]]) -> None:
    """Print the figures with their intervals over films."""
    events = [events_of(truth, found) for truth, found in zip(truths, boxes, strict=True)]
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(truths), len(truths)) for _ in range(1000)]
    print(f"{title}: {len(truths)} films, boxes cover {covered(truths, boxes):.1%} of what was looked at")
    spread = np.array([hits([truths[i] for i in draw], [events[i] for i in draw]) for draw in draws])
    low, high = np.percentile(spread, [2.5, 97.5], axis=0)
    for limit, *figures in zip(LIMITS, hits(truths, events), low, high, strict=True):
        words = [f"{v:.3f} [{a:.3f}, {b:.3f}]" for v, a, b in zip(*figures, strict=True)]
        print(f"  {limit:>4} false calls a film: all {words[0]}, >= 10 px {words[1]}")


def covered(truths: Sequence[Truth], boxes: Sequence[Sequence[Box]]) -> float:
    """Share of the rectangles that lies in boxes: large boxes would meet marks by chance."""
    inside = total = 0
    for truth, found in zip(truths, boxes, strict=True):
        x0, y0, x1, y1 = truth.known
        drawn = np.zeros(truth.near.shape, np.bool_)
        for _, left, top, right, bottom in found:
            drawn[max(int(top), 0) : int(np.ceil(bottom)), max(int(left), 0) : int(np.ceil(right))] = True
        inside += int(drawn[y0:y1, x0:x1].sum())
        total += (y1 - y0) * (x1 - x0)
    return inside / total


def top_hat(path: Path, reduce: int = 2, element_mm: float = 1.0) -> list[Box]:
    """Dark marks by a black top-hat over the local noise."""
    film = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float32)
    film = cv2.resize(film, (film.shape[1] // reduce, film.shape[0] // reduce), interpolation=cv2.INTER_AREA)
    pitch = PITCH_MM * reduce
    film = cv2.GaussianBlur(film, (0, 0), 0.06 / pitch)
    side = int(element_mm / pitch) | 1
    dark = cv2.morphologyEx(film, cv2.MORPH_BLACKHAT, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    fine = film - cv2.GaussianBlur(film, (0, 0), 0.3 / pitch)
    over_noise = dark / np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 4 / pitch) + 0.05)
    low, high = np.percentile(over_noise, [97, 99])
    count, labels, stats, _ = cv2.connectedComponentsWithStats((over_noise > low).astype(np.uint8))
    peaks = np.zeros(count)
    np.maximum.at(peaks, labels.ravel(), over_noise.ravel())
    found: list[Box] = []
    for number in range(1, count):
        left, top, width, height, area = (int(value) * reduce for value in stats[number])
        if peaks[number] > high and area * reduce >= 20:
            found.append((float(peaks[number]), left - 2, top - 2, left + width + 2, top + height + 2))
    return found


def lopore(*words: object) -> str:
    """What a command of lopore prints."""
    command = [sys.executable, "-m", "lopore", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def inspected(root: Path, out: Path, film: dict[str, str], asked: argparse.Namespace) -> list[Box]:
    """Boxes of lopore on a film that its model never saw."""
    place = out / film["film"]
    answer = place / f"inspection-{asked.threshold:g}-{asked.extent:g}.json"
    limits = ["--threshold", asked.threshold, "--extent", asked.extent, "--mm-per-pixel", PITCH_MM]
    if not answer.exists():
        model = asked.model or trained_without(root, place, film)
        place.mkdir(parents=True, exist_ok=True)
        answer.write_text(lopore("inspect", model, root / film["file"], "--json", *limits))
    indications = json.loads(answer.read_text().splitlines()[0])["indications"]
    return [(one["peak"], *one["box"]) for one in indications]


def trained_without(root: Path, place: Path, film: dict[str, str]) -> Path:
    """The folder of a model that was trained on the other masked films."""
    models = sorted((place / "models" / "final").glob("*/*/lopore.json"))
    if not models:
        lay_out = [sys.executable, HOME / "tools" / "weld_films.py", root, place, "--hold-out", film["film"]]
        if not (place / "manifest.csv").exists():
            subprocess.run([*map(str, lay_out)], check=True)
            lopore("data", "index", place / "labels.csv", "--out", place / "manifest.csv")
        config, manifest = HOME / "configs" / "weld-films.yaml", f"data.manifest={place / 'manifest.csv'}"
        lopore("train", "--config", config, "--out", place / "models", "--set", manifest, "--set", "exports=[]")
        models = sorted((place / "models" / "final").glob("*/*/lopore.json"))
    return models[-1].parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weld_films", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--films", nargs="*", help="only these; default: every film with a mask")
    parser.add_argument("--model", help="inspect with this model, such as weld, instead of training")
    parser.add_argument("--threshold", type=float, default=0.05)
    parser.add_argument("--extent", type=float, default=0.05)
    asked = parser.parse_args()
    with (asked.weld_films / "films.csv").open(newline="") as stream:
        films = [film for film in csv.DictReader(stream) if film["mask"] or asked.model]
    films = [film for film in films if not asked.films or film["film"] in asked.films]
    masked = [number for number, film in enumerate(films) if film["mask"]]
    truths = [truth_of(asked.weld_films, films[number]) for number in masked]
    table("black top-hat", truths, [top_hat(asked.weld_films / films[number]["file"]) for number in masked])
    boxes = [inspected(asked.weld_films, asked.out, film, asked) for film in films]
    with (asked.out / "detections.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("film", "score", "x0", "y0", "x1", "y1"))
        writer.writerows([film["film"], *box] for film, found in zip(films, boxes, strict=True) for box in found)
    title = f"lopore, {asked.model or 'configs/weld-films.yaml'}"
    table(title, truths, [boxes[number] for number in masked])


if __name__ == "__main__":
    main()
