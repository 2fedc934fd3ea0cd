"""COCO: one JSON of images, categories and annotations with boxes, polygons or run lengths.

Source: https://cocodataset.org, "Data format".
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lopore.atomic_files import atomic_write_text
from lopore.errors import DataError
from lopore.messages import plain

from . import reading
from .mark import AnnotatedImage, AnnotationSet, Box, Mark, Point, RunLengths, box_of
from .run_lengths import decode_text, encode_text, mask_of_runs

SUFFIX = ".json"


def read(path: Path, images: Path | None = None) -> AnnotationSet:
    """All images of a COCO file, also those without a mark. images: not needed; sizes stand in the file."""
    data = reading.read_json(path)
    try:
        names = {int(one["id"]): str(one["name"]) for one in data.get("categories", ())}
        by_image: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for one in data.get("annotations", ()):
            by_image[int(one["image_id"])].append(one)
        listed = {int(one["id"]): one for one in data["images"]}
        found = tuple(_image(path, one, by_image.pop(number, ()), names) for number, one in listed.items())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{plain(path)} is no COCO file: {plain(repr(error), 120)}; export it again") from None
    if by_image:
        lost = next(iter(by_image))
        raise DataError(f"{plain(path)}: annotations belong to image {lost}, which is not listed; export it again")
    classes = tuple(names[number] for number in sorted(names))
    return reading.annotation_set(path, classes=classes, images=found)


def _image(
    path: Path, one: Mapping[str, Any], marks: Sequence[Mapping[str, Any]], names: Mapping[int, str]
) -> AnnotatedImage:
    return reading.image(
        path,
        file=str(one["file_name"]).replace("\\", "/"),
        width=one["width"],
        height=one["height"],
        marks=tuple(_mark(path, entry, names, (int(one["height"]), int(one["width"]))) for entry in marks),
        looked_at=one.get("looked_at"),
    )


def _mark(path: Path, one: Mapping[str, Any], names: Mapping[int, str], size: tuple[int, int]) -> Mark:
    number = int(one["category_id"])
    if number not in names:
        raise DataError(f"{plain(path)}: annotation {one.get('id')} has category {number}, which is not listed")
    shape = one.get("segmentation") or ()
    polygons = tuple(_points(ring) for ring in shape) if isinstance(shape, list) else ()
    runs = _runs(shape, size) if isinstance(shape, dict) else None
    box = _box(one, polygons, runs)
    kind = "line" if one.get("line") else "mask" if runs else "polygon" if polygons else "box"
    extra = {key: str(one.get(key) or "") for key in ("who", "when", "note")}
    return reading.mark(
        path, class_name=names[number], kind=kind, box=box, polygons=polygons, runs=runs,
        ignore=bool(one.get("ignore", one.get("iscrowd", 0))), **extra,
    )  # fmt: skip


def _points(ring: Sequence[float]) -> tuple[Point, ...]:
    if len(ring) % 2 or len(ring) < 4:
        raise ValueError(f"a ring of {len(ring)} numbers")
    return tuple((float(ring[i]), float(ring[i + 1])) for i in range(0, len(ring), 2))


def _runs(shape: Mapping[str, Any], size: tuple[int, int]) -> RunLengths:
    counts, stated = shape["counts"], (int(shape["size"][0]), int(shape["size"][1]))
    if stated != size:
        raise ValueError(f"a mask of {stated} on an image of {size}")
    if isinstance(counts, str):
        return decode_text(counts, size)
    return RunLengths(size=size, counts=tuple(int(count) for count in counts))


def _box(one: Mapping[str, Any], polygons: Sequence[Sequence[Point]], runs: RunLengths | None) -> Box:
    if "bbox" in one:
        left, top, width, height = (float(value) for value in one["bbox"])
        return (left, top, left + width, top + height)
    if polygons:
        return box_of(tuple(point for ring in polygons for point in ring))
    if runs is None:
        raise ValueError(f"annotation {one.get('id')} without bbox and segmentation")
    mask = mask_of_runs(runs)
    down, across = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (float(across[0]), float(down[0]), float(across[-1] + 1), float(down[-1] + 1)) if down.size else (0, 0, 0, 0)


def write(annotations: AnnotationSet, target: Path) -> list[str]:
    """Write one file; nothing is lost. Returns no notes."""
    numbers = {name: number for number, name in enumerate(annotations.classes, start=1)}
    images: list[dict[str, Any]] = []
    marks: list[dict[str, Any]] = []
    for number, image in enumerate(annotations.images, start=1):
        entry: dict[str, Any] = {"id": number, "file_name": image.file, "width": image.width, "height": image.height}
        images.append(entry if image.looked_at is None else {**entry, "looked_at": image.looked_at})
        for one in image.marks:
            marks.append({"id": len(marks) + 1, "image_id": number, **_entry(one, numbers[one.class_name])})
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    text = json.dumps({"images": images, "annotations": marks, "categories": categories}, ensure_ascii=False)
    atomic_write_text(target, text + "\n")
    return []


def _entry(one: Mark, category: int) -> dict[str, Any]:
    left, top, right, bottom = one.box
    shape: Any = [[value for point in ring for value in point] for ring in one.polygons]
    area = (right - left) * (bottom - top)
    if one.runs is not None:
        shape = {"size": list(one.runs.size), "counts": encode_text(one.runs)}
        area = float(sum(one.runs.counts[1::2]))
    elif one.polygons and one.kind == "polygon":
        area = sum(_ring_area(ring) for ring in one.polygons)
    extra = {key: value for key in ("who", "when", "note") if (value := getattr(one, key))}
    return {
        "category_id": category, "bbox": [left, top, right - left, bottom - top], "segmentation": shape, "area": area,
        "iscrowd": int(one.runs is not None and one.ignore), **({"ignore": 1} if one.ignore else {}),
        **({"line": 1} if one.kind == "line" else {}), **extra,
    }  # fmt: skip


def _ring_area(ring: Sequence[Point]) -> float:
    pairs = zip(ring, (*ring[1:], ring[0]), strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2
