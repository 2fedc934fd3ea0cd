"""Films that are read in windows: any part of a film of any length, in its own depth, in bounded memory.

TIFF (strips, tiles, BigTIFF) and plain DICOM are read block by block, by position: the pages of a mapped file would
count as memory of the process, and a mapped file that is cut short while it is open ends the process. PNG, JPEG, BMP
and compressed DICOM are decoded once; large ones wait in a temporary file.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from .film_sidecar import check_pitch, read_calibration
from .film_source import GIVEN, FilmFacts, FilmSource
from .film_windows import DecodedOnce, TiffWindows
from .headers import Limits, check_limits, sniff
from .positioned_file import PositionedFile
from .radiograph import Polarity, choose_page, read_radiograph
from .regular_files import display_name
from .tiff import TiffHeader, tiff_header
from .tiff_codings import PLAIN

MAX_FILM_SIDE, MAX_FILM_PIXELS = 2**20, 2**33
"""Limits of a film that is read block by block; ``Limits`` bound what is decoded at once."""


def open_film(
    path: Path,
    *,
    page: int | None = None,
    mm_per_pixel: float | None = None,
    polarity: Polarity | None = None,
    limits: Limits | None = None,
) -> FilmSource:
    """Open PNG, JPEG, TIFF, BMP or DICOM for reading in windows; colour becomes grey as in ``read_radiograph``.

    page: which page or frame, from 1; must be given where there are several. mm_per_pixel: a pitch that stands over the
    one of a calibration (``film_sidecar.calibrate``), which stands over the file's own. polarity: as the user knows it.
    limits: of what is decoded at once. Raises ImageError, in one line, for what is no image, damaged, over the limits,
    or cannot be read right.
    """
    path, limits = Path(path), limits or Limits.from_environment()
    name = display_name(path.name) or "image"
    file = PositionedFile(path, name)
    try:
        film = _film_of_blocks(file, path, page, limits) or _film_decoded_once(file, path, page, limits)
        film.facts = _with_pitch(film.facts, file, path, mm_per_pixel)
        if polarity is not None:
            film.facts = replace(film.facts, polarity=polarity)
    except BaseException:
        file.close()
        raise
    return film


def _film_of_blocks(file: PositionedFile, path: Path, page: int | None, limits: Limits) -> FilmSource | None:
    """A film whose stored values are read in parts, or None."""
    form = sniff(file.fetch(0, 132))
    large = replace(limits, max_pixels=MAX_FILM_PIXELS, max_side=MAX_FILM_SIDE, max_bytes=2**62)
    if form == "tiff":
        with file.mapped() as content:
            header = tiff_header(content, file.name, limits, page)
        return _film_of_tiff(file, path, header, choose_page(header, page, file.name), large)
    if form == "dicom":
        from .dicom_frames import dicom_windows

        found = dicom_windows(file, path, page, large)
        if found is None:
            return None
        dicom, windows, chosen = found
        facts = FilmFacts(
            name=file.name, path=path, format="dicom", page=chosen, pages=dicom.pages, shape=dicom.shape,
            dtype=np.dtype(np.uint8 if dicom.depth <= 8 else np.uint16), file_depth=dicom.depth,
            pixel_pitch_mm=dicom.pixel_pitch_mm, pitch_source=dicom.pitch_source, polarity=dicom.polarity,
            window=dicom.window, notes=dicom.notes,
        )  # fmt: skip
        return FilmSource(facts, windows, file=file)
    return None


def _film_of_tiff(file: PositionedFile, path: Path, header: TiffHeader, page: int, limits: Limits) -> FilmSource | None:
    check_limits(header, limits, file.name)
    if not header.page.in_short_strips().has_small_blocks:
        return None
    windows = TiffWindows(file, header)
    tail = windows.empty_tail() if header.page.coding == PLAIN else ()
    facts = FilmFacts(
        name=file.name, path=path, format="tiff", page=page, pages=header.pages, shape=header.shape,
        dtype=header.meaning.dtype, file_depth=header.depth, pixel_pitch_mm=header.pixel_pitch_mm,
        pitch_source=header.pitch_source, notes=header.notes + windows.notes + tail,
    )  # fmt: skip
    return FilmSource(facts, windows, file=file, orientation=header.orientation)


def _film_decoded_once(file: PositionedFile, path: Path, page: int | None, limits: Limits) -> FilmSource:
    film = read_radiograph(path, page=page, limits=replace(limits, max_side=MAX_FILM_SIDE))
    source = film.source
    facts = FilmFacts(
        name=file.name, path=path, format=source.format, page=source.page, pages=source.pages,
        shape=film.original_shape, dtype=film.pixels.dtype, file_depth=source.file_depth,
        pixel_pitch_mm=film.pixel_pitch_mm, pitch_source=film.pitch_source, polarity=film.polarity,
        window=film.window, notes=film.notes,
    )  # fmt: skip
    return FilmSource(facts, DecodedOnce(film.pixels), file=file)


def _with_pitch(facts: FilmFacts, file: PositionedFile, path: Path, given: float | None) -> FilmFacts:
    """The pitch by its order: given, calibrated, the file's own; with a note where two of them disagree."""
    own = facts.pixel_pitch_mm
    if given is not None:
        pitch, source = check_pitch(given), GIVEN
    elif found := read_calibration(path, file):
        pitch = check_pitch(found.mm_per_pixel)
        source = f"calibration by a known object of {found.distance_mm:g} mm, to {found.relative_error:.1%} at best"
    else:
        return facts
    notes = facts.notes
    if own is not None and abs(pitch / own - 1) > 0.02:
        notes += (f"the file states a pixel pitch of {own:.4g} mm ({facts.pitch_source}); {pitch:.4g} mm is used",)
    return replace(facts, pixel_pitch_mm=pitch, pitch_source=source, notes=notes)
