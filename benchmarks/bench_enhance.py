"""Enhancers of lopore-enhance against the bare OpenCV call and scikit-image, in the same run.

python benchmarks/bench_enhance.py [--threads N] [--quick] [--json FILE]

Median milliseconds of rounds that take turns, so a busy neighbour slows all alike; read the ratios. OpenCV and lopore
use the cores that OpenCV takes by itself, as users have it, scikit-image has one, and wall time counts; with
``--threads 1`` all have one and CPU time counts.
"OpenCV / ours" over 1 means that lopore is faster. Where OpenCV has no such call for 16 bits, the bare column is the
shortest correct code of its parts, or empty.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import cv2
import numpy as np
from figures import arguments, clock_for, keep

from lopore_enhance.plugin import lopore_enhancers

Pixels = np.ndarray[Any, Any]
Call = Callable[[], object]
Job = tuple[Call, Call | None, Call | None]
"""ours, bare OpenCV, scikit-image"""
exposure: Any = import_module("skimage.exposure")
filters: Any = import_module("skimage.filters")
ENHANCERS = {enhancer.name: enhancer for enhancer in lopore_enhancers()}


@dataclass(frozen=True)
class Row:
    """One job: milliseconds of each candidate, None where it has none."""

    job: str
    picture: str
    ours: float
    opencv: float | None
    skimage: float | None


def made_film(height: int, width: int, dtype: Any) -> Pixels:
    """A weld seam over shaded plate with grain and pores, over most of the grey range."""
    generator = np.random.default_rng(0)
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(0, width / height, width)[None, :]
    shade = 0.3 + 0.1 * np.sin(3 * x) + 0.35 * np.exp(-((y / 0.25) ** 2)) * (1 + 0.1 * np.sin(40 * x))
    film = shade + generator.normal(0, 0.01, (height, width))
    for row, column in generator.uniform(0.4, 0.6, (40, 2)) * (height, width):
        film[int(row) : int(row) + 3, int(column) : int(column) + 3] -= 0.15
    return np.rint(np.clip(film, 0, 1) * np.iinfo(dtype).max).astype(dtype)


def enhanced(name: str, image: Pixels, **values: Any) -> Call:
    enhancer = ENHANCERS[name]
    params = enhancer.params.model_validate(values)
    return lambda: enhancer.apply(image, params)


def timed(calls: dict[str, Call | None], rounds: int) -> dict[str, float | None]:
    """Median milliseconds of each call; short ones are repeated within a round."""
    clock = clock_for(cv2.getNumThreads())
    spent: dict[str, list[float]] = {name: [] for name, call in calls.items() if call}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            if call is None or (spent[name] and spent[name][0] > 3000):
                continue
            begin, count = clock(), 0
            while count == 0 or (clock() - begin < 0.02):
                call()
                count += 1
            if turn or clock() - begin > 3:
                spent[name].append((clock() - begin) / count * 1000)
    return {name: statistics.median(spent[name]) if spent.get(name) else None for name in calls}


def equalized_by_parts(image: Pixels) -> Pixels:
    counts = cv2.calcHist([image], [0], None, [65536], [0, 65536]).reshape(-1)
    table = np.rint(np.cumsum(counts) * (65535 / image.size)).astype(np.uint16)
    return cv2.LUT(image, table)


def adaptive_by_parts(image: Pixels) -> Pixels:
    mean = cv2.blur(image, (31, 31), borderType=cv2.BORDER_REPLICATE)
    marked = cv2.compare(image, cv2.addWeighted(mean, 1, mean, 0, -1284), cv2.CMP_GE)
    return marked.astype(np.uint16) * np.uint16(257)


def curve_jobs(image: Pixels) -> dict[str, Job]:
    """Job -> (ours, bare OpenCV, scikit-image) of what changes each grey value by a curve."""
    deep, top = image.dtype == np.uint16, int(np.iinfo(image.dtype).max)
    curve = np.rint(top * np.linspace(0, 1, top + 1) ** 0.7).astype(image.dtype)
    clahe = cv2.createCLAHE(2.0, (8, 8))
    return {
        "clahe 2.0, 8 x 8": (
            enhanced("clahe", image),
            lambda: clahe.apply(image),
            lambda: exposure.equalize_adapthist(image, kernel_size=[side // 8 for side in image.shape]),
        ),
        "equalize": (
            enhanced("equalize", image),
            (lambda: equalized_by_parts(image)) if deep else (lambda: cv2.equalizeHist(image)),
            lambda: exposure.equalize_hist(image, nbins=top + 1),
        ),
        "gamma 0.7": (
            enhanced("gamma", image, gamma=0.7),
            lambda: cv2.LUT(image, curve),
            lambda: exposure.adjust_gamma(image, 0.7),
        ),
        "contrast 1.5": (
            enhanced("contrast", image, factor=1.5),
            lambda: cv2.addWeighted(image, 1.5, image, 0, -0.25 * top),
            lambda: exposure.rescale_intensity(image, in_range=(top // 6, top - top // 6)),
        ),
        "invert": (enhanced("invert", image), lambda: cv2.bitwise_not(image), None),
    }


def neighbour_jobs(image: Pixels) -> dict[str, Job]:
    """The same for what looks at each pixel's neighbours."""
    deep = image.dtype == np.uint16

    def median(radius: int) -> Job:
        size = 2 * radius + 1
        square = np.ones((size, size), bool)
        bare = (lambda: cv2.medianBlur(image, size)) if radius <= 2 or not deep else None
        return enhanced("median", image, radius=radius), bare, lambda: filters.median(image, square)

    def adaptive() -> Pixels:
        if deep:
            return adaptive_by_parts(image)
        return cv2.adaptiveThreshold(image, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 31, 5)

    return {
        **{f"median {2 * radius + 1}": median(radius) for radius in (1, 2, 3)},
        "gaussian 1.5": (
            enhanced("gaussian", image, sigma=1.5),
            lambda: cv2.GaussianBlur(image, (0, 0), 1.5),
            lambda: filters.gaussian(image, 1.5, preserve_range=True),
        ),
        "unsharp 1.5": (
            enhanced("unsharp-mask", image),
            lambda: cv2.addWeighted(image, 2, cv2.GaussianBlur(image, (0, 0), 1.5), -1, 0),
            lambda: filters.unsharp_mask(image, 1.5, 1.0),
        ),
        "adaptive threshold 31": (
            enhanced("adaptive-threshold", image),
            adaptive,
            lambda: image > filters.threshold_local(image, 31, "mean", offset=5),
        ),
    }


