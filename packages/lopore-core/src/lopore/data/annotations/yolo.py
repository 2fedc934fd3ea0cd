"""YOLO: one text file an image, ``class cx cy w h`` or ``class x1 y1 x2 y2 ...``, in fractions of the image.

Names of the classes stand in ``classes.txt`` or ``data.yaml``. Source: docs.ultralytics.com, "Dataset formats".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lopore.atomic_files import atomic_write_text
from lopore.config.yaml_loader import load_yaml
from lopore.errors import ConfigError, DataError, ImageError
from lopore.messages import counted, plain
from lopore.reading.radiograph import describe, image_paths

from . import reading
from .mark import AnnotatedImage, AnnotationSet, Mark, Point, box_of

NAMES = ("classes.txt", "obj.names", "data.yaml", "dataset.yaml")


def read(path: Path, images: Path | None = None) -> AnnotationSet:
    """A folder of text files. images: the folder of the images, whose sizes are needed; default beside the labels.

    An image without a text file counts as looked at and sound, as YOLO has it; text files without an image are told.
    """
    folder = path if path.is_dir() else path.parent
    names = _class_names(folder)
    root = images or _images_beside(folder)
    labels = {file.stem: file for file in sorted(folder.rglob("*.txt")) if file.name not in NAMES}
    found, unread = [], []
    for file in image_paths(root).images:
        try:
            facts = describe(file)
        except ImageError as error:
            unread.append(str(error))
            continue
        size = (facts.width, facts.height)
        label = labels.pop(file.stem, None)
        marks = () if label is None else _marks(label, names, size)
        relative = file.relative_to(root).as_posix()
        found.append(reading.image(file, file=relative, width=size[0], height=size[1], marks=marks))
    if not found:
        raise DataError(f"{plain(root)} holds no image for {counted(len(labels), 'label file')}; name it with --images")
    notes = (
        [f"{counted(len(labels), 'label file')} without an image, first {plain(next(iter(labels)))}.txt"]
        if labels
        else []
    )
    return reading.annotation_set(path, classes=names, images=tuple(found), notes=(*notes, *unread))


def _images_beside(folder: Path) -> Path:
    """``images/...`` in place of ``labels/...``, as YOLO has it, where it exists; else the folder itself."""
    parts = folder.parts
    if "labels" in parts:
        index = len(parts) - 1 - parts[::-1].index("labels")
        other = Path(*parts[:index], "images", *parts[index + 1 :])
        if other.is_dir():
            return other
    return folder


def _class_names(folder: Path) -> tuple[str, ...]:
    for folder_above in (folder, *list(folder.parents)[:2]):
        for name in NAMES:
            file = folder_above / name
            if not file.is_file():
                continue
            if file.suffix != ".yaml":
                return tuple(line.strip() for line in reading.read_text(file).splitlines() if line.strip())
            try:
                listed = load_yaml(file).get("names")
            except ConfigError as error:
                raise DataError(str(error)) from None
            if isinstance(listed, dict):
                return tuple(str(listed[key]) for key in sorted(listed, key=int))
            if isinstance(listed, list):
                return tuple(str(one) for one in listed)
    raise DataError(f"{plain(folder)} names no classes; put classes.txt, one name a line, beside the label files")


def _marks(file: Path, names: Sequence[str], size: tuple[int, int]) -> tuple[Mark, ...]:
    lines = (line.split() for line in reading.read_text(file).splitlines())
    return tuple(_mark(file, number, words, names, size) for number, words in enumerate(lines, start=1) if words)


def _mark(file: Path, line: int, words: Sequence[str], names: Sequence[str], size: tuple[int, int]) -> Mark:
    try:
        index, values = int(words[0]), [float(word) for word in words[1:]]
        name = names[index] if index >= 0 else None
    except (ValueError, IndexError):
        name, values = None, []
    if name is None or (len(values) != 4 and (len(values) < 6 or len(values) % 2)):
        wrong = plain(" ".join(words), 60)
        raise DataError(f"{plain(file)}, line {line}: {wrong!r} is no `class cx cy w h` for {len(names)} classes")
    width, height = size
    if len(values) == 4:
        cx, cy, w, h = values
        box = ((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height)
        return reading.mark(file, class_name=name, kind="box", box=box)
    ring: tuple[Point, ...] = tuple((values[i] * width, values[i + 1] * height) for i in range(0, len(values), 2))
    return reading.mark(file, class_name=name, kind="polygon", box=box_of(ring), polygons=(ring,))


def write(annotations: AnnotationSet, target: Path) -> list[str]:
    """Write ``classes.txt`` and a text file an image into the folder ``target``; returns what YOLO cannot hold."""
    target.mkdir(parents=True, exist_ok=True)
    atomic_write_text(target / "classes.txt", "".join(f"{name}\n" for name in annotations.classes))
    lost = {"ignored places": 0, "masks as boxes": 0, "further parts": 0, "notes and names": 0}
    for image in annotations.images:
        lines = [_line(one, annotations.classes.index(one.class_name), image) for one in image.marks if not one.ignore]
        for one in image.marks:
            lost["ignored places"] += one.ignore
            lost["masks as boxes"] += one.kind in ("mask", "line")
            lost["further parts"] += max(0, len(one.polygons) - 1)
            lost["notes and names"] += bool(one.who or one.when or one.note)
        file = target / Path(image.file).with_suffix(".txt")
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(file, "".join(f"{line}\n" for line in lines))
    return [f"YOLO holds no {what}: {count} lost" for what, count in lost.items() if count]


def _line(one: Mark, index: int, image: AnnotatedImage) -> str:
    if one.kind == "polygon":
        flat: list[Any] = [value for x, y in one.polygons[0] for value in (x / image.width, y / image.height)]
    else:
        left, top, right, bottom = one.box
        flat = [
            (left + right) / 2 / image.width, (top + bottom) / 2 / image.height,
            (right - left) / image.width, (bottom - top) / image.height,
        ]  # fmt: skip
    return " ".join([str(index), *(f"{value:.9g}" for value in flat)])
