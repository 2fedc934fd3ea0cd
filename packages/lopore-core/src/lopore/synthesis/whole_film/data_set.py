"""A folder of whole made films, with masks and truth, that `lopore data index` reads."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import IGNORE
from lopore.atomic_files import atomic_folder
from lopore.errors import ConfigError
from lopore.synthesis.dataset import png_bytes
from lopore.synthesis.spec import MASK_CLASSES, NO_DEFECT

from .flaw_recipe import SEEN
from .make import WholeFilm, checked_settings, whole_film
from .recipe import WholeFilmSettings

_TRUTH = (
    "path", "kind", "iso_6520", "x_mm", "y_mm", "length_mm", "width_mm", "depth_mm", "box_px", "cnr", "detectability",
)  # fmt: skip
_LEAST_CNR, _LINE_CNR = {"pore": 1.5, "slag_inclusion": 1.5}, 0.8
"""Contrast over noise below which a lump looks like uneven grain; a straight line shows sooner."""
_LABELS = ("path", "labels", "group", "mask", "mm_per_pixel", "split")


def write_whole_films(
    out: Path,
    count: int,
    seed: int = 0,
    *,
    classes: Sequence[str] = MASK_CLASSES[1:],
    margin_px: int = 0,
    validation: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> Path:
    """Make ``count`` whole films; the folder appears when it is complete and not before.

    out: a folder that does not exist or is empty. Gets ``films/``, ``masks/`` (numbers of ``classes``, sorted, from 1
        on; 255 what counts neither as mark nor as sound), ``labels.csv`` (path, labels, group, mask, mm_per_pixel,
        split), ``truth.csv`` (one row an indication) and ``source.json``.
    classes: names of ``MASK_CLASSES``; marks of the others become 255, and so do marks that nobody could see.
    margin_px: so many pixels around each mark belong to it, as unsharpness smears it. validation: films of the split
        ``val``, the last ones; the others are ``train``. settings: fields of ``WholeFilmSettings``.
    Raises LoporeError where ``out`` cannot be written, ConfigError for an impossible request.
    """
    _check(classes, count, validation, seed)
    given, classes = checked_settings(None, **settings), sorted(classes)
    labels: list[tuple[Any, ...]] = []
    truths: list[dict[str, Any]] = []
    with atomic_folder(out) as folder:
        for name in ("films", "masks"):
            (folder / name).mkdir()
        for film, mask, present in islice(_films(seed, given, classes, margin_px), count):
            name = f"made{len(labels):05d}"
            _write_film(folder, name, film, mask)
            split = "val" if len(labels) >= count - validation else "train"
            pitch, named = f"{film.spec.pixel_pitch_mm:.6g}", "|".join(present) or NO_DEFECT
            labels.append((f"films/{name}.png", named, name, f"masks/{name}.png", pitch, split))
            truths += [{"path": f"films/{name}.png", **asdict(mark)} for mark in film.indications]
            progress(len(labels), count)
        _write_tables(folder, labels, truths)
        facts = {"seed": seed, "count": count, "classes": classes, "margin_px": margin_px}
        _write_source(folder, facts | {"settings": given.model_dump(mode="json")})
    return out


def _write_source(folder: Path, facts: dict[str, Any]) -> None:
    source = {"made_by": "lopore.synthesis.whole_film", "licence": "CC0-1.0", **facts}
    (folder / "source.json").write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8", newline="")


def _check(classes: Sequence[str], count: int, validation: int, seed: int) -> None:
    strange = [name for name in classes if name not in MASK_CLASSES[1:]]
    if strange or not classes:
        raise ConfigError(f"classes {list(classes)} are not made; choose from {', '.join(MASK_CLASSES[1:])}")
    if count < 1 or not 0 <= validation < count or seed < 0:
        raise ConfigError(
            f"{count} films, {validation} of them for validation, seed {seed}: give 1 film or more, fewer for "
            "validation, and a seed of 0 or more"
        )


def _films(
    seed: int, settings: WholeFilmSettings, classes: Sequence[str], margin_px: int
) -> Iterator[tuple[WholeFilm, NDArray[np.uint8], list[str]]]:
    """Film, mask and classes shown, without end; films that are neither sound nor of ``classes`` are left out."""
    for number in itertools.count():
        film = whole_film(seed * 1_000_003 + number, settings)
        mask = class_mask(film, classes, margin_px)
        present = [classes[value - 1] for value in np.unique(mask) if 0 < value != IGNORE]
        if present or not mask.any():
            yield film, mask, present


def _write_film(folder: Path, name: str, film: WholeFilm, mask: NDArray[np.uint8]) -> None:
    (folder / "films" / f"{name}.png").write_bytes(png_bytes(film.pixels))
    (folder / "masks" / f"{name}.png").write_bytes(png_bytes(mask))


def class_mask(film: WholeFilm, classes: Sequence[str], margin_px: int) -> NDArray[np.uint8]:
    """The film's mask in the numbers of ``classes``; IGNORE where a mark is of no such class or cannot be seen."""
    import cv2

    numbers = {MASK_CLASSES.index(name): number for number, name in enumerate(classes, start=1)}
    table = np.array([0, *(numbers.get(value, IGNORE) for value in range(1, len(MASK_CLASSES)))], np.uint8)
    mask = table[film.mask]
    for mark in film.indications:
        if mark.detectability < SEEN or mark.cnr < _LEAST_CNR.get(mark.kind, _LINE_CNR):
            left, top, right, bottom = mark.box_px
            part = mask[top:bottom, left:right]
            part[film.mask[top:bottom, left:right] == MASK_CLASSES.index(mark.kind)] = IGNORE
    if margin_px:
        side = 2 * margin_px + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        grown = np.asarray(cv2.dilate(np.where(mask == IGNORE, 0, mask).astype(np.uint8), kernel), np.uint8)
        mask = np.where(mask == 0, grown, mask)
    return np.asarray(mask, np.uint8)


def _write_tables(folder: Path, labels: list[tuple[Any, ...]], truths: list[dict[str, Any]]) -> None:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([_LABELS, *labels])
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_TRUTH)
        writer.writerows([_cell(mark[name]) for name in _TRUTH] for mark in truths)


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
