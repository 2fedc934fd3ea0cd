"""Lines of the spectrum that a grating leaves: narrow, far above their neighbours, and there all over the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
CANDIDATES = 256
GUARD, REACH = 3, 14
"""Bins: within GUARD of a line is its own foot, from there to REACH are its neighbours."""
EVERYWHERE = 0.6
"""Share of a line's rms amplitude that is one wave all over the image; what fills 36 % of it or less falls short."""
PARTS = 6


@dataclass(frozen=True)
class Line:
    """A wave ``cos(2 pi (x fx + y fy) + phase)``. fx, fy: cycles a pixel; height: above its neighbours' median."""

    fx: float
    fy: float
    height: float


def find_lines(plane: Plane, *, threshold: float, longest_period: float, most: int) -> list[Line]:
    """The lines of an image (H, W), strongest first; none for an image under 32 px."""
    height, width = plane.shape
    if min(height, width) < 32:
        return []
    window = np.hanning(height)[:, None] * np.hanning(width)[None, :]
    centred = (plane - cv2.blur(plane, (65, 65), borderType=cv2.BORDER_REPLICATE)) * window.astype(np.float32)
    magnitude = np.fft.fftshift(np.abs(np.fft.fft2(centred)).astype(np.float32))
    found: list[Line] = []
    for row, column in _peaks(magnitude, longest_period):
        over = _height_over_neighbours(magnitude, row, column)
        line = _refined(magnitude, row, column, over)
        if over >= threshold and not _known(line, found, plane.shape) and _is_everywhere(plane, line):
            found.append(line)
            if len(found) == most:
                break
    return found


def _peaks(magnitude: Plane, longest_period: float) -> list[tuple[int, int]]:
    """Local maxima of the upper half plane, by how far they stand above the usual fall of 1 over frequency."""
    height, width = magnitude.shape
    fy = np.fft.fftshift(np.fft.fftfreq(height))[:, None]
    fx = np.fft.fftshift(np.fft.fftfreq(width))[None, :]
    radius = np.hypot(fy, fx)
    fits = (magnitude >= cv2.dilate(magnitude, np.ones((3, 3), np.uint8))) & (radius >= 1 / longest_period)
    fits &= (fy < 0) | ((fy == 0) & ((fx > 0) | (fx == -0.5)))  # the other half is the mirror image
    rows, columns = np.nonzero(fits)
    order = np.argsort(-(magnitude * radius)[rows, columns], kind="stable")[:CANDIDATES]
    return [(int(rows[index]), int(columns[index])) for index in order]


def _height_over_neighbours(magnitude: Plane, row: int, column: int) -> float:
    """A peak over the largest of three medians: along the row, the column and towards the origin.

    A straight edge (the seam, a lead letter) is a ridge through the origin: along that ridge it is no peak.
    """
    centre = np.array([magnitude.shape[0] // 2, magnitude.shape[1] // 2])
    outward = np.array([row, column]) - centre
    directions = [np.array([0.0, 1.0]), np.array([1.0, 0.0]), outward / np.hypot(*outward)]
    steps = np.array([*range(-REACH, -GUARD), *range(GUARD + 1, REACH + 1)])
    medians = []
    for direction in directions:
        places = np.rint(np.array([row, column]) + steps[:, None] * direction).astype(int)
        values = magnitude[places[:, 0] % magnitude.shape[0], places[:, 1] % magnitude.shape[1]]
        medians.append(float(np.median(values)))
    return float(magnitude[row, column]) / max(*medians, 1e-6 * float(magnitude.max()), 1e-12)


def _refined(magnitude: Plane, row: int, column: int, height: float) -> Line:
    """The frequency between bins by a parabola through the logarithms of three values each way."""
    rows, columns = magnitude.shape
    fy = (row - rows // 2 + _vertex(magnitude[[(row + k) % rows for k in (-1, 0, 1)], column])) / rows
    fx = (column - columns // 2 + _vertex(magnitude[row, [(column + k) % columns for k in (-1, 0, 1)]])) / columns
    return Line(fx, fy, height)


def _vertex(values: Plane) -> float:
    low, top, high = np.log(np.maximum(values.astype(np.float64), 1e-12))
    bend = low - 2 * top + high
    return float(np.clip(0.5 * (low - high) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _known(line: Line, found: list[Line], shape: tuple[int, ...]) -> bool:
    """Whether a stronger line's foot covers this one."""
    return any(
        abs(line.fx - other.fx) * shape[1] <= GUARD and abs(line.fy - other.fy) * shape[0] <= GUARD for other in found
    )


def _is_everywhere(plane: Plane, line: Line) -> bool:
    """Whether the wave has one phase in all parts of the image; wires and letters lie in some of them."""
    amplitudes = np.array(
        [
            np.mean(part)
            for band in np.array_split(demodulated(plane, line), PARTS, axis=0)
            for part in np.array_split(band, PARTS, axis=1)
        ]
    )
    rms = float(np.sqrt(np.mean(np.abs(amplitudes) ** 2)))
    return rms > 0 and float(np.abs(amplitudes.mean())) >= EVERYWHERE * rms


def carrier(shape: tuple[int, ...], line: Line) -> NDArray[np.complex64]:
    """``exp(2 pi i (x fx + y fy))`` over an image, from two vectors."""
    rows = np.exp(2j * np.pi * line.fy * np.arange(shape[0]))
    columns = np.exp(2j * np.pi * line.fx * np.arange(shape[1]))
    return np.asarray(rows[:, None] * columns[None, :], np.complex64)


def demodulated(plane: Plane, line: Line) -> NDArray[np.complex64]:
    """The image without its mean, with the line moved to frequency 0: what is slow in it is the line's amplitude."""
    return np.asarray((plane - plane.mean()) * carrier(plane.shape, line).conj(), np.complex64)
