"""Where the weld lies on a film: two lines along it, between which the metal is thicker than beside it.

Each line is the path of steepest grey from end to end of the film (dynamic programming, as seam carving and vessel
tracking use it). It is evidence for a person and for setting marks aside on request, never a decision by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.preprocessing.film_layers import blocks

from .film_inspection import WeldBand

if TYPE_CHECKING:
    from lopore.reading.film_source import FilmSource

ALONG, ACROSS = 256, 400
"""Size of the small film that is searched."""
LEAST_WIDTH, MOST_WIDTH = 0.06, 0.85
"""Of the weld, as shares of the film's shorter side."""
LEAST_CONTRAST = 3.0
"""How many times the grey difference of weld and plate exceeds what it varies along the film."""
Small = NDArray[np.float64]


def find_weld(source: FilmSource) -> WeldBand | None:
    """The weld's two borders, (x, y) in px of the film, or None where no band stands out."""
    height, width = source.shape
    small = _small(source)
    best: tuple[float, NDArray[np.int64], NDArray[np.int64], float] | None = None
    slope = _slope(small)
    for sign in (1.0, -1.0):
        found = _two_paths(sign * slope)
        if found is None:
            continue
        upper, lower = found
        contrast, step = _contrast(sign * small, upper, lower)
        if best is None or contrast > best[0]:
            best = contrast, upper, lower, sign * step
    if best is None or best[0] < LEAST_CONTRAST:
        return None
    contrast, upper, lower, step = best
    kind = "brighter" if step > 0 else "darker"
    evidence = f"a band {abs(step):.0f} grey levels {kind} than beside it, {contrast:.1f} times its variation along"
    long_rows = height > width
    return WeldBand(
        upper=_line(upper, small.shape, (height, width), long_rows),
        lower=_line(lower, small.shape, (height, width), long_rows),
        evidence=evidence,
    )


def weld_box(source: FilmSource) -> tuple[int, int, int, int] | None:
    """The smallest box around the weld, (left, top, right, bottom) in px of the film; None where none stands out."""
    band = find_weld(source)
    if band is None:
        return None
    across, down = zip(*band.upper, *band.lower, strict=True)
    height, width = source.shape
    left, top = max(0, int(min(across))), max(0, int(min(down)))
    return left, top, min(width, int(np.ceil(max(across)))), min(height, int(np.ceil(max(down))))


def _small(source: FilmSource) -> Small:
    """(along, across) mean grey values of the film, at most ALONG x ACROSS."""
    import cv2

    height, width = source.shape
    long_rows = height > width
    longer, other = max(height, width), min(height, width)
    across = min(ACROSS, other)
    lines = []
    for part in blocks(source.shape):
        pixels = source.read(*part)
        turned = pixels if long_rows else pixels.T
        count = max(1, round(turned.shape[0] * min(ALONG, longer) / longer))
        lines.append(cv2.resize(np.ascontiguousarray(turned), (across, count), interpolation=cv2.INTER_AREA))
    return np.concatenate(lines).astype(np.float64)


def _slope(small: Small) -> Small:
    """Grey rise across the film, smoothed along it and across."""
    import cv2

    sigma = max(1.5, small.shape[1] / 100)
    smooth = cv2.GaussianBlur(small, (0, 0), sigmaX=sigma, sigmaY=max(2.0, len(small) / 40))
    return np.asarray(np.gradient(smooth, axis=1), np.float64)


def _two_paths(slope: Small) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """The path of the steepest rise, and of the steepest fall after it."""
    across = slope.shape[1]
    least, most = max(2, int(across * LEAST_WIDTH)), int(across * MOST_WIDTH)
    margin = max(1, across // 50)
    rise = slope.copy()
    rise[:, :margin] = rise[:, across - least - margin :] = -np.inf
    upper = _path(rise)
    if upper is None:
        return None
    places = np.arange(across)[None, :]
    fall = -slope
    fall[(places < upper[:, None] + least) | (places > upper[:, None] + most) | (places >= across - margin)] = -np.inf
    lower = _path(fall)
    return None if lower is None else (upper, lower)


def _path(gain: Small) -> NDArray[np.int64] | None:
    """Of each row a column, neighbours at most one apart, of the largest summed gain; None where there is no way."""
    total, steps = gain[0].copy(), np.zeros(gain.shape, np.int64)
    for row in range(1, len(gain)):
        padded = np.concatenate([[-np.inf], total, [-np.inf]])
        choices = np.stack([padded[:-2], padded[1:-1], padded[2:]])
        steps[row] = choices.argmax(axis=0) - 1
        total = choices.max(axis=0) + gain[row]
    end = int(total.argmax())
    if not np.isfinite(total[end]):
        return None
    path = [end]
    for row in range(len(gain) - 1, 0, -1):
        path.append(path[-1] + int(steps[row, path[-1]]))
    return np.array(path[::-1])


def _contrast(small: Small, upper: NDArray[np.int64], lower: NDArray[np.int64]) -> tuple[float, float]:
    """How much brighter the band is than beside it, over how much that varies along the film, and in grey levels."""
    steps = []
    for line, first, last in zip(small, upper, lower, strict=True):
        band = max(2, (last - first) // 2)
        beside = np.concatenate([line[max(first - band, 0) : first], line[last : last + band]])
        if len(beside):
            steps.append(float(np.median(line[first:last]) - np.median(beside)))
    each = np.array(steps)
    middle = float(np.median(each))
    spread = 1.4826 * float(np.median(np.abs(each - middle))) + 1e-3 * float(np.ptp(small)) + 1e-6
    return middle / spread, middle


def _line(
    path: NDArray[np.int64], small: tuple[int, ...], shape: tuple[int, int], long_rows: bool
) -> tuple[tuple[float, float], ...]:
    """At most 33 points of a path, in px of the film."""
    longer, other = max(shape), min(shape)
    rows = np.unique(np.linspace(0, len(path) - 1, 33).astype(np.int64))
    along = (rows + 0.5) * longer / small[0]
    along[0], along[-1] = 0.0, float(longer)
    across = (path[rows] + 0.5) * other / small[1]
    points = zip(across, along, strict=True) if long_rows else zip(along, across, strict=True)
    return tuple((round(float(x), 1), round(float(y), 1)) for x, y in points)
