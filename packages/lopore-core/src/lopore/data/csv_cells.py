"""What the cells of a CSV line say: labels in any usual form, scale in any unit, paths of this or another disk."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lopore.errors import DataError
from lopore.messages import plain

from .cells import clean_path, millimetres
from .class_names import clean_label, is_sound
from .name_forms import on_disk

NO_LABEL = frozenset(
    {"NaN", "nan", "NAN", "None", "null", "NULL", "Null", "NA", "N/A", "n/a", "<NA>", "#N/A", "-", "--", "?", "??"}
    | {"unlabeled", "unlabelled", "Unlabeled", "Unlabelled", "not labeled", "not_labeled", "no label", "no_label"}
    | {"tbd", "TBD", "todo", "TODO", "to do", "undefined", "[]", "{}"}
)
"""What people and tools write where nobody gave a label; ``none`` in small letters is a sound film."""
_SEPARATORS = re.compile(r"[|;,]")
_MOST_CELL = 20_000
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")
_FOREIGN = re.compile(rf"^(?:~/|[A-Za-z]:[\\/]|\\\\|/)|{_SCHEME.pattern}")
_SCALE = re.compile(
    r"^\s*([0-9]*[.,]?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(mm|[u\u00b5\u03bc]m|microns?|dpi|ppi)?(?:\s*/\s*(?:px|pixel))?\s*$"
)
_MOST_MM = 2.0  # no film shows a weld so coarsely, and micrometres taken for mm lie above
_PER_MM = {"mm": 1.0, "um": 1e-3, "micron": 1e-3, "microns": 1e-3}


def labels_in(cell: str, where: str) -> tuple[str, ...]:
    """Class names of a cell, sorted: parted by | ; or , , or a list, or the JSON of an annotation tool's choices.

    Raises DataError where a name is not usable, or sound and defective are said at once.
    """
    names = list(_names(cell.strip(), where))
    return one_verdict(tuple(sorted({clean_label(name, where=where) for name in names})), where)


def one_verdict(labels: tuple[str, ...], where: str) -> tuple[str, ...]:
    """The labels; DataError where they say sound and defective at once."""
    if len(labels) > 1 and any(is_sound(label) for label in labels):
        both = plain(" and ".join(labels), 80)
        raise DataError(f"{where}: {both} say sound and defective at once; keep one of them")
    return labels


def _names(cell: str, where: str) -> Iterator[str]:
    if cell in NO_LABEL:
        return
    if cell[:1] in "[{(" and cell:
        yield from (name for name in _choices(_structure(cell, where)) if name not in NO_LABEL)
        return
    parts = [part.strip().strip("'\"") for part in _SEPARATORS.split(cell)]
    yield from (part for part in parts if part and part not in NO_LABEL)


def _structure(cell: str, where: str) -> Any:
    """A list or mapping in a cell, as JSON or as Python writes it; nothing of it is run."""
    if len(cell) <= _MOST_CELL:
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            pass
        try:
            return ast.literal_eval(re.sub(r"(['\"])\s+(['\"])", r"\1, \2", cell))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            pass
    raise DataError(
        f"{where}: labels {plain(cell, 60)!r} are no list that can be read; part them by |, such as crack|pore"
    )


def _choices(value: Any) -> Iterator[str]:
    """Every class name in a structure; of a mapping what stands under a name such as ``choices`` or ``labels``, or,
    where all its values are 0, 1 or true and false, the names that are true."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _choices(item)
    elif isinstance(value, dict) and value and all(item in (0, 1) for item in value.values()):
        yield from (str(key) for key, item in value.items() if item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if re.search(r"choice|label|class|name|categor|taxonom", str(key), re.IGNORECASE):
                yield from _choices(item)
            elif isinstance(item, (dict, list)):
                yield from _choices(list(_inner(item)))


def _inner(value: Any) -> Iterator[Any]:
    """Mappings inside, so that ``{"value": {"choices": [...]}}`` is found and plain numbers beside it are not."""
    yield from ([value] if isinstance(value, dict) else [item for item in value if isinstance(item, dict)])


def has_unit(cell: str) -> bool:
    """Whether a cell gives a scale with its unit, such as ``50 \u00b5m``."""
    found = _SCALE.match(cell)
    return bool(found and found.group(2))


def scale_in(cell: str, unit: str, where: str) -> float | None:
    """mm a pixel; unit: of the column ("mm", "um", "per_mm", "dpi"), a unit in the cell wins. None where empty.

    Raises DataError where it is no number above 0, or coarser than any film.
    """
    if not cell or cell in NO_LABEL:
        return None
    found = _SCALE.match(cell)
    value = float(found.group(1).replace(",", ".")) if found else 0.0
    if not found or value <= 0:
        return millimetres(cell, where=where)
    written = (found.group(2) or unit).lower().replace("\u00b5", "u").replace("\u03bc", "u")
    if written in _PER_MM:
        value *= _PER_MM[written]
    else:
        value = 1 / value if written == "per_mm" else 25.4 / value
    if value > _MOST_MM:
        raise DataError(
            f"{where}: {plain(cell, 40)!r} would be {value:g} mm a pixel, and films have {_MOST_MM:g} at most; call a "
            "column of micrometres um_per_pixel"
        )
    return millimetres(repr(value), where=where)


def path_in(text: str, root: Path, where: str) -> str:
    """A path of the table, from the root, POSIX, spelt as on disk.

    An absolute path counts if it lies inside the root; one of another machine by the longest of its ends that is
    there. DataError where it leaves the root and no end of it is found below.
    """
    foreign = "\\" in text and "\0" not in text and not (root / text).exists()
    slashed = _SCHEME.sub("", text).replace("\\", "/") if foreign else _SCHEME.sub("", text)
    if _FOREIGN.match(text):
        return clean_path(_absolute(slashed, root, where), where=where)
    if ".." in slashed.split("/"):
        normal = os.path.normpath(slashed)
        slashed = normal.replace(os.sep, "/") if not normal.startswith("..") else slashed
    cleaned = clean_path(slashed, where=where)
    return on_disk(root, cleaned) or cleaned


def _absolute(slashed: str, root: Path, where: str) -> str:
    inside = Path(os.path.normpath(slashed))
    if inside.is_relative_to(root):
        return inside.relative_to(root).as_posix()
    parts = [part for part in re.sub(r"^[A-Za-z]:", "", slashed).split("/") if part not in ("", ".")]
    if ".." not in parts:
        for start in range(len(parts)):
            if (found := on_disk(root, "/".join(parts[start:]))) and (root / found).is_file():
                return found
    name = plain(parts[-1] if parts else slashed, 80)
    raise DataError(
        f"{where}: path {plain(slashed, 80)!r} is of another folder or machine, and no end of it ({name}) lies "
        f"below {plain(root, 120)}; name the folder that holds it with --root"
    )


def is_foreign(text: str, path: str, root: Path) -> bool:
    """Whether a path of the table was another machine's, and ``path`` is what was found of it."""
    return bool(_FOREIGN.match(text)) and not Path(_SCHEME.sub("", text)).is_relative_to(root) and bool(path)
