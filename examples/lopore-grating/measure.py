"""What `remove-grating` does to films: how many it leaves alone, what is left of planted lines, what pores keep.

python measure.py FOLDER [--films 100] [--json FILE]

Every film of FOLDER is enhanced as it is; those that stay as they are then get three dark pores (sigma 4 px, 18 grey
levels of 8 bits deep) and, one after the other, lines of every period, angle and amplitude in ``LINES``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent / "src"))

from lopore_grating.notch import remove_gratings

from lopore import read_radiograph

SETTINGS: dict[str, Any] = {"threshold": 8.0, "longest_period": 48.0, "lines": 12}
PERIODS, ANGLES, AMPLITUDES = (2.5, 5.3, 9.7, 16.4, 23.0), (0.0, 37.0, 90.0), (2.0, 4.0, 8.0)
"""Pixels; degrees from lines across the rows; grey levels of 8 bits."""
GONE = -20.0
"""Decibels: a tenth of the amplitude; a line above half of that (-6 dB) counts as missed."""


def enhanced(pixels: NDArray[Any]) -> NDArray[Any]:
    return remove_gratings(pixels, **SETTINGS)


def planted(film: NDArray[Any], seed: int) -> tuple[NDArray[np.float64], list[tuple[int, int]]]:
    """The film, pressed into 10 % to 90 % of its range so that nothing clips, with three pores, and their places."""
    rng, (height, width) = np.random.default_rng(seed), film.shape
    top = float(np.iinfo(film.dtype).max)
    values = 0.1 * top + 0.8 * film.astype(np.float64)
    rows, columns = np.mgrid[0:height, 0:width]
    places = [(int(rng.integers(40, height - 40)), int(rng.integers(40, width - 40))) for _ in range(3)]
    for row, column in places:
        values -= 18 / 255 * top * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 32.0)
    return values, places


def contrast(values: NDArray[Any], places: list[tuple[int, int]]) -> float:
    """Mean depth of the pores against the mean of 33 x 33 px around each."""
    values = values.astype(np.float64)
    depths = [
        values[y - 16 : y + 17, x - 16 : x + 17].mean() - values[y - 2 : y + 3, x - 2 : x + 3].mean() for y, x in places
    ]
    return float(np.mean(depths))


def wave(shape: tuple[int, ...], period: float, degrees: float) -> NDArray[np.float64]:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    angle = np.deg2rad(degrees)
    return np.asarray(np.cos(2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / period + 1.0))


def trial(film: NDArray[Any], seed: int) -> list[dict[str, float]]:
    """One row a line: what is left of it in dB, and the share of the pores' contrast that is left."""
    clean, places = planted(film, seed)
    top, found = np.iinfo(film.dtype).max, []
    base = np.rint(np.clip(clean, 0, top)).astype(film.dtype)
    lines = list(itertools.product(PERIODS, ANGLES, AMPLITUDES))
    for period, degrees, amplitude in lines[seed % 5 :: 5]:
        line = wave(film.shape, period, degrees) * amplitude / 255 * top
        given = np.rint(np.clip(clean + line, 0, top)).astype(film.dtype)
        result = enhanced(given)
        rest = abs(((result.astype(np.float64) - base) * line).sum() / (line * line).sum())
        found.append({
            "period": period, "degrees": degrees, "amplitude": amplitude,
            "left_db": float(20 * np.log10(max(rest, 1e-6))),
            "contrast": contrast(result, places) / contrast(base, places),
        })  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--films", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in (".jpg", ".png", ".dcm"))
    paths = paths[:: max(1, len(paths) // options.films)]
    changed, rows = [], []
    for number, path in enumerate(paths):
        film = read_radiograph(path).pixels
        if np.array_equal(enhanced(film), film):
            rows += trial(film, number)
        else:
            changed.append(path.name)
    print(f"{len(paths)} films; {len(changed)} changed as they are: {', '.join(changed[:5]) or 'none'}")
    for title, key in (("period, px", "period"), ("angle", "degrees"), ("amplitude, grey levels", "amplitude")):
        for value in sorted({row[key] for row in rows}):
            show(f"{title} {value:g}", [row for row in rows if row[key] == value])
    show("all", rows)
    if options.json:
        options.json.write_text(json.dumps({"changed": changed, "rows": rows}, indent=1), encoding="utf-8")


def show(title: str, rows: list[dict[str, float]]) -> None:
    left = [row["left_db"] for row in rows]
    kept = [row["contrast"] for row in rows if row["left_db"] <= -6.0]
    gone, missed = np.mean([value <= GONE for value in left]), np.mean([value > -6.0 for value in left])
    print(
        f"{title:<28} {len(rows):4d} trials  median {statistics.median(left):6.1f} dB  "
        f"-20 dB or better {gone:5.1%}  missed {missed:5.1%}  "
        f"pore contrast kept {min(kept, default=np.nan):.3f} to {max(kept, default=np.nan):.3f}"
    )


if __name__ == "__main__":
    main()
