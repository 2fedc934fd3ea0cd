"""LabelMe: one JSON an image with shapes: polygon, rectangle, circle, linestrip, line, point.

Source: github.com/wkentaro/labelme, "Annotation file format".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lopore.atomic_files import atomic_write_text
from lopore.errors import DataError
from lopore.messages import plain

from . import reading
from .mark import AnnotatedImage, AnnotationSet, Mark, Point, box_of

SUFFIX = ".json"
CIRCLE_CORNERS = 64


def read(path: Path, images: Path | None = None) -> AnnotationSet:
    """A folder of JSON files, or one; classes in alphabetical order. Image data inside is not read."""
    return reading.file_an_image(path, SUFFIX, _image)


def _image(file: Path) -> AnnotatedImage:
    data = reading.read_json(file)
    try:
        marks = tuple(_mark(file, shape) for shape in data["shapes"])
        name = str(data.get("imagePath") or f"{file.stem}.jpg").replace("\\", "/")
        width, height = int(data["imageWidth"]), int(data["imageHeight"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{plain(file)} is no LabelMe file: {plain(repr(error), 100)}; export it again") from None
    return reading.image(file, file=name, width=width, height=height, marks=marks)


def _mark(file: Path, shape: Mapping[str, Any]) -> Mark:
    points: tuple[Point, ...] = tuple((float(x), float(y)) for x, y in shape["points"])
    kind = shape.get("shape_type") or "polygon"
    flags = shape.get("flags") or {}
    common: dict[str, Any] = {
        "class_name": str(shape["label"]),
        "note": str(shape.get("description") or ""),
        "ignore": bool(flags.get("ignore") or flags.get("difficult")),
    }
    if kind == "rectangle":
        found = reading.mark(file, kind="box", box=box_of(points), **common)
    elif kind in ("line", "linestrip", "point"):
        found = reading.mark(file, kind="line", box=box_of(points), polygons=(points,), **common)
    else:
        ring = _circle(points) if kind == "circle" else points
        found = reading.mark(file, kind="polygon", box=box_of(ring), polygons=(ring,), **common)
    return found


def _circle(points: Sequence[Point]) -> tuple[Point, ...]:
    """LabelMe gives the centre and a point on the circle."""
    (x, y), edge = points
    radius = math.dist((x, y), edge)
    angles = (2 * math.pi * step / CIRCLE_CORNERS for step in range(CIRCLE_CORNERS))
    return tuple((x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles)


def write(annotations: AnnotationSet, target: Path) -> list[str]:
    """Write a JSON file an image into the folder ``target``; returns what LabelMe cannot hold."""
    masks = 0
    for image in annotations.images:
        file = target / Path(image.file).with_suffix(".json")
        file.parent.mkdir(parents=True, exist_ok=True)
        shapes = [shape for one in image.marks for shape in _shapes(one)]
        masks += sum(one.kind == "mask" for one in image.marks)
        data: dict[str, Any] = {
            "version": "5.0.0", "flags": {}, "shapes": shapes, "imagePath": image.file, "imageData": None,
            "imageHeight": image.height, "imageWidth": image.width,
        }  # fmt: skip
        atomic_write_text(file, json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    return [f"LabelMe holds no run-length masks: {masks} became boxes"] if masks else []


def _shapes(one: Mark) -> list[dict[str, Any]]:
    left, top, right, bottom = one.box
    types = {"polygon": "polygon", "line": "linestrip"}
    rings = [list(map(list, ring)) for ring in one.polygons] if one.kind in types else [[[left, top], [right, bottom]]]
    return [
        {
            "label": one.class_name, "points": ring, "group_id": None, "description": one.note,
            "shape_type": types.get(one.kind, "rectangle"), "flags": {"ignore": True} if one.ignore else {},
        }
        for ring in rings
    ]  # fmt: skip
