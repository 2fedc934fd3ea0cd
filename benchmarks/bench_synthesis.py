"""Made films a second on one core, and where the time goes.

    OMP_NUM_THREADS=1 python benchmarks/bench_synthesis.py [--films 60] [--receptor film] [--json FILE]

Times are processor time of this one thread, so that busy neighbours count little; the wall clock is printed beside it.
Target (issue 2): at least 20 films of 640 x 640 a second, PNG coding included.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import cv2
from figures import arguments, keep

from lopore.synthesis import dataset, film
from lopore.synthesis.sampling import sample_film

STAGES = {
    "_primary": "plate and seam",
    "_lay_flaws": "flaws",
    "_slow_fields": "scatter and beam, coarse",
    "_expose": "scatter and beam, full size",
    "_lay_lead": "lead letters",
    "_blur": "unsharpness",
    "_develop": "noise, grain, density",
    "_read_out": "noise, read-out",
    "_grey_range": "display window",
    "mark_film": "scratches, dust, edge",
    "_scan": "quantise",
}
LABELS = ("no_defect", "pore", "lack_of_penetration")


def timed(call: Callable[..., Any], name: str, spent: dict[str, float]) -> Callable[..., Any]:
    """The same call, its time added to ``spent``."""

    def run(*args: Any, **kwargs: Any) -> Any:
        start = time.thread_time()
        try:
            return call(*args, **kwargs)
        finally:
            spent[name] += time.thread_time() - start

    return run


def measure(films: int, receptor: str) -> tuple[list[float], dict[str, float], float]:
    """Processor seconds of each film, of each stage, and the wall clock's seconds."""
    spent: dict[str, float] = defaultdict(float)
    originals = {name: getattr(film, name) for name in STAGES}
    for name, title in STAGES.items():
        setattr(film, name, timed(originals[name], title, spent))
    code = timed(dataset.png_bytes, "PNG, level 1", spent)
    each, wall = [], time.perf_counter()
    try:
        for seed in range(films):
            start = time.thread_time()
            code(sample_film(LABELS[seed % 3], seed, receptor=receptor).pixels)
            each.append(time.thread_time() - start)
    finally:
        for name, call in originals.items():
            setattr(film, name, call)
    return each, spent, time.perf_counter() - wall


def main() -> None:
    """Warm up, measure, print."""
    parser = arguments(__doc__)
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--receptor", choices=("film", "detector"), default="film")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for seed in range(3):
        dataset.png_bytes(sample_film("pore", seed).pixels)
    each, spent, wall = measure(options.films, options.receptor)
    total, coding = sum(each), spent["PNG, level 1"]
    spent["drawing specs and flaws, rest"] = total - sum(spent.values())
    print(f"{options.films} {options.receptor} images of 640 x 640, one thread, OpenCV {cv2.__version__}")
    wall_rate, median = options.films / wall, 1e3 * statistics.median(each)
    print(f"with PNG {options.films / total:6.1f} a second of processor time ({wall_rate:.1f} by the wall clock)")
    print(f"without  {options.films / (total - coding):6.1f} a second; median with PNG {median:.1f} ms")
    for title, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {title:30s} {1e3 * seconds / options.films:6.2f} ms  {100 * seconds / total:5.1f} %")
    stages = {title: 1e3 * seconds / options.films for title, seconds in spent.items()}
    keep({"films a second with PNG": options.films / total, "milliseconds a film": stages}, options.json)


if __name__ == "__main__":
    main()
