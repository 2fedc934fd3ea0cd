"""Made films with clear defects, as batches in memory or as PNG files with a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Batch
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from made.images import save

SIDE = 64


class Films(NamedTuple):
    """pixels: (N, S, S, 1). targets: (N,), 1 where a film shows a disc. centres: (N, 2), row and column."""

    pixels: NDArray[Any]
    targets: NDArray[np.int64]
    centres: NDArray[Any]

    @property
    def masks(self) -> NDArray[np.bool_]:
        """The discs, (N, S, S)."""
        return _discs(self.centres, self.pixels.shape[1]) & (self.targets == 1)[:, None, None]


def films(count: int, seed: int = 0, side: int = SIDE, depth: int = 8) -> Films:
    """Grain, and a bright disc in every second film."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count, dtype=np.int64) % 2
    centres = rng.uniform(0.2 * side, 0.8 * side, (count, 2))
    values = rng.normal(90, 8, (count, side, side)) + 110 * _discs(centres, side) * targets[:, None, None]
    scale, dtype = (257.0, np.uint16) if depth == 16 else (1.0, np.uint8)
    return Films(np.clip(np.rint(values * scale), 0, 2**depth - 1).astype(dtype)[..., None], targets, centres)


def _discs(centres: NDArray[Any], side: int) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[0:side, 0:side] + 0.5
    distance = np.hypot(rows - centres[:, 0, None, None], columns - centres[:, 1, None, None])
    return np.asarray(distance < 0.14 * side)


def batches(count: int, size: int, seed: int = 0, **options: Any) -> list[Batch]:
    made = films(count, seed, **options)
    return [Batch(made.pixels[at : at + size], made.targets[at : at + size]) for at in range(0, count, size)]


def film_with(*boxes: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A grey film of 64 x 64 px with bright boxes (left, top, right, bottom)."""
    pixels = np.full((SIDE, SIDE), 100, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 230
    return pixels


def smooth(seed: int, side: int = 96, dtype: type[np.generic] = np.uint8) -> NDArray[Any]:
    """An image of its own: smooth noise, unlike that of any other seed."""
    noise = np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)
    waves = cv2.GaussianBlur(noise, (0, 0), 2.5)
    scaled = (waves - waves.min()) / (waves.max() - waves.min())
    return np.asarray(scaled * 0.8 * np.iinfo(dtype).max + 10, dtype)  # type: ignore[type-var]


def class_folders(root: Path, films: int = 6) -> Path:
    """As many images in ``pore`` and in ``no_defect``, no two of them alike."""
    for number in range(films):
        save(root / "pore" / f"p{number}.png", smooth(number))
        save(root / "no_defect" / f"n{number}.png", smooth(100 + number))
    return root


def write_films(folder: Path, made: Films, splits: Sequence[str], *, masks: bool = False) -> Path:
    """``films/NN.png`` and ``films.csv`` in ``folder``, a weld a film; ``splits`` are dealt to pairs of films in turn.

    masks: also ``masks/NN.png`` of the films with a disc. Checksums are numbers, so that no film looks like another.
    """
    rows = []
    for number, (pixels, mask) in enumerate(zip(made.pixels, made.masks, strict=True)):
        name, there = f"{number:02d}.png", bool(made.targets[number])
        marked = f"masks/{name}" if masks and there else ""
        for path, image in ((f"films/{name}", pixels[..., 0]), (marked, mask * np.uint8(255))):
            if path:
                save(folder / path, image)
        rows.append(
            Row(
                path=f"films/{name}", labels=("pore" if there else "ok",), group=f"weld {number}", family=f"F{number}",
                split=splits[number // 2 % len(splits)], mask=(marked,) if marked else (),
                sha256=f"{number + 1:064x}", pixel_hash=f"{number + 1:032x}",
            )
        )  # fmt: skip
    return Manifest(tuple(rows), folder).write(folder / "films.csv").location or Path()
