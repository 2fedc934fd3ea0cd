"""Truth by place along the film, as sections cut through a weld give it: a table of films and mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from lopore.data.csv_text import read_cells
from lopore.data.manifest_row import Row
from lopore.errors import DataError
from lopore.messages import did_you_mean, plain
from lopore.metrics.matching import Cell

COLUMNS = ("film", "begin_mm", "end_mm", "class")
"""And ``length_mm``, which may be missing or empty."""
_SHOWN = 3
Sections = Mapping[str, tuple[Cell, ...]]
"""By film, its path or its name without suffix: the marks; none of a film that was found to be sound."""


def read_sections(path: Path) -> Sections:
    """A CSV with a line a mark: film, begin_mm and end_mm of the place along the film from its left edge, class.

    length_mm: of the mark, where known: a mark longer than its place reaches on. A line with a film alone says that it
    is sound. DataError names the lines that cannot be read.
    """
    lines = read_cells(path, lambda name: name in (*COLUMNS, "length_mm"))
    header = lines[0]
    for name in COLUMNS:
        if name not in header:
            near = did_you_mean(name, [one for one in header if one])
            raise DataError(
                f"{plain(path)} has no column '{name}'; it needs {', '.join(COLUMNS)}, and may have length_mm{near}"
            )
    found: dict[str, list[Cell]] = {}
    faults: list[str] = []
    for number, cells in enumerate(lines[1:], start=2):
        line = {name: cells[at].strip() for at, name in enumerate(header) if name and at < len(cells)}
        if not any(line.values()):
            continue
        marks = found.setdefault(line.get("film", ""), [])
        if not line.get("film"):
            faults.append(f"line {number}: film is empty")
        elif line.get("begin_mm") or line.get("class"):
            cell = _cell(number, line, faults)
            marks += [cell] if cell else []
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise DataError(f"{plain(path)}: {'; '.join(faults[:_SHOWN])}{more}")
    if not found:
        raise DataError(f"{plain(path)} holds no film; give one line a mark, and a line with the film alone if sound")
    return {name: tuple(cells) for name, cells in found.items()}


def _cell(number: int, line: Mapping[str, str], faults: list[str]) -> Cell | None:
    begin, end, length = (_mm(line.get(name, "")) for name in ("begin_mm", "end_mm", "length_mm"))
    if begin is None or end is None or not 0 <= begin < end:
        extent = plain(f"{line.get('begin_mm', '')!r} to {line.get('end_mm', '')!r}", 60)
        faults.append(f"line {number}: {extent} is no place in mm; begin_mm lies from 0 on, end_mm behind it")
        return None
    if line.get("length_mm") and (length is None or length <= 0):
        faults.append(f"line {number}: length_mm {plain(line['length_mm'], 30)!r} is no positive number")
        return None
    return Cell(begin, end, line.get("class", ""), length)


def _mm(text: str) -> float | None:
    try:
        return float(text if "." in text else text.replace(",", "."))
    except ValueError:
        return None


def cells_of(sections: Sections, row: Row) -> tuple[Cell, ...]:
    """The marks of one image; DataError where the table does not name it."""
    for name in (row.path, PurePosixPath(row.path).name, PurePosixPath(row.path).stem):
        if name in sections:
            return sections[name]
    raise DataError(f"{plain(row.path, 120)} is not in the table of sections")


def unmet(sections: Sections, rows: Sequence[Row]) -> list[str]:
    """Films of the table that are none of these images."""
    names = {name for row in rows for path in (PurePosixPath(row.path),) for name in (row.path, path.name, path.stem)}
    return sorted(set(sections) - names)
