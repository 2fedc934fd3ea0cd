"""Crops of films as a set of their own: images, masks, and a manifest that keeps group, split and place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import IGNORE
from lopore.errors import ConfigError, DataError
from lopore.messages import counted, plain
from lopore.reading.encode import write_radiograph
from lopore.reading.windows import open_film

from .annotations.mark import AnnotationSet
from .class_names import is_sound
from .crop_places import Region, Window, classes_in, regions_of_marks, regions_of_mask, sound_windows, windows_around
from .index import complete
from .manifest import Manifest
from .manifest_row import Row
from .masks import numbers_of, read_sized

if TYPE_CHECKING:
    from lopore.reading.film_source import FilmSource

SOUND = "no_defect"
"""What a crop without a mark is called where the set has no name for it."""
SeamOf = Callable[["FilmSource"], tuple[int, int, int, int] | None]


@dataclass(frozen=True)
class CropPlan:
    """around: "masks", "boxes" (of ``annotations``) or "seam". size: side of square crops in px, None: as large as the
    region and ``margin``. sound: places without a mark that are cut out of each film; needs ``size``."""

    around: str
    size: int | None = None
    margin: int = 0
    sound: int = 0
    annotations: AnnotationSet | None = None


@dataclass(frozen=True)
class _Crop:
    row: int
    window: Window
    labels: tuple[str, ...]


def crop_films(
    manifest: Manifest, plan: CropPlan, out: Path, *, seam_of: SeamOf, advance: Callable[[int, int], None]
) -> tuple[Manifest, list[str]]:
    """Write crops and masks below ``out`` and their manifest as ``out/manifest.csv``.

    Depth and scale stay. Each crop keeps the group (where there is none, its film is the group), split and fold of its
    film, and its place there as ``crop_of``. Also returns a line for each thing that a person should know. Raises
    ConfigError for a plan that cannot be, DataError where nothing was cut or masks do not fit.
    """
    if plan.sound and plan.size is None:
        raise ConfigError("crops without a mark need a size; give --size with --sound")
    if plan.around == "boxes" and plan.annotations is None:
        raise ConfigError("boxes come from an annotation file; name one with --annotations")
    names = _class_names(manifest, plan)
    notes: list[str] = []
    rows: list[Row] = []
    classes = names
    for number, row in enumerate(manifest.rows):
        advance(number, len(manifest))
        with open_film(manifest.file(row), mm_per_pixel=row.mm_per_pixel) as film:
            numbers = _numbers(manifest, row, names, film.shape)
            for crop in _crops(plan, row, number, film, numbers, names, seam_of, notes):
                rows.append(_write(crop, row, film, numbers, out))
    advance(len(manifest), len(manifest))
    if not rows:
        raise DataError(f"no {plan.around} were found in {counted(len(manifest), 'film')}, so nothing was cut")
    seen = {label for row in rows for label in row.labels}
    if lost := [name for name in classes if name not in seen]:
        notes.append(f"no crop shows {', '.join(plain(name, 60) for name in lost)}")
    about = manifest.about.model_copy(update={"source": plain(f"crops of {manifest.location or manifest.root}", 2000)})
    made = complete(Manifest(rows=tuple(rows), root=out.absolute(), about=about))
    return made.write(out / "manifest.csv"), notes


def _class_names(manifest: Manifest, plan: CropPlan) -> tuple[str, ...]:
    return plan.annotations.classes if plan.annotations is not None else manifest.defect_classes


def _numbers(manifest: Manifest, row: Row, names: Sequence[str], shape: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Class numbers of the film's masks, or None where it has none."""
    if not row.mask:
        return None
    own = [list(names).index(label) + 1 for label in row.labels if label in names]
    masks = [read_sized(path, shape) for path in manifest.mask_files(row)]
    return numbers_of(masks, own, len(names))


def _crops(
    plan: CropPlan, row: Row, number: int, film: FilmSource, numbers: NDArray[np.uint8] | None, names: Sequence[str],
    seam_of: SeamOf, notes: list[str],
) -> Iterator[_Crop]:  # fmt: skip
    marks = _marks(plan, row, numbers, names)
    regions = marks
    if plan.around == "seam":
        box = seam_of(film)
        regions = [] if box is None else [Region(box)]
        if box is None:
            notes.append(f"{plain(row.path, 120)}: no seam stands out, so it was left out")
    known = numbers is not None or plan.annotations is not None
    for region in regions:
        for window in windows_around(region, film.shape, plan.size, plan.margin):
            shown = classes_in(window, marks, numbers, names) if known else set(row.labels)
            yield _Crop(number, window, tuple(sorted(shown)) or _sound_labels(row, known))
    if plan.sound and plan.size and (known or all(map(is_sound, row.labels))):
        unknown = None if numbers is None else numbers == IGNORE
        seed = int(hashlib.sha256(row.path.encode()).hexdigest()[:8], 16)
        for window in sound_windows(film.shape, plan.size, marks, unknown, plan.sound, seed):
            yield _Crop(number, window, _sound_labels(row, True))


def _sound_labels(row: Row, known: bool) -> tuple[str, ...]:
    """The label of a crop without a mark: the set's own word where the film has it."""
    own = tuple(label for label in row.labels if is_sound(label))
    return own or ((SOUND,) if known else row.labels)


def _marks(plan: CropPlan, row: Row, numbers: NDArray[np.uint8] | None, names: Sequence[str]) -> list[Region]:
    if plan.annotations is not None:
        wanted = PurePosixPath(row.path)
        named = [image for image in plan.annotations.images if image.file == row.path]
        named = named or [image for image in plan.annotations.images if PurePosixPath(image.file).name == wanted.name]
        return [region for image in named[:1] for region in regions_of_marks(image)]
    return [] if numbers is None else regions_of_mask(numbers, names)


def _write(crop: _Crop, row: Row, film: FilmSource, numbers: NDArray[np.uint8] | None, out: Path) -> Row:
    left, top, width, height = crop.window
    stem = f"{PurePosixPath(row.path).stem[:80]}-{crop.row:05d}-{left}-{top}-{width}x{height}"
    folder = "+".join(crop.labels)[:120] or "unlabelled"
    path, mask = f"images/{_plain_folder(folder)}/{stem}.png", f"masks/{stem}.png"
    write_radiograph(film.read(top, left, height, width), out / path)
    if numbers is not None:
        write_radiograph(numbers[top : top + height, left : left + width], out / mask)
    return replace(
        Row(path=path, labels=crop.labels),
        group=row.group or row.family or row.path,
        split=row.split,
        fold=row.fold,
        mask=(mask,) if numbers is not None else (),
        mm_per_pixel=film.facts.pixel_pitch_mm,
        polarity=row.polarity,
        depth=8 * film.facts.dtype.itemsize,
        width=width,
        height=height,
        crop_of=f"{row.path}#xywh={left},{top},{width},{height}",
    )


def _plain_folder(name: str) -> str:
    """A class name as the name of a folder on any system."""
    safe = "".join(sign if sign.isalnum() or sign in "-_+ ." else "_" for sign in name).strip(" .")
    return safe or "class"
