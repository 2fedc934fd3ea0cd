"""The worst stretch of a film: the most length, area or marks in any window of a given length along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stretch:
    """The value of the worst stretch, and where it begins and ends along the film."""

    value: float
    begin: float
    end: float


def most_in_stretch(
    begins: NDArray[np.float64], ends: NDArray[np.float64], amounts: NDArray[np.float64], length: float
) -> Stretch:
    """The largest part of ``amounts`` (n,) within any stretch of ``length``; each lies evenly from begin to end.

    A mark that reaches out of a stretch counts with the part inside. n log n in the number of marks.
    """
    ends = np.maximum(ends, begins + 1e-9)
    places = np.unique(np.concatenate([begins, ends]))
    density = np.zeros(len(places))
    np.add.at(density, np.searchsorted(places, begins), amounts / (ends - begins))
    np.subtract.at(density, np.searchsorted(places, ends), amounts / (ends - begins))
    total = np.concatenate([[0.0], np.cumsum(np.cumsum(density)[:-1] * np.diff(places))])
    starts = np.unique(np.concatenate([places, places - length]))
    values = np.interp(starts + length, places, total) - np.interp(starts, places, total)
    best = int(np.argmax(values))
    return Stretch(float(values[best]), float(starts[best]), float(starts[best]) + length)


def most_marks_in_stretch(centres: NDArray[np.float64], length: float) -> Stretch:
    """The largest number of centres (n,) in any stretch of ``length``, both its ends counted in."""
    places = np.sort(centres)
    counts = np.searchsorted(places, places + length * (1 + 1e-12), side="right") - np.arange(len(places))
    best = int(np.argmax(counts))
    return Stretch(float(counts[best]), float(places[best]), float(places[best]) + length)
