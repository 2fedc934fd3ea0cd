"""bfloat16 by a rule: only on a CPU that has it, and only for a model whose scores stay within the tolerance."""

from __future__ import annotations

import numpy as np
import openvino as ov

from lopore import ModelFolder, ModelRecord, preprocess, read_radiograph, sample_film, write_radiograph
from lopore.contracts import PixelBatch

from .predict import SHORT, OpenVinoSession, open_openvino

TOLERANCE = 0.01
"""Largest change of a probability on any made film."""
LABELS = ("no_defect", "pore", "lack_of_penetration", "crack")
FILMS_A_LABEL = 2


def open_short(folder: ModelFolder, device: str, threads: int | None) -> OpenVinoSession:
    """A session in bfloat16 where the rule allows it, else in single precision; its ``precision`` says which."""
    exact = open_openvino(folder, device, threads)
    if "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return exact
    short = OpenVinoSession(folder, exact.threads, SHORT)
    films = made_films(folder.record)
    change = np.abs(short.predict(films) - exact.predict(films))
    if not change.max() <= TOLERANCE:
        short.close()
        return exact
    exact.close()
    return short


def made_films(record: ModelRecord) -> PixelBatch:
    """Eight films of ``lopore.sample_film`` as the model sees them: (8, H, W, C) of the record's size and depth."""
    plain = record.preprocessing.depth == 8 and record.preprocessing.window.mode == "full"
    films = [
        sample_film(label, seed, bit_depth=8 if plain else 16).pixels
        for label in LABELS
        for seed in range(FILMS_A_LABEL)
    ]
    shown = [preprocess(read_radiograph(write_radiograph(film, None)), record.preprocessing) for film in films]
    return np.stack([pixels for pixels, _ in shown])
