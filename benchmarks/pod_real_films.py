"""Probability of detection on real images: pores of weld films by sections, marks of their masks, inserts in a casting.

    python benchmarks/pod_real_films.py DATA [--model MODEL] [--detections CSV]

DATA holds ``weld-films`` and ``gdxray-casting-inserts`` (for research only). With --model, such as ``weld``, `lopore
inspect` searches all films (CSV keeps what it found, and is read where it is there); the model must have met none of
them. Without it the weld films are searched by a black top-hat over local noise, which learns nothing, or by what CSV
says: film, score, x0, y0, x1 and y1 in pixels. The operating point is the model's own threshold, and the score at so
many false calls a film within the masks' rectangles, or an image of the casting. Pores count as found where a call lies
within 3 mm of their place along the film; calls beside the weld are left out. The share of sound places of 10 mm with
a call tells how many would be found by chance.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from weld_films import PITCH_MM, Box, events_of, lopore, top_hat, truth_of

from lopore.indications.setting_aside import beside_weld
from lopore.indications.weld_position import find_weld
from lopore.metrics.binomial import exact_share
from lopore.metrics.pod.hit_miss import hit_miss_study
from lopore.metrics.pod.study import PodStudy
from lopore.models.catalogue import locate_model
from lopore.reading.windows import open_film

CELL_MM, MARGIN_MM, PORE = 10.0, 3.0, "2011"
RATES = (1, 2, 5)


def told(title: str, study: PodStudy) -> None:
    """What the study states or refuses."""
    sizes = f", {study.smallest:.3g} to {study.largest:.3g}" if study.marks else ""
    print(f"  {title}: {study.marks} on {study.films} films{sizes}, {study.hits} found")
    for name in ("a50", "a90", "a90_95"):
        value = getattr(study, name)
        if value is not None:
            print(f"    {name} {value:.3g} ({study.models[0].title})")
    for refusal in study.refusals:
        print(f"    {refusal.text}")


def inspected(model: str, paths: Iterable[Path], pitch_mm: float) -> Iterable[tuple[str, Box]]:
    """Film and box of every indication of 0.5 and more, of all classes."""
    for path in paths:
        said = lopore("inspect", model, path, "--json", "--threshold", 0.5, "--mm-per-pixel", pitch_mm)
        for one in json.loads(said.splitlines()[0])["indications"]:
            yield path.stem, (one["peak"], *one["box"])


def detections_of(model: str | None, kept: Path | None, root: Path) -> dict[str, list[Box]]:
    """Boxes by film, of the weld films and the casting's images (its pixels taken for 0.1 mm, as nobody knows them)."""
    if model is not None and (kept is None or not kept.exists()):
        found = [*inspected(model, sorted((root / "weld-films" / "films").glob("*.png")), PITCH_MM)]
        found += inspected(model, sorted((root / "gdxray-casting-inserts" / "images").glob("*.png")), 0.1)
        kept = kept or Path("detections.csv")
        with kept.open("w", newline="") as stream:
            csv.writer(stream).writerows([("film", "score", "x0", "y0", "x1", "y1"), *((a, *b) for a, b in found)])
    boxes: dict[str, list[Box]] = defaultdict(list)
    if kept is not None:
        with kept.open(newline="") as stream:
            for row in csv.DictReader(stream):
                place = [float(row[name]) for name in ("score", "x0", "y0", "x1", "y1")]
                boxes[row["film"]].append((place[0], place[1], place[2], place[3], place[4]))
    return boxes


def weld_films(root: Path, boxes: dict[str, list[Box]], own: float | None) -> None:
    """Pores by sections and marks by masks, at the model's own threshold and at several rates of false calls."""
    with (root / "films.csv").open(newline="") as stream:
        films = list(csv.DictReader(stream))
    if not boxes:
        boxes = {film["film"]: top_hat(root / film["file"]) for film in films}
    boxes = {film["film"]: on_the_weld(root / film["file"], boxes[film["film"]]) for film in films}
    masked = [film for film in films if film["mask"]]
    events = {film["film"]: events_of(truth_of(root, film), boxes[film["film"]]) for film in masked}
    wrong = sorted((score for found in events.values() for score, _, false in found if false), reverse=True)
    points = [(least, f"{rate} false calls a film within the masks (score over {least:.3g})") for rate in RATES
              for least in [wrong[min(int(rate * len(masked)), len(wrong) - 1)]]]  # fmt: skip
    if own is not None:
        rate = sum(score >= own for score in wrong) / len(masked)
        points.insert(0, (own - 1e-9, f"the model's threshold {own:g} ({rate:.2f} false calls a film there)"))
    for least, title in points:
        print(f"weld films, {title}")
        by_masks(root, masked, events, least)
        by_sections(root, films, {name: [box for box in found if box[0] > least] for name, found in boxes.items()})


def on_the_weld(path: Path, boxes: Sequence[Box]) -> list[Box]:
    """The calls whose middle lies on the weld, where one stands out: letters and wires beside it are none."""
    with open_film(path) as source:
        band = find_weld(source)
    if band is None:
        return list(boxes)
    return [box for box in boxes if beside_weld(band, (box[1] + box[3]) / 2, (box[2] + box[4]) / 2) <= 0]


