"""What was marked, as a table of labels that ``lopore data index`` takes: images, their classes and their masks."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from lopore.atomic_files import atomic_write_text
from lopore.data.class_names import NO_DEFECT
from lopore.messages import counted, plain

from .mark import AnnotatedImage, AnnotationSet


def marked_classes(annotations: AnnotationSet) -> tuple[str, ...]:
    """The classes that some mark carries, sorted: their places are the class numbers of a mask, from 1 on."""
    marked = {one.class_name for image in annotations.images for one in image.marks if not one.ignore}
    return tuple(sorted(marked & set(annotations.classes)))


def write_label_table(annotations: AnnotationSet, images: Path, masks: Path) -> tuple[Path | None, list[str]]:
    """``path,labels,mask`` beside the folder ``masks``, and what a person should know of it.

    images: the folder that the images' names count from. Paths of the table count from the folder that holds it and
    ``masks``; where the images lie outside of that, or none of them is there, no table is written and a note says so.
    An image of which only places were marked that are not to be judged carries no label.
    """
    home = masks.parent.resolve()
    there = [image for image in annotations.images if (images / image.file).is_file()]
    if not images.resolve().is_relative_to(home) or not there:
        found = f"{plain(images)} holds none of the images" if not there else f"{plain(images)} is not inside {home}"
        return None, [f"no table of labels was written: {found}; write the masks beside the images' folder (--images)"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", "labels", "mask"))
    for image in there:
        mask = (masks.resolve() / image.file).with_suffix(".png")
        path, drawn = (place.relative_to(home).as_posix() for place in (images.resolve() / image.file, mask))
        table.writerow((path, _labels(image), drawn))
    target = masks.parent / f"{masks.name}.csv"
    atomic_write_text(target, text.getvalue())
    lost = len(annotations.images) - len(there)
    return target, [f"{counted(lost, 'image is', 'images are')} not below {plain(images)}"] if lost else []


def _labels(image: AnnotatedImage) -> str:
    names = sorted({one.class_name for one in image.marks if not one.ignore})
    return "|".join(names) if names or image.marks else NO_DEFECT
