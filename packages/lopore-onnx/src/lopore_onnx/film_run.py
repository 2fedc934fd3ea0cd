"""A ``film.onnx`` opened by ONNX Runtime, as the parity gate asks it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.contracts import FilmRun

from .session_options import session_options

FIRST = ("scores", "decision", "maps")


def open_film(path: Path) -> FilmRun:
    """Answers of a file that ``film_export`` wrote; it must be one's own, its operators are not looked through."""
    session: Any = ort.InferenceSession(str(path), session_options(), providers=["CPUExecutionProvider"])
    inputs = {item.name for item in session.get_inputs()}
    outputs = [item.name for item in session.get_outputs() if item.name in FIRST]

    def run(pixels: Pixels, window: tuple[float, float] | None) -> Mapping[str, NDArray[Any]]:
        """pixels: (H, W) or (H, W, 3), uint8 or uint16. window: low and high of the file's tags, None without."""
        given = {"image": pixels.astype(np.uint16), "bits": np.array(pixels.dtype.itemsize * 8)}
        if "window" in inputs:
            given["window"] = np.array(window if window is not None else (np.nan, np.nan))
        return dict(zip(outputs, session.run(outputs, given), strict=True))

    return run
