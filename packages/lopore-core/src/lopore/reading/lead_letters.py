"""Lead letters of a film: what an optical character recogniser reads on this machine, and the film's number in it.

The recogniser is RapidOCR (Apache-2.0), whose wheel holds its networks (PP-OCRv6); nothing is downloaded. A reading is
a proposal for a person: letters that lie on grain, wires or the seam are misread.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lopore.arrays import Pixels
from lopore.errors import PluginError

LONGEST = 1600
"""Pixels of the longer side that are read: letters of 10 mm on a film of 40 cm are 40 px there."""
_LONG_FILM = 1.5
_LEAST_SCORE = 0.6
"""Of what is kept. On 22 archive films every true string of two characters or more had 0.63 or more, and most strings
read upside down had less."""
_INDICATOR = re.compile(r"D[I1L]N|EN$|ISO|ASTM|^[0-9OQIT]{0,3}(FE|FN|EE|AL|CU|TI|NI)(D[I1L]?|[0-9]{0,2})$")
"""Marks of an image quality indicator, such as "10 FE DIN", which every film of a workshop carries."""


@dataclass(frozen=True, slots=True)
class LeadText:
    """One string. text: capitals, digits and ``. - /``. score: 0 to 1. box: (left, top, right, bottom), px of the film.

    turned: degrees by which the film was turned counter-clockwise to read it: 0, 90, 180 or 270.
    """

    text: str
    score: float
    box: tuple[int, int, int, int]
    turned: int


class LetterReader:
    """Opens the recogniser once. PluginError where the extra ``letters`` is not installed.

    Costs 3 CPU seconds for each way up that is tried, two for a long film and four for another.
    """

    def __init__(self, threads: int = 1) -> None:
        try:
            from rapidocr import RapidOCR
        except ImportError:
            raise PluginError('lead letters are read by RapidOCR: pip install "lopore-core[letters]"') from None
        settings = {"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": threads}
        self._recogniser: Any = RapidOCR(params=settings)

    def read(self, film: Pixels, scale: float = 1.0) -> tuple[LeadText, ...]:
        """The strings of the way up that reads best, from left to right.

        film: (H, W), uint8 or uint16; more than ``LONGEST`` pixels a side are reduced. scale: its pixels in one pixel
        of the film, where it is a reduced one; boxes are in pixels of the film.
        """
        height, width = film.shape[:2]
        small, factor = _reduced(film)
        factor /= scale
        long = max(height, width) > _LONG_FILM * min(height, width)
        quarters = ((0, 2) if width >= height else (1, 3)) if long else (0, 1, 2, 3)
        found = [self._read_turned(small, quarter, factor) for quarter in quarters]
        return max(found, key=_evidence)

    def _read_turned(self, small: Pixels, quarter: int, factor: float) -> tuple[LeadText, ...]:
        turned = np.ascontiguousarray(np.rot90(small, quarter))
        answer = self._recogniser(np.dstack([turned] * 3), use_cls=False)
        if answer.txts is None:
            return ()
        texts = []
        for written, score, corners in zip(answer.txts, answer.scores, answer.boxes, strict=True):
            text = _plain_text(str(written))
            if len(text) > 1 and float(score) >= _LEAST_SCORE:
                box = _box_in_film(np.asarray(corners, float), quarter, small.shape, factor)
                texts.append(LeadText(text, round(float(score), 3), box, 90 * quarter))
        return tuple(sorted(texts, key=lambda text: text.box))


def _evidence(texts: Sequence[LeadText]) -> float:
    """Log-odds of a way up: a few sure strings outweigh many doubtful ones, as upside-down letters give."""
    return sum(len(text.text) * math.log(text.score / (1.001 - text.score)) for text in texts)


def film_number(texts: Sequence[LeadText]) -> str:
    """The strings that tell one film from another, joined by blanks; "" where there is none.

    Marks of an image quality indicator, strings without a digit (a workshop's sign) and numbers under 100 alone (the
    marks of a tape) are no number of a film.
    """
    own = [text.text for text in texts if re.search(r"[0-9]", text.text) and not _INDICATOR.search(text.text)]
    return " ".join(text for text in own if not re.fullmatch(r"[0-9]{1,2}", text))


def _plain_text(written: str) -> str:
    return re.sub(r"[^A-Z0-9./-]", "", unicodedata.normalize("NFKC", written).upper()).strip("./-")


def _reduced(film: Pixels) -> tuple[Pixels, float]:
    """The film at 8 bit between its 0.5 and 99.5 % grey values, its longer side at most ``LONGEST``; film px in one."""
    import cv2

    factor = max(1.0, max(film.shape[:2]) / LONGEST)
    size = (max(1, round(film.shape[1] / factor)), max(1, round(film.shape[0] / factor)))
    small = cv2.resize(film, size, interpolation=cv2.INTER_AREA)
    low, high = np.percentile(small, (0.5, 99.5))
    scaled = (small.astype(np.float32) - low) * (255 / max(1.0, float(high - low)))
    return np.clip(scaled, 0, 255).astype(np.uint8), factor


def _box_in_film(
    corners: np.ndarray[Any, np.dtype[np.float64]], quarter: int, shape: tuple[int, ...], factor: float
) -> tuple[int, int, int, int]:
    """The upright box around ``corners`` (4, 2) of a film turned by quarters, in px of the film."""
    x, y = corners[:, 0], corners[:, 1]
    height, width = shape[:2]
    x, y = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))[quarter]
    left, top, right, bottom = x.min(), y.min(), x.max(), y.max()
    return (
        max(0, round(left * factor)), max(0, round(top * factor)), round(right * factor), round(bottom * factor),
    )  # fmt: skip
