"""Contact sheets of made films, alone or beside real ones.

    python tools/make_contact_sheet.py                             # docs/images/synthetic-films.png, made films only
    python tools/make_contact_sheet.py --real FOLDER --out X.png   # left: up to 12 films of FOLDER, right: made ones

Keep a sheet with real films out of the repository unless their licence allows it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from lopore.synthesis.sampling import sample_film

TILE = 176
ROWS = 4
GAP = 6
LEVELS = 64
"""Greys of a sheet: grain hides the steps between so many, and the file has half the size."""
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
LABELS = ("pore", "lack_of_penetration", "no_defect", "pore", "lack_of_penetration", "crack", "pore", "lack_of_fusion",
          "lack_of_penetration", "slag_inclusion", "pore", "no_defect")  # fmt: skip


def tile(pixels: np.ndarray) -> np.ndarray:
    """A grey image of any size and depth as one 8-bit tile."""
    grey = cv2.resize(pixels, (TILE, TILE), interpolation=cv2.INTER_AREA)
    if grey.dtype == np.uint16:
        grey = cv2.normalize(grey, None, 0, 255, cv2.NORM_MINMAX, dtype=cv2.CV_8U)
    return cv2.copyMakeBorder(grey, 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=255)


def sheet(tiles: list[np.ndarray]) -> np.ndarray:
    """Tiles in ``ROWS`` rows; a row that is not full ends white."""
    columns = -(-len(tiles) // ROWS)
    tiles = tiles + [np.full_like(tiles[0], 255)] * (ROWS * columns - len(tiles))
    return np.vstack([np.hstack(tiles[row * columns : (row + 1) * columns]) for row in range(ROWS)])


def made_tiles(count: int, seed: int) -> list[np.ndarray]:
    """Made films: one detector image in six, the others film scans."""
    receptors = ["detector" if n % 6 == 5 else "film" for n in range(count)]
    films = [sample_film(LABELS[n % len(LABELS)], seed + n, receptor=r) for n, r in enumerate(receptors)]
    return [tile(film.pixels) for film in films]


def real_tiles(folder: Path, count: int) -> list[np.ndarray]:
    """Films of a folder, evenly taken over its sorted names."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"{folder} holds no image ({', '.join(sorted(SUFFIXES))}); name a folder of films")
    picked = [paths[round(n)] for n in np.linspace(0, len(paths) - 1, min(count, len(paths)))]
    return [tile(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) for path in picked]


def fewer_greys(image: np.ndarray) -> np.ndarray:
    """The middle grey of each of ``LEVELS`` steps; black and white stay."""
    width = 256 // LEVELS
    return np.where(np.isin(image, (0, 255)), image, image // width * width + width // 2)


def main() -> None:
    """Write the sheet and say where."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--real", type=Path, help="folder of real films to lay beside the made ones")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parents[1] / "docs" / "images" / "synthetic-films.png"
    )
    parser.add_argument("--seed", type=int, default=40)
    options = parser.parse_args()
    if options.real is None:
        image = sheet(made_tiles(24, options.seed))
    else:
        pair = [sheet(real_tiles(options.real, 12)), sheet(made_tiles(12, options.seed))]
        image = np.hstack([pair[0], np.full((pair[0].shape[0], 4 * GAP), 255, np.uint8), pair[1]])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    shown = fewer_greys(image[: -GAP or None, : -GAP or None])
    if not cv2.imwrite(str(options.out), shown, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        raise SystemExit(f"{options.out} cannot be written; choose a .png in a writable folder")
    print(options.out)


if __name__ == "__main__":
    main()
