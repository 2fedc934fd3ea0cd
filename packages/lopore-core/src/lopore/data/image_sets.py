"""The images of any set: a manifest, a table, a folder, or the annotation file of a COCO or YOLO set."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lopore.errors import DataError
from lopore.messages import plain
from lopore.reading.regular_files import image_paths

from .label_csv import list_table
from .manifest import Manifest
from .manifest_text import MAX_MANIFEST_BYTES, is_manifest
from .mask_pairs import names_a_mask
from .name_forms import nfc, on_disk


@dataclass(frozen=True)
class ImageSet:
    """The images of one set. names: as a person knows them. groups: the film or part of each, or empty texts."""

    files: tuple[Path, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    missing: tuple[str, ...] = ()


def read_image_set(source: Path) -> ImageSet:
    """The images of a manifest, a CSV of labels, a folder (searched to the bottom, masks left out), a COCO JSON or a
    YOLO ``data.yaml``. Files that are named and not there are listed in ``missing``.

    Raises DataError where no image is found.
    """
    if not source.exists():
        raise DataError(f"{plain(source)} is not there; name a folder, a CSV, a COCO JSON or a YOLO YAML")
    if source.is_dir():
        found = image_paths(source).images
        files = [path for path in found if not names_a_mask(path.relative_to(source).as_posix())]
        result = _image_set(files, [path.relative_to(source).as_posix() for path in files])
    elif source.suffix.lower() == ".json":
        result = _coco(source)
    elif source.suffix.lower() in (".yaml", ".yml"):
        result = _yolo(source)
    elif is_manifest(source):
        manifest = Manifest.read(source)
        result = _image_set(
            [manifest.file(row) for row in manifest.rows],
            [row.path for row in manifest.rows],
            [row.group for row in manifest.rows],
        )
    else:
        listing = list_table(source)
        result = _image_set(
            [listing.root / entry.path for entry in listing.entries],
            [entry.path for entry in listing.entries],
            [entry.group for entry in listing.entries],
        )
    if not result.files:
        raise DataError(f"{plain(source)} holds no image; name a folder, a CSV, a COCO JSON or a YOLO YAML")
    return result


def _image_set(files: Iterable[Path], names: Iterable[str], groups: Iterable[str] | None = None) -> ImageSet:
    listed, named = list(files), list(names)
    grouped = list(groups) if groups is not None else [""] * len(listed)
    there = [number for number, file in enumerate(listed) if file.is_file()]
    lost = tuple(named[number] for number, file in enumerate(listed) if not file.is_file())
    return ImageSet(
        tuple(listed[i] for i in there), tuple(named[i] for i in there), tuple(nfc(grouped[i]) for i in there), lost
    )


def _loaded(source: Path) -> Any:
    """JSON or YAML as data; DataError in one line."""
    try:
        if source.stat().st_size > MAX_MANIFEST_BYTES:
            raise DataError(f"{plain(source)} is larger than {MAX_MANIFEST_BYTES} bytes")
        text = source.read_text(encoding="utf-8")
        return json.loads(text) if source.suffix.lower() == ".json" else yaml.safe_load(text[: 1 << 20])
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"{plain(source)} cannot be read ({plain(error, 120)}); export it again") from None


def _coco(source: Path) -> ImageSet:
    data = _loaded(source)
    images = data.get("images") if isinstance(data, dict) else None
    if not isinstance(images, list):
        raise DataError(f"{plain(source)} has no list 'images', as a COCO file has; name the folder of the images")
    names = [str(one.get("file_name", "")) for one in images if isinstance(one, dict)]
    folders = [source.parent, source.parent / "images", source.parent / source.stem, source.parent.parent]
    folders += [source.parent.parent / "images", source.parent.parent / source.stem]
    return _image_set([_first(folders, name) for name in names], names)


def _first(folders: Iterable[Path], name: str) -> Path:
    """The first folder that holds a file; a path with folders is also looked for by its last part."""
    for folder in folders:
        for short in (name, Path(name).name):
            if not Path(short).is_absolute() and (found := on_disk(folder, short)):
                return folder / found
    return next(iter(folders)) / Path(name).name


def _yolo(source: Path) -> ImageSet:
    data = _loaded(source)
    parts = [data.get(name) for name in ("train", "val", "valid", "test")] if isinstance(data, dict) else []
    listed = [entry for part in parts if part for entry in (part if isinstance(part, list) else [part])]
    if not listed:
        raise DataError(f"{plain(source)} names no train, val or test, as a YOLO file does; name the folder itself")
    base = source.parent / str(data.get("path") or ".")
    files: list[Path] = []
    for entry in listed:
        entry_path = next((root / str(entry) for root in (base, source.parent) if (root / str(entry)).exists()), None)
        entry_path = entry_path or source.parent / str(entry).lstrip("./")
        if entry_path.is_dir():
            files += image_paths(entry_path).images
        elif entry_path.is_file():
            lines = entry_path.read_text(encoding="utf-8", errors="replace").splitlines()
            files += [_first([entry_path.parent, base], line.strip()) for line in lines if line.strip()]
    return _image_set(files, [path.name for path in files])
