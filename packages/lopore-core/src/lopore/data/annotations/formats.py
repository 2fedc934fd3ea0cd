"""Which formats there are, and which one a file or folder holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lopore.errors import DataError
from lopore.messages import did_you_mean, plain

from . import boxes, coco, labelme, reading, voc, yolo
from .drawing import number_mask
from .label_table import marked_classes
from .mark import AnnotationSet

Reader = Callable[[Path, Path | None], AnnotationSet]
Writer = Callable[[AnnotationSet, Path], list[str]]


@dataclass(frozen=True)
class Format:
    """One file format. read: None where only writing makes sense. folder: writes many files into a folder."""

    read: Reader | None
    write: Writer
    folder: bool


def write_masks(annotations: AnnotationSet, target: Path) -> list[str]:
    """A PNG of class numbers an image: 0 sound, 1 to K the marked classes by name, 255 not known.

    A manifest numbers classes in the order of the alphabet too, whatever numbers the annotations gave them.
    """
    import cv2

    from lopore.atomic_files import atomic_write_bytes

    weak, classes = 0, marked_classes(annotations)
    owner: dict[Path, str] = {}
    for image in annotations.images:
        file = target / Path(image.file).with_suffix(".png")
        if (first := owner.setdefault(file, image.file)) != image.file:
            raise DataError(f"{plain(first)} and {plain(image.file)} would share one mask; rename one of them")
        file.parent.mkdir(parents=True, exist_ok=True)
        done, coded = cv2.imencode(".png", np.ascontiguousarray(number_mask(image, classes)))
        if not done:
            raise DataError(f"{plain(file)} cannot be coded as PNG; check the image's size")
        atomic_write_bytes(file, coded.tobytes())
        weak += sum(mark.weak for mark in image.marks)
    notes = [f"numbers of the classes: {', '.join(f'{n} {name}' for n, name in enumerate(classes, start=1))}"]
    return [*notes, f"{weak} boxes became filled rectangles: weak truth, wider than the defects"] if weak else notes


FORMATS = {
    "coco": Format(coco.read, coco.write, False),
    "yolo": Format(yolo.read, yolo.write, True),
    "voc": Format(voc.read, voc.write, True),
    "labelme": Format(labelme.read, labelme.write, True),
    "boxes": Format(boxes.read, boxes.write, False),
    "masks": Format(None, write_masks, True),
}


def read_annotations(path: Path, *, form: str | None = None, images: Path | None = None) -> AnnotationSet:
    """Annotations of a file or folder. form: its name in FORMATS; default by what lies there.

    images: folder of the images, for formats that hold no sizes. DataError, in one line, for what cannot be read.
    """
    form = form or guess_format(path)
    found = FORMATS.get(form)
    if found is None or found.read is None:
        able = [name for name, one in FORMATS.items() if one.read]
        raise DataError(f"no format '{plain(form, 40)}' to read; there are {', '.join(able)}{did_you_mean(form, able)}")
    return found.read(path, images)


def guess_format(path: Path) -> str:
    """The format of a file or folder by its content; DataError says how to name it."""
    if not path.exists():
        raise DataError(f"{plain(path)} is not there; name an annotation file or folder")
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.suffix in KINDS)
    first = next((file for file in files if file.suffix in (".xml", ".csv", ".json")), files[0] if files else None)
    if first is None:
        raise DataError(f"{plain(path)} holds no .json, .xml, .txt or .csv; name the folder of the annotations")
    if first.suffix == ".json":
        return "labelme" if "shapes" in _top_keys(first) else "coco"
    return KINDS[first.suffix]


KINDS = {".json": "coco", ".xml": "voc", ".csv": "boxes", ".txt": "yolo"}


def _top_keys(file: Path) -> set[str]:
    try:
        found = json.loads(reading.read_text(file))
    except ValueError:
        return set()
    return set(found) if isinstance(found, dict) else set()
