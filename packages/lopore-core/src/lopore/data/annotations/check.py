"""What is wrong with annotations, found before they cost a training run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lopore.errors import ImageError
from lopore.reading.radiograph import describe

from .mark import AnnotatedImage, AnnotationSet

TOLERANCE_PX = 1.0
"""How far a mark may stand out of its image: other tools round outwards."""


def check_annotations(annotations: AnnotationSet, images: Path | None = None) -> list[str]:
    """One line for each fault. images: folder of the images, whose sizes are then compared."""
    faults = [fault for image in annotations.images for fault in _of_image(image, images)]
    names = [image.file for image in annotations.images]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    return [*(f"{name} is listed twice" for name in twice), *faults]


def _of_image(image: AnnotatedImage, root: Path | None) -> Iterator[str]:
    for number, mark in enumerate(image.marks, start=1):
        left, top, right, bottom = mark.box
        what = f"{image.file}: mark {number} ({mark.class_name})"
        if right - left <= 0 or bottom - top <= 0:
            if mark.kind != "line":
                yield f"{what} has no area; delete it or draw it again"
        elif (
            min(left, top) < -TOLERANCE_PX or right > image.width + TOLERANCE_PX or bottom > image.height + TOLERANCE_PX
        ):
            yield f"{what} reaches out of the image of {image.width} x {image.height} px; was it made for another one?"
    if root is not None:
        yield from _of_file(image, root)


def _of_file(image: AnnotatedImage, root: Path) -> Iterator[str]:
    if Path(image.file).is_absolute() or ".." in Path(image.file).parts:
        yield f"{image.file} leads out of the folder of the images"
        return
    path = root / image.file
    if not path.is_file():
        yield f"{image.file} is not in {root.name}"
        return
    try:
        facts = describe(path)
    except ImageError as error:
        yield str(error)
        return
    if (facts.width, facts.height) != (image.width, image.height):
        stated = f"the annotation says {image.width} x {image.height}"
        yield f"{image.file} has {facts.width} x {facts.height} px and {stated}; they do not belong together"
