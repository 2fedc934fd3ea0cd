"""COCO's run lengths: as lists, as its text form, and as masks.

The text form is 20 lines here; its library needs a compiler where there is no wheel, and reads nothing else for lopore.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .mark import RunLengths

_BITS, _MORE, _SIGN, _BASE = 5, 0x20, 0x10, 48


def decode_text(text: str, size: tuple[int, int]) -> RunLengths:
    """Counts from COCO's text form: five bits a letter, differences to the count before the last from the third on.

    size: (height, width). ValueError for a letter or a sum that cannot be.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for letter in text:
        bits = ord(letter) - _BASE
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"{letter!r} is no letter of a run length")
        value |= (bits & 0x1F) << shift
        shift += _BITS
        if not bits & _MORE:
            if bits & _SIGN:
                value |= -1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value, shift = 0, 0
    return RunLengths(size=size, counts=tuple(counts))


def encode_text(runs: RunLengths) -> str:
    """The text form of run lengths; ``decode_text`` gives the same counts back."""
    letters = []
    for index, count in enumerate(runs.counts):
        value = count - runs.counts[index - 2] if index > 2 else count
        while True:
            bits, value = value & 0x1F, value >> _BITS
            more = value != (-1 if bits & _SIGN else 0)
            letters.append(chr((bits | (_MORE if more else 0)) + _BASE))
            if not more:
                break
    return "".join(letters)


def mask_of_runs(runs: RunLengths) -> NDArray[np.bool_]:
    """(H, W) bool."""
    height, width = runs.size
    values = np.arange(len(runs.counts)) % 2 == 1
    return np.repeat(values, runs.counts).reshape(width, height).T


def runs_of_mask(mask: NDArray[np.bool_]) -> RunLengths:
    """Run lengths of an (H, W) mask."""
    flat = np.asarray(mask, np.bool_).T.reshape(-1)
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(edges).tolist()
    if flat.size and flat[0]:
        counts = [0, *counts]
    return RunLengths(size=(mask.shape[0], mask.shape[1]), counts=tuple(counts))
