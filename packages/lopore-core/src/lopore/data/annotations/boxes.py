"""A CSV of boxes: ``file, x0, y0, x1, y1`` and, where there are several classes, ``class``; outer corners in px."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from pathlib import Path

from lopore.atomic_files import atomic_write_text
from lopore.errors import DataError, ImageError
from lopore.messages import plain
from lopore.reading.radiograph import describe, image_paths

from . import reading
from .mark import AnnotationSet, Mark

SUFFIX = ".csv"
ONLY_CLASS = "defect"
CORNERS = ("x0", "y0", "x1", "y1")


def read(path: Path, images: Path | None = None) -> AnnotationSet:
    """Boxes by image. images: folder of the images (default: that of the CSV); one without a row has no mark."""
    table = csv.DictReader(io.StringIO(reading.read_text(path)))
    columns = set(table.fieldnames or ())
    if not {"file", *CORNERS} <= columns:
        raise DataError(f"{plain(path)} has columns {plain(sorted(columns), 80)}; file, x0, y0, x1, y1 are needed")
    marks: dict[str, list[Mark]] = defaultdict(list)
    for line, row in enumerate(table, start=2):
        try:
            box = tuple(float(row[name] or "") for name in CORNERS)
        except ValueError:
            raise DataError(
                f"{plain(path)}, line {line}: {plain(row, 90)} is no box; four numbers are needed"
            ) from None
        name = (row.get("class") or ONLY_CLASS).strip()
        marks[row["file"].replace("\\", "/")].append(reading.mark(path, class_name=name, kind="box", box=box))
    root = images or path.parent
    found, unread = [], []
    for file in image_paths(root).images:
        relative = file.relative_to(root).as_posix()
        try:
            facts = describe(file)
        except ImageError as error:
            unread.append(str(error))
            continue
        own = tuple(marks.pop(relative, ()))
        found.append(reading.image(path, file=relative, width=facts.width, height=facts.height, marks=own))
    if marks:
        missing = plain(next(iter(marks)), 80)
        raise DataError(f"{plain(path)}: {missing} is not below {plain(root)}; name the images' folder with --images")
    classes = tuple(sorted({one.class_name for image in found for one in image.marks}))
    return reading.annotation_set(path, classes=classes, images=tuple(found), notes=tuple(unread))


def write(annotations: AnnotationSet, target: Path) -> list[str]:
    """Write one CSV; returns what a table of boxes cannot hold."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("file", *CORNERS, "class"))
    outlines = 0
    for image in annotations.images:
        for one in image.marks:
            table.writerow((image.file, *(f"{value:.10g}" for value in one.box), one.class_name))
            outlines += not one.weak
    atomic_write_text(target, text.getvalue())
    return [f"a table of boxes holds no outlines: {outlines} became boxes"] if outlines else []
