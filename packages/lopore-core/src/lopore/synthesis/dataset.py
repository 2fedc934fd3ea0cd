"""A folder of made radiographs that `lopore data index` reads: class folders, masks, labels and truth in mm."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lopore.arrays import Pixels
from lopore.atomic_files import atomic_folder
from lopore.cores import available_cores
from lopore.errors import ConfigError, LoporeError

from .sampling import check_label, check_settings, sample_film
from .spec import ISO_6520_NUMBERS, MASK_CLASSES, SyntheticFilm

DEFAULT_COUNTS: dict[str, int] = {"no_defect": 200, "lack_of_penetration": 200, "pore": 200}

_LABEL_COLUMNS = ("path", "label", "group", "mask", "mm_per_pixel")
_TRUTH_COLUMNS = (
    "path", "group", "kind", "iso_6520", "along_mm", "across_mm", "length_mm", "width_mm", "depth_mm", "angle_deg",
    "x_px", "y_px", "left_px", "top_px", "right_px", "bottom_px", "contrast",
)  # fmt: skip

_SOURCE = """# Where these radiographs come from

They were computed by lopore (`lopore.synthesis`), not taken: X-ray attenuation after Beer and Lambert through plate,
cap and root, with voids, scatter, unsharpness, quantum noise, grain and a density curve. No image of a weld was used.

Licence: CC0-1.0 (public domain). Settings and seed stand in `source.json`; the same release of lopore, numpy and OpenCV
on the same kind of machine makes the same files again.

- `labels.csv`: one row an image. Images of one `group` are exposures of one weld: keep them on one side of a split.
- `masks/`: the class of every pixel as a number; the names stand in `source.json` under `mask_classes`.
- `truth.csv`: one row a flaw and image, in mm along and across the seam and in pixels.
"""


@dataclass(frozen=True, slots=True)
class _Shot:
    label: str
    weld: int
    view: int

    @property
    def film_id(self) -> str:
        return f"film{self.weld:05d}"

    @property
    def path(self) -> str:
        return f"{self.label}/{self.film_id}_{self.view}.png"

    @property
    def mask(self) -> str:
        return f"masks/{self.film_id}_{self.view}.png"


def _plan(counts: Mapping[str, int], views: tuple[int, int], rng: np.random.Generator) -> list[_Shot]:
    """Which weld is shot how often; the classes are dealt out at random, so a film's number says nothing."""
    films: list[tuple[str, int]] = []
    for label, count in counts.items():
        while count > 0:
            taken = min(count, int(rng.integers(views[0], views[1] + 1)))
            films.append((label, taken))
            count -= taken
    order = rng.permutation(len(films))
    return [_Shot(films[film][0], weld, view) for weld, film in enumerate(order) for view in range(films[film][1])]


def png_bytes(pixels: Pixels, level: int = 1) -> bytes:
    """A PNG of 8 or 16 bits; level 1 is the fastest, 9 the smallest.

    Runs of one value are the only repeats that are looked for, and every row has the same filter: film grain has no
    other repeats, and trying all filters on each row took a quarter of the time.
    """
    import cv2

    options = (
        cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
        cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH,
    )  # fmt: skip
    done, content = cv2.imencode(".png", pixels, options)
    if not done:
        raise LoporeError(
            f"an image of {pixels.shape} {pixels.dtype} cannot be stored as PNG; give (H, W) uint8 or uint16"
        )
    return bytes(content)


def _label_row(shot: _Shot, film: SyntheticFilm) -> tuple[Any, ...]:
    return shot.path, shot.label, shot.film_id, shot.mask, f"{film.spec.pixel_pitch_mm:.6g}"


def _truth_rows(shot: _Shot, film: SyntheticFilm) -> list[tuple[Any, ...]]:
    rows = []
    for truth in film.flaws:
        flaw = truth.flaw
        numbers = (*flaw.centre_mm, *flaw.size_mm, flaw.angle_deg, *truth.centre_px)
        rows.append((shot.path, shot.film_id, flaw.kind, flaw.iso_6520, *(f"{n:.4f}" for n in numbers),
                     *truth.box_px, f"{truth.contrast:.5f}"))  # fmt: skip
    return rows


