"""The model ``weld`` on films that are no whole weld films of its kind; nothing is trained and no threshold is moved.

usage: weld_elsewhere.py DATA [--every 1]

DATA holds ``riawelc-crops``, ``weld-radiographs``, ``diconde-welds``, ``casting-boxes`` and ``weld-films``. Prints
the ROC AUC of defect against none on crops (the largest probability of any class), of lack of penetration or fusion
against pore on radiographs (difference of logits; one image a radiograph, percentile bootstrap over films), and on how
many images lopore says "cannot be judged", as they are and inverted. ``--every 5`` takes each fifth image alone.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lopore import open_model
from lopore.inference.cover_film import CoverOptions, map_strips, tiling_of
from lopore.inference.film_doubts import doubts_about_film
from lopore.metrics.ranking import roc_auc
from lopore.models.catalogue import locate_model
from lopore.models.opening import OpenModel
from lopore.preprocessing.enhancement_chain import Chain
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.windows import open_film

CROP_MM, RADIOGRAPH_MM, PANEL_MM, FILM_MM = 0.0403, 0.0806, 0.2, 0.0403
"""Pixel pitch; that of the radiographs is a guess from the height of the films that they are cut from."""


def largest(model: OpenModel, path: Path, pitch_mm: float) -> NDArray[np.float64]:
    """(K + 1,) the largest probability of each class, and of any, on an image."""
    options = CoverOptions()
    with open_film(path, mm_per_pixel=pitch_mm) as source:
        film = FilmInput(source, model.record.preprocessing)
        strips = map_strips(model, film, tiling_of(model, film, options), options, 0, lambda done, total: None)
        maps = np.concatenate(list(strips), axis=1)
    return np.append(maps.max(axis=(1, 2)), maps.sum(axis=0).max()).astype(np.float64)


def blocked(model: OpenModel, path: Path, pitch_mm: float | None, chain: Chain | None) -> bool:
    """Whether lopore says that the image cannot be judged."""
    with open_film(path, mm_per_pixel=pitch_mm) as source:
        film = FilmInput(source, model.record.preprocessing, chain, pitch_mm=pitch_mm)
        return any(doubt.blocks for doubt in doubts_about_film(model.record, film))


def crops(model: OpenModel, folder: Path, every: int) -> None:
    rows = table(folder / "index.csv")[::every]
    kinds = np.array([row["class"] for row in rows])
    scores = np.array([largest(model, folder / row["file"], CROP_MM)[-1] for row in rows])
    for name in ("crack", "porosity", "no_defect"):
        own = scores[kinds == name]
        print(f"  {name}: {len(own)} crops, {np.mean(own >= model.record.threshold.value):.2f} called")
    print(f"  defect against none: ROC AUC {roc_auc(scores, kinds != 'no_defect'):.3f}; one film a class, no interval")


def radiographs(model: OpenModel, folder: Path, every: int) -> None:
    first: dict[str, dict[str, str]] = {}
    for row in table(folder / "groups.csv"):
        if row["class_conflict"] == "0":
            first.setdefault(row["radiograph_group"], row)
    rows = list(first.values())[::every]
    found = np.clip([largest(model, folder / row["file"], RADIOGRAPH_MM) for row in rows], 1e-5, 1 - 1e-5)
    logits = dict(zip(model.record.classes, np.log(found / (1 - found)).T, strict=False))
    scores = np.maximum(logits["lack_of_penetration"], logits["lack_of_fusion"]) - logits["pore"]
    truth = np.array([row["class"] == "lack_of_penetration" for row in rows])
    groups = np.unique([row["film_group"] for row in rows], return_inverse=True)[1]
    rng, draws = np.random.default_rng(0), []
    for _ in range(2000):
        drawn = np.bincount(rng.integers(0, groups.max() + 1, groups.max() + 1), minlength=groups.max() + 1)
        area = roc_auc(scores, truth, drawn[groups].astype(np.float64))
        draws += [] if area is None else [area]
    low, high = np.percentile(draws, [2.5, 97.5])
    area, films = roc_auc(scores, truth), groups.max() + 1
    print(f"  {len(rows)} radiographs of {films} films, {truth.sum()} of lack of penetration")
    print(f"  ROC AUC {area:.3f} [{low:.3f}, {high:.3f}]")
    print(f"  no mark called on {np.sum(found[:, -1] < model.record.threshold.value)} of them")


def doubts(model: OpenModel, name: str, paths: Sequence[Path], pitch_mm: float | None) -> None:
    chains = (("as they are", None), ("inverted", Chain.parse([{"name": "invert"}])))
    for how, chain in chains:
        count = sum(blocked(model, path, pitch_mm, chain) for path in paths)
        print(f"  {name}, {how}: {count} of {len(paths)} cannot be judged")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=1)
    asked = parser.parse_args()
    model, data, every = open_model(locate_model("weld")), asked.data, asked.every
    print("riawelc-crops")
    crops(model, data / "riawelc-crops", every)
    print("weld-radiographs")
    radiographs(model, data / "weld-radiographs", every)
    print("films unlike its training")
    doubts(model, "diconde-welds", sorted((data / "diconde-welds").glob("*.dcm"))[::every], PANEL_MM)
    castings = [
        path for part in sorted((data / "casting-boxes").iterdir()) for path in sorted(part.glob("*.png"))[::12]
    ]
    doubts(model, "casting-boxes, each twelfth frame", castings[::every], None)
    doubts(model, "weld-films", sorted((data / "weld-films" / "films").glob("*.png"))[::every], FILM_MM)


if __name__ == "__main__":
    main()
