"""Which column of a CSV stands for what: by its name, or, for classes, by holding 0 and 1 alone."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from lopore.errors import DataError
from lopore.messages import counted, did_you_mean, plain

from .csv_cells import has_unit

NAMES = {
    "path": "path image file filename file_name image_path filepath file_path image_file image_name img img_path name "
    "image_filename img_name external_path",
    "labels": "labels label class classes class_name classname category categories defect_type defects defect "
    "label_name label_names labelname class_label class_labels category_name category_names defect_class defect_name "
    "defect_names defect_label label_text label_title class_title object_class target_name truth flaw flaw_type "
    "finding tag tags choice",
    "group": "group group_id film film_id film_group radiograph radiograph_group split_group weld weld_id part tile",
    "mask": "mask mask_path mask_file masks",
    "scale": "mm_per_pixel mm_per_px pixel_pitch_mm pixel_size_mm pitch_mm mm_px pixel_spacing_mm",
    "split": "split subset partition set side",
    "fold": "fold",
}
SCALE_UNITS = {
    "um": re.compile(r"^(?:um|micron|microns|micrometre|micrometres|micrometer|micrometers)_per_(?:pixel|px)$"
                     r"|^um_(?:px|pixel)$|^(?:pixel_?(?:size|pitch|spacing)|pitch|resolution)_"
                     r"(?:in_)?(?:um|micron|microns|micrometre|micrometres|micrometer|micrometers)$"),
    "per_mm": re.compile(r"^(?:pixels|pixel|px)_per_mm$"),
    "dpi": re.compile(r"^(?:dpi|ppi|resolution_dpi|scan_dpi)$"),
}  # fmt: skip
"""Columns that give the scale in another unit than mm a pixel."""
UNITLESS = ["pixel_size", "pixel_pitch", "pixel_spacing", "spacing", "pitch", "resolution", "scale"]
"""Columns that give the scale where every cell names its unit."""
FLAGS = frozenset(
    {
        "annotated", "approved", "augmented", "blurred", "blurry", "checked", "color", "colour", "confirmed",
        "crowd", "difficult", "digital", "done", "duplicate", "exclude", "excluded", "flag", "flagged",
        "flipped", "generated", "grayscale", "greyscale", "has_annotation", "has_label", "has_mask", "hidden",
        "ignore", "ignored", "invalid", "is_last", "iscrowd", "labeled", "labelled", "occluded", "repaired",
        "qa", "qc", "quality", "reviewed", "rotated", "scanned", "skip", "synthetic", "test", "train", "training",
        "truncated", "uncertain", "unsure", "usable", "used", "val", "valid", "validation", "verified", "visible",
        "weld_repaired",
    }
)  # fmt: skip
"""Columns of 0 and 1 that say something of the image or its handling and name no class."""
_BESIDE_FLAGS = frozenset(
    {
        "already", "auto", "by", "data", "expert", "film", "for", "good", "hand", "has", "image", "in", "is",
        "manual", "manually", "not", "of", "ok", "set", "split", "status", "to", "was",
    }
)  # fmt: skip
"""Words that stand beside one of ``FLAGS`` in a header and name no class: ``checked_by_hand``, ``split_train``."""
TRUE, FALSE = {"1", "1.0", "true", "yes", "y", "x"}, {"0", "0.0", "false", "no", "n", ""}


_SHOWN = {"scale": "mm_per_pixel"}


@dataclass(frozen=True)
class Columns:
    """Which header stands for what; ``classes`` are columns of 0 and 1, used where no label column is.

    scale_unit: "mm", "um", "per_mm" or "dpi". zeros: whether a 0 is ever written in ``classes``. An empty cell then
    means that nobody said, else (marks alone) a 0. flags: columns of 0 and 1 that name no class. unused: columns that
    stand for nothing.
    """

    path: str
    labels: str | None
    group: str | None
    mask: str | None
    scale: str | None
    split: str | None
    fold: str | None
    scale_unit: str = "mm"
    classes: tuple[str, ...] = ()
    zeros: bool = False
    flags: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


def plain_name(name: str) -> str:
    """A header in small letters, words joined by ``_``; a micro sign is a u."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub("[\u00b5\u03bc]", "u", name.casefold())).strip("_")


def is_known(name: str) -> bool:
    """Whether a header has a meaning by its name."""
    word = plain_name(name)
    return any(word in names.split() for names in NAMES.values()) or _unit(word) != ""


def names_images(table: Path) -> bool:
    """Whether the first line of a CSV has a column that names files, so that the table can be indexed."""
    try:
        with table.open("rb") as stream:
            header = re.split(r"[,;\t]", stream.readline(8192).decode("utf-8-sig", "replace"))
    except OSError:
        return False
    return any(plain_name(name.strip().strip('"')) in NAMES["path"].split() for name in header)


def _unit(word: str) -> str:
    return next((unit for unit, pattern in SCALE_UNITS.items() if pattern.match(word)), "")


