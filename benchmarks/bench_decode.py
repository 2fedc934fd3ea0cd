"""JPEG files of 640 x 640 to a batch of 224 px: lopore against OpenCV's reading alone and albumentations on grey.

python benchmarks/bench_decode.py [--images FOLDER] [--size 224] [--rounds 9] [--json FILE]

Every candidate reads the same files from the page cache; rounds take turns, so a busy neighbour slows all alike, and
the median of the ratios counts. One thread is measured in CPU time, two in wall time. "to" over 1: lopore is faster.
albumentations gives three float planes, as pretrained networks are usually fed, or one; lopore gives integer pixels of
one plane, since normalisation is part of its networks.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import albumentations
import cv2
import numpy as np
from figures import arguments, keep

from lopore.preprocessing.pipeline import preprocess, read_for, to_batch
from lopore.reading.regular_files import image_paths
from lopore.record.preprocessing import Preprocessing

Reader = Callable[[Path], Any]
TARGETS = {"OpenCV reading alone": 0.75, "albumentations on grey": 1.2, "the same, one plane": None}


def made_films(folder: Path, count: int) -> list[Path]:
    """Grainy weld strips as colour JPEG 4:2:0 of about 28 KB, as the films of the original project are stored."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:640j, 0:1:640j]
    for number in range(count):
        seam = 0.35 * np.exp(-(((y - 0.1 * generator.normal()) / 0.25) ** 2)) * (1 + 0.1 * np.sin(40 * x + number))
        film = 0.3 + seam + cv2.GaussianBlur(generator.normal(0, 0.05, (640, 640)), (0, 0), 1.2)
        grey = np.rint(np.clip(film, 0, 1) * 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:04d}.jpg"), np.dstack([grey] * 3), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return sorted(folder.glob("*.jpg"))


def candidates(size: int) -> dict[str, Reader]:
    exact = Preprocessing.model_validate({"size": size})
    scaled = Preprocessing.model_validate({"size": size, "decoder_scaling": True})
    peer = albumentations.Compose([albumentations.Resize(size, size), albumentations.Normalize(mean=0.5, std=0.25)])

    def gray(path: Path) -> Any:
        return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)

    return {
        "OpenCV reading alone": gray,
        "albumentations on grey": lambda path: np.repeat(peer(image=gray(path))["image"][None], 3, axis=0),
        "the same, one plane": lambda path: peer(image=gray(path))["image"],
        "lopore": lambda path: preprocess(read_for(exact, path), exact)[0],
        "lopore, decoder scaling": lambda path: preprocess(read_for(scaled, path), scaled)[0],
    }


def rate(reader: Reader, files: Sequence[Path], pool: ThreadPoolExecutor | None) -> float:
    """Images a second through one thread (CPU time) or the pool (wall time)."""
    if pool is None:
        start = time.thread_time()
        for file in files:
            reader(file)
        return len(files) / (time.thread_time() - start)
    start = time.perf_counter()
    list(pool.map(reader, files, chunksize=1))
    return len(files) / (time.perf_counter() - start)


def measured(files: Sequence[Path], size: int, rounds: int, workers: int) -> dict[str, list[float]]:
    readers = candidates(size)
    to_batch([readers["lopore"](file) for file in files[:8]])
    rates: dict[str, list[float]] = {name: [] for name in readers}
    with ThreadPoolExecutor(workers) as pool:
        for turn in range(rounds + 1):
            for name, reader in readers.items():
                value = rate(reader, files, pool if workers > 1 else None)
                if turn:
                    rates[name].append(value)
    return rates


def ratio(rates: dict[str, list[float]], ours: str, theirs: str) -> float:
    return statistics.median(a / b for a, b in zip(rates[ours], rates[theirs], strict=True))


def report(workers: int, rates: dict[str, list[float]]) -> dict[str, Any]:
    print(f"\n{workers} thread{'s' * (workers > 1)}, images a second ({'wall' if workers > 1 else 'CPU'})")
    rows: dict[str, Any] = {}
    for name, values in rates.items():
        against = {peer: round(ratio(rates, name, peer), 2) for peer in TARGETS} if name.startswith("lopore") else {}
        rows[name] = {"rate": round(statistics.median(values), 1), **against}
        print(f"  {name:26s}{rows[name]['rate']:8.0f}")
        for peer, value in against.items():
            target = f" (target {TARGETS[peer]})" if TARGETS[peer] else ""
            print(f"{value:42.2f} to {peer}{target}")
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--images", type=Path, help="folder of JPEG files; made films by default")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        files = image_paths(options.images).images[:64] if options.images else made_films(Path(folder), 64)
        size = statistics.mean(file.stat().st_size for file in files)
        print(f"{len(files)} files of {size / 1024:.0f} KB on average, to {options.size} px")
        results = {
            workers: report(workers, measured(files, options.size, options.rounds, workers)) for workers in (1, 2)
        }
    keep(results, options.json)


if __name__ == "__main__":
    main()
