"""Lay out the masked films of ``weld-films`` for training: films, masks with what was not looked at, and a table.

usage: weld_films.py WELD_FILMS OUT [--hold-out FILM]

WELD_FILMS holds ``films.csv``, ``films`` and ``masks`` (GDXray series W0003 and W0002, for research only). OUT gets
copies of the films, masks of 0 (sound), 1 (defect) and 255 (outside of the rectangle that was looked at), and
``labels.csv``: a fold a film, and with ``--hold-out`` that film as test and all others as train. Then:

    lopore data index OUT/labels.csv --out OUT/manifest.csv
    lopore train --config configs/weld-films.yaml --set data.manifest=OUT/manifest.csv
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import cv2
import numpy as np


def known_mask(path: Path, rectangle: str) -> np.ndarray:
    """The drawn mask as class numbers, 255 outside of ``x0 y0 x1 y1``."""
    drawn = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127
    x0, y0, x1, y1 = map(int, rectangle.split())
    mask = np.full(drawn.shape, 255, np.uint8)
    mask[y0:y1, x0:x1] = drawn[y0:y1, x0:x1]
    return mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weld_films", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--hold-out", default="", help="film that is kept back, such as RRT-12R")
    asked = parser.parse_args()
    with (asked.weld_films / "films.csv").open(newline="") as stream:
        films = [film for film in csv.DictReader(stream) if film["mask"]]
    names = [film["film"] for film in films]
    if asked.hold_out and asked.hold_out not in names:
        parser.error(f"--hold-out {asked.hold_out} is no film with a mask; there are {', '.join(names)}")
    for folder in ("films", "masks"):
        (asked.out / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for fold, film in enumerate(films):
        shutil.copyfile(asked.weld_films / film["file"], asked.out / film["file"])
        mask = known_mask(asked.weld_films / film["mask"], film["mask_known_in_x0_y0_x1_y1"])
        cv2.imwrite(str(asked.out / film["mask"]), mask)
        split = "test" if film["film"] == asked.hold_out else "train"
        rows.append([film["file"], "defect", film["film"], film["mask"], film["mm_per_px"], split, fold])
    with (asked.out / "labels.csv").open("w", newline="") as stream:
        header = ("path", "labels", "group", "mask", "mm_per_pixel", "split", "fold")
        csv.writer(stream).writerows([header, *rows])


if __name__ == "__main__":
    main()
