"""Make the example films that ship with the app: six films from ``lopore data synth``, one of them a 16-bit TIFF.

python tools/make_examples.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lopore.radiograph import read_radiograph

EXAMPLES = Path(__file__).parents[1] / "packages" / "lopore-app" / "src" / "lopore_app" / "examples"
CHOSEN = {
    "pore-1.png": "eight/pore/film00000_0.png",
    "pore-2.png": "eight/pore/film00000_2.png",
    "lack-of-penetration-1.png": "eight/lack_of_penetration/film00002_0.png",
    "sound-1.png": "eight/no_defect/film00001_0.png",
    "sound-2.png": "eight/no_defect/film00003_1.png",
}
DEEP = "deep-pore-16-bit.tif", "sixteen/pore/film00000_0.png"


def made(folder: Path, size: int, bits: int, films: int, seed: int) -> None:
    """One folder of films by the command that users have."""
    words = ["--films", films, "--size", size, "--bits", bits, "--seed", seed]
    subprocess.run([sys.executable, "-m", "lopore", "data", "synth", folder, *map(str, words)], check=True)


def write_deep(source: Path, target: Path, pitch_mm: float) -> None:
    """A 16-bit TIFF that states its pixel pitch, so that the ruler has millimetres."""
    import tifffile

    pixels = read_radiograph(source).pixels
    per_centimetre = (10 / pitch_mm, 10 / pitch_mm)
    tifffile.imwrite(
        target,
        pixels,
        compression="adobe_deflate",
        predictor=True,
        resolution=per_centimetre,
        resolutionunit="CENTIMETER",
    )


def main() -> None:
    """Make all films anew."""
    EXAMPLES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        made(folder / "eight", 560, 8, 3, 11)
        made(folder / "sixteen", 420, 16, 2, 5)
        for name, source in CHOSEN.items():
            shutil.copyfile(folder / source, EXAMPLES / name)
        write_deep(folder / DEEP[1], EXAMPLES / DEEP[0], pitch_mm=0.1)


if __name__ == "__main__":
    main()
