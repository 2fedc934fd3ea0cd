"""Planted leaks: 1 000 copies of ten kinds against 300 strangers, found by ``lopore data leaks``.

    LOPORE_TEST_DATA=... python benchmarks/bench_leaks.py [--bases 100]

The first set holds windows of real films and tiles, the second their copies and windows of other films and tiles.
Found: the copy is paired with the first set. False: a stranger is. A film or tile is on one side of that line only.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lopore.data.image_sets import read_image_set
from lopore.data.set_leaks import leaks_between

Grey = NDArray[np.uint8]


class Window(NamedTuple):
    """A window of a film or tile, and the one that shares half of it."""

    window: Grey
    half: Grey


def windows(image: Grey, count: int) -> Iterator[Window]:
    """Windows beside each other, that share nothing, from left to right."""
    height, width = image.shape
    if width > 2000:
        side = min(640, height)
        for number in range(count):
            left = int((width - 1.5 * side) * number / max(1, count - 1))
            part = image[(height - side) // 2 :][:side]
            yield Window(part[:, left : left + side], part[:, left + side // 2 : left + side // 2 + side])
    else:
        third = width // 3
        yield Window(image[:, : 2 * third], image[:, third : 3 * third])


def material(data: Path, bases: int) -> tuple[list[Window], list[Grey]]:
    """Bases and strangers: films and tiles, each on one side only."""
    films = sorted((data / "weld-films" / "films").glob("*.png"))
    with (data / "magnetic-tile" / "index.csv").open(newline="", encoding="utf-8") as stream:
        tiles = {row["tile"]: data / "magnetic-tile" / row["file"] for row in csv.DictReader(stream)}
    near = [window for path in films[:15] for window in windows(grey(path), 3)][: bases * 45 // 100]
    paths = list(tiles.values())
    own = bases - len(near)
    near += [window for path in paths[:own] for window in windows(grey(path), 1)]
    far = [window.window for path in films[15:] for window in windows(grey(path), 6)]
    far += [window.window for path in paths[own:] for window in windows(grey(path), 1)]
    patches = sorted((data / "gdxray-casting-patches").glob("*/*.jpg"))
    far += [grey(path) for path in patches[:: max(1, len(patches) // max(1, 300 - len(far)))]]
    return near, far[:300]


def grey(path: Path) -> Grey:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)


def _jpeg(image: Grey, quality: int) -> Grey:
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


def _turned(image: Grey, rng: np.random.Generator) -> Grey:
    height, width = image.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.choice([-1, 1]) * rng.uniform(4, 10)), 1.0)
    return np.asarray(cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101), np.uint8)


def _graded(image: Grey, rng: np.random.Generator) -> Grey:
    bright = np.clip(image / 255 * rng.uniform(0.75, 1.25) + rng.uniform(-0.08, 0.08), 0, 1)
    return np.asarray(np.rint(255 * bright ** rng.uniform(0.7, 1.4)), np.uint8)


def _noisy(image: Grey, rng: np.random.Generator) -> Grey:
    soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.4)).astype(np.float64)
    return np.asarray(np.clip(np.rint(soft + rng.normal(0, 5, image.shape)), 0, 255), np.uint8)


def _crop(image: Grey, share: float, rng: np.random.Generator) -> Grey:
    height, width = (round(share * length) for length in image.shape)
    top, left = (
        int(rng.integers(0, whole - part + 1)) for whole, part in zip(image.shape, (height, width), strict=True)
    )
    part = image[top : top + height, left : left + width]
    return np.asarray(cv2.resize(part, image.shape[::-1]), np.uint8) if rng.random() < 0.5 else part


def _half_size(image: Grey, rng: np.random.Generator) -> Grey:
    del rng
    return np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def _flipped(image: Grey, rng: np.random.Generator) -> Grey:
    turned = np.rot90(image, int(rng.integers(1, 4)))
    return np.ascontiguousarray(turned if rng.random() < 0.5 else image[:, ::-1])


KINDS: dict[str, Callable[[Window, np.random.Generator], tuple[Grey, str]]] = {
    "the same file": lambda one, rng: (one.window, ".png"),
    "another format": lambda one, rng: (one.window, ".tif"),
    "JPEG of quality 40": lambda one, rng: (_jpeg(one.window, 40), ".jpg"),
    "flipped or turned by quarters": lambda one, rng: (_flipped(one.window, rng), ".png"),
    "turned by 4 to 10 degrees": lambda one, rng: (_turned(one.window, rng), ".png"),
    "brightness, contrast, gamma": lambda one, rng: (_graded(one.window, rng), ".png"),
    "half the size": lambda one, rng: (_half_size(one.window, rng), ".png"),
    "blur and noise": lambda one, rng: (_noisy(one.window, rng), ".png"),
    "crop of 70 % of the side": lambda one, rng: (_crop(one.window, 0.7, rng), ".png"),
    "window that shares half": lambda one, rng: (_graded(one.half, rng), ".png"),
}


def plant(folder: Path, data: Path, bases: int) -> None:
    """Folders ``first`` and ``second``; the names of the second say the kind, which no check reads."""
    near, far = material(data, bases)
    rng = np.random.default_rng(7)
    for name in ("first", "second"):
        (folder / name).mkdir()
    for number, one in enumerate(near):
        cv2.imwrite(str(folder / "first" / f"{rng.integers(1 << 40):x}b{number}.png"), one.window)
        for kind, (_, change) in enumerate(KINDS.items()):
            image, suffix = change(one, rng)
            cv2.imwrite(str(folder / "second" / f"{rng.integers(1 << 40):x}k{kind}n{number}{suffix}"), image)
    for number, image in enumerate(far):
        cv2.imwrite(str(folder / "second" / f"{rng.integers(1 << 40):x}s{number}.png"), image)


def table(folder: Path) -> list[tuple[str, int, int]]:
    """(kind, found or joined, of how many), strangers last."""
    found = leaks_between(read_image_set(folder / "first"), read_image_set(folder / "second"))
    hit = {leak.second.name for leak in found.leaks if leak.why != "same film number"}
    names = [path.name for path in sorted((folder / "second").iterdir())]
    rows = []
    for kind, text in enumerate(KINDS):
        planted = [name for name in names if f"k{kind}n" in name]
        rows.append((text, len(hit & set(planted)), len(planted)))
    strangers = [name for name in names if "k" not in name and "s" in name]
    return [*rows, ("strangers joined", len(hit & set(strangers)), len(strangers))]


def main(arguments: Any = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", type=int, default=100)
    bases = parser.parse_args(arguments).bases
    data = Path(os.environ.get("LOPORE_TEST_DATA", "../shared")).resolve()
    data = data / "data" if (data / "data").is_dir() else data
    with tempfile.TemporaryDirectory() as folder:
        plant(Path(folder), data, bases)
        start, busy = time.perf_counter(), time.process_time()
        rows = table(Path(folder))
        took, cpu = time.perf_counter() - start, time.process_time() - busy
    for kind, hit, of in rows:
        print(f"{kind:<32} {hit:>4} of {of:<4} {hit / max(1, of):.1%}")
    planted = rows[:-1]
    hits, total = sum(hit for _, hit, _ in planted), sum(of for _, _, of in planted)
    images = bases + total + rows[-1][2]
    print(f"found {hits} of {total} ({hits / total:.1%}); {images} images in {took:.0f} s, {cpu:.0f} s of CPU")


if __name__ == "__main__":
    main()
