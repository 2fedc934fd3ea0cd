"""Peak memory and time of a film's map: 16 bit, a segmentation model of tiles, films of growing length.

Run with `python benchmarks/bench_films.py`; each length runs in a process of its own, so that peaks do not mix. The
network is a pointwise one: what is measured is lopore's own share: reading, tiling, blending and the map on disk.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
LENGTHS = (8_640, 86_400)
HEIGHT = 2_000


def _write_film(path: Path, length: int) -> None:
    pixels = np.memmap(path, np.uint16, "w+", shape=(HEIGHT, length))
    rng = np.random.default_rng(0)
    for left in range(0, length, 2_160):
        pixels[:, left : left + 2_160] = rng.normal(20_000, 2_000, (HEIGHT, 2_160)).astype(np.uint16)
        pixels[900:920, left + 500 : left + 520] = 60_000
    pixels.flush()


def one(length: int) -> dict[str, float]:
    """Map, regions and indications of one film of HEIGHT x ``length``."""
    sys.path.insert(0, str(ROOT / "tests"))
    from made.models import bright_areas, publish, record_for

    from lopore.indications import InspectionOptions, inspect_film
    from lopore.models.opening import open_model
    from lopore.reading.film_source import ArrayFilm
    from lopore.record.model import Threshold
    from lopore.record.preprocessing import Preprocessing, Window

    with tempfile.TemporaryDirectory() as folder:
        plan = Preprocessing(
            size=(224, 224), resize="tile", mm_per_pixel=0.05, window=Window(mode="percentile", low=0.5, high=99.5)
        )
        record = record_for(
            name="areas", task="segmentation", classes=("pore", "slag"), preprocessing=plan,
            threshold=Threshold(value=0.9, rule="f1", chosen_on="val"),
        )  # fmt: skip
        model = open_model(publish(Path(folder) / "areas", bright_areas(224), record))
        _write_film(Path(folder) / "film", length)
        film = np.memmap(Path(folder) / "film", np.uint16, "r", shape=(HEIGHT, length))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began = time.perf_counter()
        options = InspectionOptions(extent=0.9)  # grain passes a half everywhere: it would be one region a speck
        found = inspect_film(
            model, ArrayFilm(film, pixel_pitch_mm=0.05), options=options, work_folder=Path(folder) / "work"
        )
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "length": length,
        "seconds": seconds,
        "peak_mib": peak,
        "before_mib": before,
        "marks": len(found.indications),
    }


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(one(int(sys.argv[1]))))
        return
    print(f"{'film':>14} {'s':>8} {'peak MiB':>9} {'marks':>6}")
    for length in LENGTHS:
        done = subprocess.run([sys.executable, __file__, str(length)], capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        print(f"{HEIGHT} x {length:>7} {row['seconds']:8.1f} {row['peak_mib']:9.0f} {row['marks']:6d}", flush=True)


if __name__ == "__main__":
    main()
