"""Text files of annotations, opened with care: bounded, plain, one-line errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lopore.errors import DataError
from lopore.messages import plain

from .mark import AnnotatedImage, AnnotationSet, Mark

Part = TypeVar("Part", bound=BaseModel)
MAX_BYTES = 512 << 20
"""Of one annotation file: COCO's own training file has 450 MB."""


def read_text(path: Path) -> str:
    """A file's text as UTF-8; DataError where it is too large, not there, or no text."""
    try:
        if not path.is_file():
            raise DataError(f"{plain(path)} is no file; name an annotation file that exists")
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{plain(path)} has over {MAX_BYTES >> 20} MiB; split it")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{plain(path)} is no UTF-8 text; export the annotations again") from None
    except OSError as error:
        raise DataError(f"{plain(path)} cannot be read ({error.strerror}); check its rights") from None


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object; DataError in one line for anything else."""
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{plain(path)} is no JSON ({plain(error)}); export the annotations again") from None
    if not isinstance(found, dict):
        raise DataError(f"{plain(path)} holds no JSON object; a list or number is no annotation file")
    return found


def file_an_image(path: Path, suffix: str, read: Callable[[Path], AnnotatedImage]) -> AnnotationSet:
    """A folder with a file for each image, or one such file; classes in alphabetical order."""
    files = sorted(path.rglob(f"*{suffix}")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{plain(path)} holds no {suffix} file; name the folder of the annotations")
    found = tuple(read(file) for file in files)
    classes = tuple(sorted({one.class_name for each in found for one in each.marks}))
    return annotation_set(path, classes=classes, images=found)


def image(path: Path, **values: Any) -> AnnotatedImage:
    """An ``AnnotatedImage``; DataError, naming the file, for values that cannot be."""
    return _checked(AnnotatedImage, path, values)


def mark(path: Path, **values: Any) -> Mark:
    """A ``Mark``; DataError, naming the file, for values that cannot be."""
    return _checked(Mark, path, values)


def annotation_set(path: Path, **values: Any) -> AnnotationSet:
    """An ``AnnotationSet``; DataError, naming the file, for values that cannot be."""
    return _checked(AnnotationSet, path, values)


def _checked(kind: type[Part], path: Path, values: dict[str, Any]) -> Part:
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or kind.__name__
        raise DataError(f"{plain(path)}: {plain(where, 60)}: {plain(first['msg'], 120)}") from None
