"""A table of flaws, one line each, as the input of a study of the probability of detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lopore.data.csv_text import read_cells
from lopore.errors import DataError
from lopore.messages import did_you_mean, plain
from lopore.metrics.bootstrap import Floats

_HIT = {"1", "1.0", "yes", "y", "true", "hit", "found", "detected", "x"}
_MISS = {"0", "0.0", "no", "n", "false", "miss", "missed"}
_SHOWN = 3


@dataclass(frozen=True)
class PodTable:
    """Lines with a size: sizes (N,), values (N,) of 0 and 1 or signals, films (N,) or None.

    sound: (M,) values at places without a flaw, which have no size.
    """

    sizes: Floats
    values: Floats
    films: tuple[str, ...] | None
    sound: Floats


def read_pod_table(
    path: Path, *, size: str, hit: str | None = None, signal: str | None = None, group: str | None = None
) -> PodTable:
    """The columns ``size``, ``hit`` (or ``signal``) and ``group`` of a CSV.

    hit: 1 or 0, yes or no, hit or miss. A line without a size is a place without a flaw: a hit there is a false call.
    Decimal commas are read. DataError names the lines that cannot be read; none is left out in silence.
    """
    lines = read_cells(path)
    wanted = {"size": size, "value": hit or signal or "", **({"group": group} if group else {})}
    column = {key: _column(path, lines[0], name) for key, name in wanted.items()}
    faults: list[str] = []
    rows: list[tuple[float | None, float, str]] = []
    for number, cells in enumerate(lines[1:], start=2):
        cell = {key: cells[at].strip() if at < len(cells) else "" for key, at in column.items()}
        if any(part.strip() for part in cells):
            rows += _row(number, cell, wanted, faults, binary=hit is not None)
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise DataError(f"{plain(path)}: {'; '.join(faults[:_SHOWN])}{more}")
    flaws = [row for row in rows if row[0] is not None]
    if not flaws:
        raise DataError(f"{plain(path)} holds no line with a size in column {plain(size, 60)!r}")
    return PodTable(
        np.array([row[0] for row in flaws], np.float64),
        np.array([row[1] for row in flaws], np.float64),
        tuple(row[2] for row in flaws) if group else None,
        np.array([row[1] for row in rows if row[0] is None], np.float64),
    )


def _column(path: Path, header: Sequence[str], name: str) -> int:
    if name in header:
        return header.index(name)
    near = did_you_mean(name, [one for one in header if one])
    raise DataError(f"{plain(path)} has no column {plain(name, 60)!r}; it has {plain(', '.join(header), 200)}{near}")


def _row(
    number: int, cell: dict[str, str], names: dict[str, str], faults: list[str], *, binary: bool
) -> list[tuple[float | None, float, str]]:
    """The line, or none and a fault."""
    size = _number(cell["size"]) if cell["size"] else None
    if cell["size"] and (size is None or size <= 0):
        faults.append(f"line {number}: {names['size']} {plain(cell['size'], 30)!r} is no positive number")
        return []
    value = _hit(cell["value"]) if binary else _number(cell["value"])
    if value is None:
        allowed = "neither a hit (1, yes) nor a miss (0, no)" if binary else "no number"
        faults.append(f"line {number}: {names['value']} {plain(cell['value'], 30)!r} is {allowed}")
        return []
    if "group" in cell and not cell["group"] and size is not None:
        faults.append(f"line {number}: {names['group']} is empty; name the film of every flaw")
        return []
    return [(size, value, cell.get("group", ""))]


def _hit(text: str) -> float | None:
    word = text.casefold()
    return 1.0 if word in _HIT else 0.0 if word in _MISS else None


def _number(text: str) -> float | None:
    try:
        value = float(text if "." in text else text.replace(",", "."))
    except ValueError:
        return None
    return value if np.isfinite(value) else None