def by_masks(root: Path, masked: Sequence[dict[str, str]], events: dict[str, list], least: float) -> None:
    sizes, hits, names = [], [], []
    for film in masked:
        areas = truth_of(root, film).areas
        found = {mark for score, marks, _ in events[film["film"]] if score > least for mark in marks}
        sizes += [2 * (area / np.pi) ** 0.5 * PITCH_MM for area in areas]
        hits += [float(number in found) for number in range(1, len(areas) + 1)]
        names += [film["film"]] * len(areas)
    told("marks of masks over mm of equivalent diameter", hit_miss_study(sizes, hits, names))


def by_sections(root: Path, films: Sequence[dict[str, str]], boxes: dict[str, list[Box]]) -> None:
    with (root / "truth.csv").open(newline="") as stream:
        truth = list(csv.DictReader(stream))
    sizes, hits, names = [], [], []
    called = places = 0
    for film in films:
        ranges = [(box[1] * PITCH_MM, box[3] * PITCH_MM) for box in boxes.get(film["film"], [])]
        taken: set[int] = set()
        for row in (row for row in truth if Path(row["file"]).stem == film["film"]):
            cell, length = int(row["cell"]), float(row["length_mm"] or 0)
            begin, end = (cell - 1) * CELL_MM, (cell - 1) * CELL_MM + max(CELL_MM, length)
            taken |= set(range(cell - 1, int(end // CELL_MM) + 2))
            if row["iso6520"] == PORE:
                sizes.append(length)
                hits.append(float(any(a <= end + MARGIN_MM and b >= begin - MARGIN_MM for a, b in ranges)))
                names.append(film["film"])
        for cell in set(range(1, int(film["cells"] or 0) + 1)) - taken:
            begin, end = (cell - 1) * CELL_MM - MARGIN_MM, cell * CELL_MM + MARGIN_MM
            called += any(a <= end and b >= begin for a, b in ranges)
            places += 1
    chance = exact_share(called, places)
    told("gas pores over mm of length", hit_miss_study(sizes, hits, names, false_calls=(called, places)))
    bounds = f"{chance.value:.2f}, {chance.low:.2f} to {chance.high:.2f}"
    print(f"    by chance: {called} of {places} sound places, as wide, have a call ({bounds})")


def inserts(root: Path, boxes: dict[str, list[Box]], own: float | None) -> None:
    """Simulated flaws of exact size, met by the boxes of a model or by bright blobs over local noise."""
    events, marks = [], []
    for path in (images := sorted((root / "images").glob("*.png"))):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        masks = [cv2.imread(str(one), cv2.IMREAD_GRAYSCALE) > 127 for one in root.glob(f"masks/{path.stem}_*.png")]
        numbers = range(len(marks), len(marks) + len(masks))
        for mask in masks:
            ring = (cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0) & ~mask
            marks.append((2 * (mask.sum() / np.pi) ** 0.5, path.stem.split("_")[1][:4], float(image[ring].mean())))
        if own is None:
            blobs = [(score, (x - 4, y - 4, x + 4, y + 4)) for score, x, y in bright_blobs(image)]
        else:
            blobs = [(score, place) for score, *place in boxes[path.stem]]
        events += [(score, [n for n, mask in zip(numbers, masks, strict=True) if meets(mask, place)])
                   for score, place in blobs]  # fmt: skip
    wrong = sorted((score for score, hit in events if not hit), reverse=True)
    least = wrong[min(len(images), len(wrong) - 1)] if wrong else 0.0
    points = [(least, f"1 false call an image (score over {least:.3g})")]
    if own is not None:
        rate = sum(score >= own for score in wrong) / len(images)
        points.insert(0, (own - 1e-9, f"the model's threshold {own:g} ({rate:.2f} false calls an image)"))
    size, frame, ground = (np.array(column) for column in zip(*marks, strict=True))
    for limit, title in points:
        met = {number for score, hit in events if score > limit for number in hit}
        print(f"casting inserts on {len(images)} images, {title}")
        hit = np.array([float(number in met) for number in range(len(marks))])
        for part, chosen in (("all", ground > 0), ("metal behind", ground <= 185), ("air behind", ground > 185)):
            told(f"{part}, over px of diameter", hit_miss_study(size[chosen], hit[chosen], frame[chosen]))


def bright_blobs(image: np.ndarray) -> list[tuple[float, int, int]]:
    """(score, x, y): local maxima of a white top-hat over the local noise, on scales of 8 to 40 px."""
    grey = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 2)
    best = np.zeros_like(grey)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 6)
    noise = np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), 40)) + 0.5
    for side in (15, 31, 51):
        bright = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
        best = np.maximum(best, cv2.GaussianBlur(bright, (0, 0), side / 8) / noise)
    top = (best == cv2.dilate(best, np.ones((31, 31), np.uint8))) & (best > 0.5)
    return [(float(best[y, x]), int(x), int(y)) for y, x in np.argwhere(top)]


def meets(mask: np.ndarray, place: Sequence[float]) -> bool:
    left, top, right, bottom = place
    return bool(mask[max(int(top), 0) : int(np.ceil(bottom)) + 1, max(int(left), 0) : int(np.ceil(right)) + 1].any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--detections", type=Path)
    asked = parser.parse_args()
    boxes = detections_of(asked.model, asked.detections, asked.data)
    own = None if asked.model is None else locate_model(asked.model).record.threshold.value
    weld_films(asked.data / "weld-films", boxes, own)
    inserts(asked.data / "gdxray-casting-inserts", boxes, own)


if __name__ == "__main__":
    main()
