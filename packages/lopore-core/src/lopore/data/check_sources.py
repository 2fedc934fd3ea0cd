"""Classes that come from different sources: a detector and film, two depths, two exports. A model learns the source."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lopore.messages import plain

from .findings import MOST_PATHS, Finding
from .manifest import Manifest
from .scan import Scanned

_MOSTLY = 0.9
_LEAST_IMAGES = 8
_TELLING = 0.98
"""Share of pairs of two classes that one grey statistic puts in the same order: no defect is so plain on real films."""
_STATISTICS: dict[str, Callable[[Scanned], float]] = {
    "mean grey": lambda one: one.mean,
    "the darkest grey": lambda one: one.low / (2**one.depth),
    "the brightest grey": lambda one: one.high / (2**one.depth),
}


def check_sources(part: Manifest, seen: Sequence[Scanned]) -> Iterator[Finding]:
    """Findings where what a file is, and not what it shows, tells the classes apart."""
    classes = {name: [i for i, row in enumerate(part.rows) if row.labels == (name,)] for name in part.classes}
    classes = {name: rows for name, rows in classes.items() if rows}
    if len(classes) < 2:
        return
    polarities = [one.polarity for one in seen]
    yield from _mixed_polarity(part, polarities, classes)
    for code, what, values in (
        ("class-by-format", "file format", [one.format for one in seen]),
        ("class-by-depth", "bit depth", [f"{one.depth} bits" for one in seen]),
        ("class-by-size", "size", [f"{one.width} x {one.height} px" for one in seen]),
    ):
        yield from _told_apart(part, values, classes, code, what)
    yield from _told_by_grey(part, seen, classes)


def _mixed_polarity(part: Manifest, polarities: Sequence[str], classes: dict[str, list[int]]) -> Iterator[Finding]:
    usual = {name: _usual(polarities, rows) for name, rows in classes.items()}
    said = {name: value for name, value in usual.items() if value}
    if "detector" in said.values() and len(set(said.values())) > 1:
        other = [value for value in said.values() if value != "detector"]
        level: Literal["error", "warning"] = "error" if "film" in other else "warning"
        shown = "; ".join(f"{plain(name, 60)}: {_POLARITY[value]}" for name, value in said.items())
        paths = tuple(part.rows[classes[name][0]].path for name in said)
        message = f"classes come from different receptors ({shown}); a model learns the receptor, not the defect"
        yield Finding(level, "class-by-polarity", f"{message}; bring all to one polarity", paths)
    counts = Counter(polarities)
    if counts["film"] and counts["detector"]:
        shown = f"{counts['film']} of film (more radiation is darker) and {counts['detector']} of a detector (brighter)"
        paths = tuple(row.path for row, value in zip(part.rows, polarities, strict=True) if value == "detector")
        yield Finding("warning", "mixed-polarity", f"{shown}; bring all to one polarity", paths[:MOST_PATHS])


_POLARITY = {"film": "film", "detector": "a detector", "unknown": "not said by the file"}


def _usual(values: Sequence[str], rows: Sequence[int]) -> str:
    """The value that nine of ten images of a class have; empty where there is none."""
    value, count = Counter(values[row] for row in rows).most_common(1)[0]
    return value if count >= _MOSTLY * len(rows) else ""


def _told_apart(
    part: Manifest, values: Sequence[str], classes: dict[str, list[int]], code: str, what: str
) -> Iterator[Finding]:
    """A warning where every class has its own value and no other class shares it."""
    usual = {name: _usual(values, rows) for name, rows in classes.items() if len(rows) > 1}
    homes: dict[str, set[str]] = defaultdict(set)
    for name, rows in classes.items():
        for row in rows:
            homes[values[row]].add(name)
    alone = {name: value for name, value in usual.items() if value and homes[value] == {name}}
    if len(set(values)) > 1 and alone and len(alone) >= len(classes) - 1:
        shown = "; ".join(f"{plain(name, 60)}: {plain(value, 40)}" for name, value in list(usual.items())[:4] if value)
        paths = tuple(part.rows[classes[name][0]].path for name in alone)
        message = f"the {what} alone tells the classes apart ({shown}); a model may learn it in place of the defect"
        yield Finding("warning", code, message, paths)


def _told_by_grey(part: Manifest, seen: Sequence[Scanned], classes: dict[str, list[int]]) -> Iterator[Finding]:
    large = [(name, rows) for name, rows in classes.items() if len(rows) >= _LEAST_IMAGES]
    for number, (name, rows) in enumerate(large):
        for other, others in large[number + 1 :]:
            for what, measure in _STATISTICS.items():
                order = _in_order([measure(seen[i]) for i in rows], [measure(seen[i]) for i in others])
                if max(order, 1 - order) >= _TELLING:
                    both = f"{plain(name, 60)} from {plain(other, 60)}"
                    share = f"{max(order, 1 - order):.0%} of pairs in one order"
                    message = f"{what} alone tells {both} ({share}): different receptors, scanners or exports?"
                    paths = (part.rows[rows[0]].path, part.rows[others[0]].path)
                    yield Finding("warning", "class-by-grey", f"{message} A model may learn it", paths)
                    break


def _in_order(first: Sequence[float], second: Sequence[float]) -> float:
    """Share of pairs in which the first is larger, ties counted half (the area under the ROC curve)."""
    one: NDArray[np.float64] = np.asarray(first)[:, None]
    two: NDArray[np.float64] = np.asarray(second)[None, :]
    return float(((one > two) + 0.5 * (one == two)).mean())
