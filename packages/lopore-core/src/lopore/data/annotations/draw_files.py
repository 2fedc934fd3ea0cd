"""Annotated images drawn into a folder, one bad file never stopping the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lopore.atomic_files import atomic_write_bytes
from lopore.errors import LoporeError
from lopore.preprocessing.pipeline import percentile_limits, stretch_between
from lopore.reading.radiograph import read_radiograph

from .drawing import draw_marks
from .mark import AnnotatedImage, AnnotationSet


def draw_files(annotations: AnnotationSet, root: Path, target: Path) -> tuple[int, list[str]]:
    """A PNG an image with marks, under its own name below ``target``; returns how many, and what failed and why."""
    drawn, failures = 0, []
    for image in annotations.images:
        if not image.marks:
            continue
        try:
            _draw(image, annotations.classes, root, target)
            drawn += 1
        except LoporeError as error:
            failures.append(str(error))
    return drawn, failures


def _draw(image: AnnotatedImage, classes: tuple[str, ...], root: Path, target: Path) -> None:
    import cv2

    if Path(image.file).is_absolute() or ".." in Path(image.file).parts:
        raise LoporeError(f"{image.file} leads out of the folder of the images")
    pixels = read_radiograph(root / image.file, channels=3).pixels
    if pixels.dtype == np.uint16:
        pixels = stretch_between(pixels, *percentile_limits(pixels, 0.1, 99.9), np.dtype(np.uint8))
    file = target / Path(image.file).with_suffix(".png")
    file.parent.mkdir(parents=True, exist_ok=True)
    done, coded = cv2.imencode(".png", draw_marks(pixels, image, classes)[:, :, ::-1])
    if not done:
        raise LoporeError(f"{image.file} cannot be coded as PNG")
    atomic_write_bytes(file, coded.tobytes())