def jobs(image: Pixels) -> dict[str, Job]:
    return {"copy": (image.copy, None, None), **curve_jobs(image), **neighbour_jobs(image)}


def measure(image: Pixels, label: str, rounds: int) -> list[Row]:
    rows = []
    for job, (ours, opencv, skimage) in jobs(image).items():
        spent = timed({"ours": ours, "opencv": opencv, "skimage": skimage}, rounds)
        assert spent["ours"] is not None
        rows.append(Row(job, label, spent["ours"], spent["opencv"], spent["skimage"]))
        print(line(rows[-1]), flush=True)
    return rows


def line(row: Row) -> str:
    def number(value: float | None) -> str:
        return f"{value:10.3f}" if value is not None else f"{'-':>10}"

    def ratio(value: float | None) -> str:
        return f"{value / row.ours:9.2f}x" if value is not None else f"{'-':>10}"

    values = number(row.ours) + number(row.opencv) + number(row.skimage) + ratio(row.opencv) + ratio(row.skimage)
    return f"{row.picture:<22} {row.job:<22}{values}"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--threads", type=int, default=cv2.getNumThreads(), help="of OpenCV and lopore (all cores)")
    parser.add_argument("--quick", action="store_true", help="a strip of 500 x 2160 and fewer rounds")
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    strip = (500, 2160) if args.quick else (2000, 8640)
    rounds = 3 if args.quick else 7
    print(f"{'picture':<22} {'job':<22}{'ours ms':>10}{'OpenCV':>10}{'skimage':>10}{'OpenCV/us':>10}{'skimg/us':>10}")
    rows = measure(made_film(640, 640, np.uint8), "8 bit 640 x 640", rounds)
    rows += measure(made_film(*strip, np.uint16), f"16 bit {strip[0]} x {strip[1]}", max(2, rounds // 2))
    keep([asdict(row) for row in rows], args.json)


if __name__ == "__main__":
    main()
