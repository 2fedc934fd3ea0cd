"""Models and films that benchmarks run on: real ones where they lie on this machine, else made here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
REAL_FILMS = Path(os.environ.get("LOPORE_TEST_DATA", "../shared/data")) / "weld-radiographs"


def demonstration() -> Path | None:
    """The newest model of `nox -s demo`, or None."""
    found = sorted((ROOT / "demo" / "models" / "final" / "demo").glob("*/lopore.json"))
    return found[-1].parent if found else None


def train_small(folder: Path, backbone: str = "resnet18") -> Path:
    """A published model with an ONNX file, by the commands a user types; its folder lies in ``models/final/bench``."""
    config = {
        "name": "bench",
        "data": {"manifest": "films/manifest.csv"},
        "preprocessing": {"size": 224},
        "model": {"backbone": backbone},
        "training": {"epochs": 1, "select_by": "last"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    for words in (
        ("data", "synth", "films", "--films", "12"),
        ("data", "index", "films/labels.csv", "--out", "films/manifest.csv"),
        ("data", "split", "films/manifest.csv"),
        ("train", "--config", "config.yaml"),
    ):
        subprocess.run([sys.executable, "-m", "lopore", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return next((folder / "models" / "final" / "bench").glob("*/lopore.json")).parent


def real_films(folder: Path, count: int) -> list[Path]:
    """Up to ``count`` films of a folder; none where it is absent."""
    from lopore.reading.regular_files import image_paths

    return list(image_paths(folder).images)[:count] if folder.is_dir() else []


def write_films(folder: Path, count: int) -> list[Path]:
    """640 x 640 grey JPEG files of made films: grainier than scans, so larger and slower to decode."""
    import simplejpeg

    from lopore.synthesis.sampling import sample_film

    films = [sample_film("pore", seed).pixels for seed in range(min(count, 24))]
    coded = [simplejpeg.encode_jpeg(np.ascontiguousarray(film[:, :, None]), 92, "GRAY") for film in films]
    paths = [folder / f"{number:04d}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(coded[number % len(coded)])
    return paths