def _is_flag(name: str) -> bool:
    plainly = plain_name(name)
    words = {re.sub(r"[0-9]+$", "", word) for word in plainly.split("_")} - {""}
    return plainly.removeprefix("is_") in FLAGS or (bool(words & FLAGS) and words <= FLAGS | _BESIDE_FLAGS)


def find_columns(
    table: Path, header: list[str], records: list[list[str]], label_column: str | None, group_column: str | None
) -> Columns:
    """The meaning of each header; DataError where no column names the files, or an asked one is not there."""
    plainly = {plain_name(name): name for name in reversed(header) if name}
    asked = {"labels": label_column, "group": group_column}
    found: dict[str, str | None] = {}
    for meaning, names in NAMES.items():
        wanted = asked.get(meaning)
        if wanted is not None and wanted not in header:
            have = f"{_listed(header)}{did_you_mean(wanted, header)}"
            raise DataError(f"{plain(table)} has no column {plain(wanted, 60)!r}; it has {have}")
        found[meaning] = wanted or next((plainly[name] for name in names.split() if name in plainly), None)
    path = found.pop("path")
    if path is None:
        near = next(((name, like[1]) for name in header if (like := _meant(name)) and like[0] == "path"), None)
        way_out = "rename the one that names the files to path"
        if near:
            way_out = f"{plain(near[0], 60)!r} looks like {near[1]}: rename it to path"
        have = f"it has {_listed(header)}; {way_out}"
        raise DataError(f"{plain(table)} has no column path, image, file or filename; {have}")
    values = {name: {r[i].strip().lower() for r in records if i < len(r)} for i, name in enumerate(header)}
    flags = tuple(name for name in header if name and values[name] <= TRUE | FALSE and values[name] != {""})
    labels = found["labels"]
    if labels and plain_name(labels) == "defect" and labels in flags and not label_column:
        found["labels"] = None
    unit = "mm"
    if found["scale"] is None:
        units = {name: _unit(plain_name(name)) for name in header if _unit(plain_name(name))}
        found["scale"], unit = next(iter(units.items()), (_with_units(header, records), "mm"))
    taken = {path, *found.values()}
    marks = () if found["labels"] else tuple(name for name in flags if name not in taken)
    classes = tuple(name for name in marks if not _is_flag(name))
    zeros = any(values[name] & (FALSE - {""}) for name in classes)
    unused = tuple(name for name in header if name and name not in {*taken, *classes})
    beside = tuple(name for name in marks if name not in classes) if classes else ()
    unused = tuple(name for name in unused if name not in beside)
    return Columns(path=path, **found, scale_unit=unit, classes=classes, zeros=zeros, flags=beside, unused=unused)


def _with_units(header: list[str], records: list[list[str]]) -> str | None:
    """The column of a scale whose name says no unit, and whose cells all do."""
    for number, name in enumerate(header):
        cells = [record[number].strip() for record in records if number < len(record) and record[number].strip()]
        if plain_name(name) in UNITLESS and cells and all(map(has_unit, cells)):
            return name
    return None


def _listed(header: list[str]) -> str:
    return ", ".join(plain(name, 40) for name in header[:20])


def _meant(name: str) -> tuple[str, str] | None:
    """(meaning, known name) of the known column name nearest to this one, where one is near."""
    known = {word: meaning for meaning, words in NAMES.items() for word in words.split()}
    near = difflib.get_close_matches(plain_name(name), known, n=1, cutoff=0.8)
    return (known[near[0]], near[0]) if near else None


def remarks_on_columns(columns: Columns) -> list[str]:
    """What the columns were taken for, and what those that stand for nothing may have been meant for."""
    notes = []
    if columns.group:
        notes.append(f"groups taken from column {plain(columns.group, 60)!r}")
    if columns.scale_unit != "mm":
        unit = {"um": "micrometres a pixel", "per_mm": "pixels a mm", "dpi": "dots an inch"}[columns.scale_unit]
        notes.append(f"column {plain(columns.scale or '', 60)!r} gives {unit}, turned into mm a pixel")
    if columns.classes:
        notes.append(f"one column a class: {', '.join(plain(name, 40) for name in columns.classes[:12])}")
    if columns.flags:
        flags = ", ".join(plain(name, 40) for name in columns.flags[:12])
        count = counted(len(columns.flags), "column is", "columns are")
        notes.append(f"{count} of 0 and 1 but no class by name: {flags}; rename a column that is one")
    meant = {name: near for name in columns.unused if (near := _meant(name)) and not getattr(columns, near[0])}
    meant = {name: near for name, near in meant.items() if near[0] != "scale" or "mm" in plain_name(name)}
    for name, (meaning, known) in meant.items():
        option = {"labels": ", or say --label-column", "group": ", or say --group-column"}.get(meaning, "")
        option += f" {plain(name, 60)!r}" if option else ""
        hint = f"it looks like {known}: rename it to {_SHOWN.get(meaning, meaning)}{option}"
        notes.append(f"column {plain(name, 60)!r} is not used; {hint}")
    if others := [plain(name, 40) for name in columns.unused if name not in meant]:
        notes.append(f"not used: {'column' if len(others) == 1 else 'columns'} {', '.join(others[:12])}")
    return notes
