"""Two files of one film: a 16-bit original beside its JPEG, a TIFF beside its preview. One of them is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from lopore.errors import LoporeError
from lopore.messages import counted, plain
from lopore.reading.radiograph import Facts, describe, read_radiograph

from .name_forms import nfc

_LOSSY = {"jpeg"}
_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"}
_SAME_SHAPE = 0.02
_MOST_EXTREME = 0.95
_SAMPLED = 200_000


@dataclass(frozen=True)
class FilmCopies:
    """kept: the images that stay. copies: (kept, left out, why) of each second file. masks: PNGs that look like masks
    of the image beside them, which no name says."""

    used: tuple[str, ...]
    copies: tuple[tuple[str, str, str], ...] = ()
    masks: tuple[str, ...] = ()


def leave_copies_out(folder: Path, images: Sequence[str]) -> FilmCopies:
    """Of files of one name and folder that differ by their suffix, keep the one that holds most of the film.

    That is the deepest, then the largest, then one without loss. Files of another shape are no copies; a PNG that is
    almost all black and white beside a continuous image is set apart, since only a documented name makes a mask.
    """
    by_name: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in images:
        path = PurePosixPath(name)
        by_name[path.parent.as_posix(), nfc(_film_name(path)).casefold()].append(name)
    gone: set[str] = set()
    copies: list[tuple[str, str, str]] = []
    masks: list[str] = []
    for names in by_name.values():
        if len(names) < 2 or len({PurePosixPath(name).suffix.lower() for name in names}) < 2:
            continue
        facts = {name: found for name in names if (found := _facts(folder / name)) is not None}
        masks += _masks_among(folder, facts)
        films = {name: found for name, found in facts.items() if name not in masks}
        if films:
            best = max(films, key=lambda name: _worth(films[name]))
            second = [name for name in films if name != best and _same_shape(films[name], films[best])]
            copies += [(best, name, _better(films[best], films[name])) for name in second]
            gone.update(second)
    gone.update(masks)
    return FilmCopies(tuple(name for name in images if name not in gone), tuple(copies), tuple(masks))


def _film_name(path: PurePosixPath) -> str:
    """The name without the suffix, and without that of the original which some viewers keep: ``W1.tif.png``."""
    inner = PurePosixPath(path.stem)
    return inner.stem if inner.suffix.lower() in _SUFFIXES else path.stem


def _facts(path: Path) -> Facts | None:
    try:
        return describe(path)
    except LoporeError:
        return None


def _worth(facts: Facts) -> tuple[int, int, bool]:
    return facts.depth, facts.height * facts.width, facts.format not in _LOSSY


def _same_shape(one: Facts, other: Facts) -> bool:
    return abs(one.width * other.height / (one.height * other.width) - 1) < _SAME_SHAPE


def _better(best: Facts, other: Facts) -> str:
    if best.depth != other.depth:
        return f"{best.depth} bits instead of {other.depth}"
    if best.height * best.width != other.height * other.width:
        return f"{best.width} x {best.height} px instead of {other.width} x {other.height}"
    return "without loss" if other.format in _LOSSY else "the first of two"


def _masks_among(folder: Path, facts: dict[str, Facts]) -> list[str]:
    """PNGs of black and white alone among continuous images of the same size."""
    drawn = [name for name, found in facts.items() if found.format == "png" and _black_and_white(folder / name)]
    others = [name for name in facts if name not in drawn]
    return [name for name in drawn if any(_size(facts[name]) == _size(facts[other]) for other in others)]


def _size(facts: Facts) -> tuple[int, int]:
    return facts.height, facts.width


def _black_and_white(path: Path) -> bool:
    try:
        pixels = read_radiograph(path, channels=1).pixels
    except LoporeError:
        return False
    step = max(1, int((pixels.size / _SAMPLED) ** 0.5))
    some = pixels[::step, ::step]
    top = np.iinfo(pixels.dtype).max
    extreme = (some < 0.1 * top) | (some > 0.9 * top)
    few = len(np.unique(some)) <= 8
    return bool(few or (extreme.mean() > _MOST_EXTREME and (some < 0.1 * top).any() and (some > 0.9 * top).any()))


def remarks_on_copies(found: FilmCopies) -> tuple[list[str], list[tuple[str, str]]]:
    """(notes, faults) for a person: copies are said, what looks like a mask without a name of one is refused."""
    notes = []
    if found.copies:
        used, left, why = found.copies[0]
        count = counted(len(found.copies), "film has", "films have")
        notes.append(
            f"{count} a second file of the same name; kept is the one that holds more, such as "
            f"{plain(used, 80)} ({why}) and not {plain(PurePosixPath(left).name, 80)}"
        )
    why = "looks like a mask of the image beside it, but no name says so; say --masks beside, or give it another name"
    return notes, [(name, why) for name in found.masks]