def _write_csv(path: Path, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")  # equal bytes on every system


def _write_source(
    folder: Path, counts: Mapping[str, int], seed: int, views: tuple[int, int], settings: dict[str, Any]
) -> None:
    import cv2

    record = {
        "made_by": "lopore.synthesis",
        "licence": "CC0-1.0",
        "attribution": "none needed; computed, no image of a weld was used",
        "seed": seed,
        "counts": dict(counts),
        "views_per_film": list(views),
        "settings": check_settings(**settings).model_dump(mode="json", exclude_unset=True),
        "mask_classes": list(MASK_CLASSES),
        "iso_6520_numbers": ISO_6520_NUMBERS,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }
    (folder / "source.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8", newline="")
    (folder / "SOURCE.md").write_text(_SOURCE, encoding="utf-8", newline="")


def _check_request(counts: Mapping[str, int], seed: int, views: tuple[int, int]) -> None:
    for label, count in counts.items():
        if count < 0:
            raise ConfigError(f"{count} images of {check_label(label)} are asked for; give 0 or more")
        check_label(label)
    if not any(counts.values()):
        raise ConfigError(f"no image was asked for; give counts such as {DEFAULT_COUNTS}")
    if not 1 <= views[0] <= views[1]:
        raise ConfigError(
            f"views {views} is no range; give the fewest and the most exposures of a film, such as (2, 4)"
        )
    if seed < 0:
        raise ConfigError(f"seed {seed} is negative; give 0 or more")


def write_dataset(
    out: Path,
    counts: Mapping[str, int] | None = None,
    seed: int = 0,
    *,
    views: tuple[int, int] = (2, 4),
    compression: int = 1,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,
) -> Path:
    """Make a data set of radiographs; the folder appears when it is complete and not before.

    out: a folder that does not exist or is empty. Gets ``<class>/<film>_<view>.png``, ``masks/``, ``labels.csv`` (path,
        label, group, mask, mm_per_pixel), ``truth.csv`` (one row a flaw), ``SOURCE.md`` and ``source.json``.
    counts: images a class; 200 each of no_defect, lack_of_penetration and pore by default.
    seed: equal seeds make equal data sets. views: fewest and most exposures of one weld, all in one group.
    compression: of the PNG files, 0 to 9. progress: called with images done and images in all.
    settings: fields of ``FilmSpec`` for every film, such as ``receptor="detector"``.
    Raises LoporeError where ``out`` holds something or cannot be written, ConfigError for an impossible request.
    """
    counts = dict(DEFAULT_COUNTS if counts is None else counts)
    _check_request(counts, seed, views)
    check_settings(**settings)
    shots = _plan(counts, views, np.random.default_rng(seed))
    with atomic_folder(out) as folder:
        for name in (*(label for label, count in counts.items() if count), "masks"):
            (folder / name).mkdir()
        labels: list[tuple[Any, ...]] = []
        truths: list[tuple[Any, ...]] = []
        with ThreadPoolExecutor(available_cores()) as pool:  # NumPy's noise and OpenCV's PNG run outside the lock
            write = partial(_write_shot, folder, seed=seed, compression=compression, settings=settings)
            for done, (label, flaws) in enumerate(pool.map(write, shots), start=1):
                labels.append(label)
                truths.extend(flaws)
                if progress is not None:
                    progress(done, len(shots))
        _write_csv(folder / "labels.csv", _LABEL_COLUMNS, labels)
        _write_csv(folder / "truth.csv", _TRUTH_COLUMNS, truths)
        _write_source(folder, counts, seed, views, settings)
    return out


def _write_shot(
    folder: Path, shot: _Shot, seed: int, compression: int, settings: dict[str, Any]
) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Write the image and its mask; give its rows of ``labels.csv`` and ``truth.csv``."""
    # Below a million welds a set, sets of two seeds share none.
    film = sample_film(shot.label, seed * 1_000_003 + shot.weld, shot.view, **settings)
    (folder / shot.path).write_bytes(png_bytes(film.pixels, compression))
    (folder / shot.mask).write_bytes(png_bytes(film.mask, compression))
    return _label_row(shot, film), _truth_rows(shot, film)
