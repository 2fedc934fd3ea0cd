"""A whole film through a model: map, regions, indications, groups and the verdict."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lopore.arrays import ANOMALY, gives_maps
from lopore.errors import ConfigError
from lopore.inference.cover_film import Cancelled, cover_film, defect_classes
from lopore.inference.film_doubts import doubts_about_film
from lopore.inference.film_map import FilmMap
from lopore.inference.film_regions import find_regions
from lopore.inference.predict import as_text
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.lead_letters import LeadText, film_number

from .acceptance import FilmMarks, apply_profile
from .clustering import GroupRule, find_groups, group_in_mm
from .film_inspection import FilmIdentity, FilmInspection, FilmScale, UsedModel, WeldBand
from .indication import Group, Indication, SetAside
from .iso_6520 import iso_6520_number
from .letters import letters_of, without_letters
from .measure import measured
from .neighbours import nearest_marks
from .options import InspectionOptions
from .setting_aside import Sorted, set_aside
from .weld_position import find_weld

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel
    from lopore.preprocessing.enhancement_chain import Chain
    from lopore.reading.film_source import FilmSource
    from lopore.record.model import ModelRecord

    from .acceptance_profile import Profile

ProgressCallback = Callable[[str, int, int], None]
"""Told (stage, done, all): stages are "map", "regions" and "measure"."""


def inspect_film(
    model: OpenModel,
    source: FilmSource,
    *,
    profile: Profile | None = None,
    options: InspectionOptions | None = None,
    chain: Chain | None = None,
    work_folder: Path | None = None,
    progress: ProgressCallback = lambda stage, done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    judged: Callable[[FilmMap], None] = lambda film_map: None,
) -> FilmInspection:
    """The indications of one film, and the verdict by a profile.

    work_folder: keeps the film's map (one byte a pixel and class), so that a run that was stopped goes on from there;
    None: a temporary one, which is removed. progress: told how far the work is. cancelled: asked after each batch.
    judged: told of the map after each strip, as far as it goes.
    Raises Cancelled, ConfigError for options and rules that do not fit, ImageError for a damaged film, LoporeError
    for a full disk.
    """
    options, began = options or InspectionOptions(), time.monotonic()
    record = model.record
    film = FilmInput(source, record.preprocessing, chain, pitch_mm=options.mm_per_pixel, factor=options.factor)
    least_sizes(options, film.pitch_mm, source.name)
    tick = _stoppable(source.name, progress, cancelled)
    with tempfile.TemporaryDirectory(prefix="lopore-film-") as temporary:
        folder = work_folder or Path(temporary)
        levels = tuple({*_thresholds(record, options).values(), options.extent})
        film_map = cover_film(model, film, folder, options.covering, exact=levels, tick=tick, judged=judged)
        found = decide_on_map(film_map, record, film, options=options, profile=profile, progress=progress)
    notes = tuple(dict.fromkeys((*_model_notes(record), *film.notes, *film_map.notes, *found.notes)))
    done = found.model_copy(
        update={
            "model": used_model(model, options),
            "notes": notes,
            "doubts": doubts_about_film(record, film),
            "seconds": round(time.monotonic() - began, 2),
        }
    )
    return done.with_map(film_map if work_folder is not None else None)


def _stoppable(name: str, progress: ProgressCallback, cancelled: Callable[[], bool]) -> Callable[[int, int], None]:
    """What reports the progress of the map, and raises Cancelled once it was asked for."""

    def tick(done: int, total: int) -> None:
        progress("map", done, total)
        if cancelled():
            raise Cancelled(f"{name} was stopped at tile {done} of {total}; run it again to go on")

    return tick


def decide_on_map(
    film_map: FilmMap,
    record: ModelRecord,
    film: FilmInput,
    *,
    options: InspectionOptions,
    profile: Profile | None = None,
    progress: ProgressCallback = lambda stage, done, total: None,
) -> FilmInspection:
    """The inspection from a map that is there: moving a threshold or a rule costs no run of the network."""
    iso, at = options.iso_6520, _thresholds(record, options)
    marks = marks_of_map(film_map, at, film.source.shape, extent=options.extent, iso_6520=iso, progress=progress)
    letters = letters_of(film.source, options)
    seam = find_weld(film.source) if options.seam != "off" else None
    least = least_sizes(options, film.pitch_mm, film.source.name)
    sorted_marks = set_aside(marks, without_letters(options, letters), seam, least)
    ordered, groups = _grouped(numbered(sorted_marks.reported), options, film.pitch_mm)
    ordered = [mark.in_mm(film.pitch_mm) for mark in ordered]
    verdict = None
    if profile is not None:
        facts = FilmMarks(ordered, groups, film.source.shape, film.pitch_mm, film_map.classes, options.iso_6520)
        verdict = apply_profile(profile, facts, options.variables)
    return FilmInspection(
        film=_identity(film, letters),
        model=_record_facts(record, options),
        scale=FilmScale(
            factor=film.factor, mm_per_pixel=film.mm_per_pixel, trained_mm_per_pixel=record.preprocessing.mm_per_pixel
        ),
        options=options,
        indications=tuple(ordered),
        set_aside=_aside(sorted_marks, len(ordered), film.pitch_mm),
        groups=tuple(groups),
        seam=seam,
        verdict=verdict,
        notes=_weld_notes(options, seam),
        lopore=version("lopore-core"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def marks_of_map(
    film_map: FilmMap,
    thresholds: Mapping[str, float],
    film_shape: tuple[int, int],
    *,
    extent: float = 0.5,
    iso_6520: Mapping[str, str] | None = None,
    progress: ProgressCallback = lambda stage, done, total: None,
) -> list[Indication]:
    """The marks of a map, not numbered and without mm: of all classes together where they exclude each other.

    thresholds: by class; a mark counts where its peak reaches that of its class. film_shape: (height, width) of the
    film. extent: as of ``InspectionOptions``.
    """
    limits = [thresholds[name] for name in film_map.classes]
    numbers = tuple(iso_6520_number(name, dict(iso_6520 or {})) for name in film_map.classes)
    any_plane, found = film_map.facts.any_plane, list[Indication]()
    for plane in range(len(limits)) if any_plane is None else (any_plane,):
        low = min(extent, min(limits) if plane == any_plane else limits[plane])
        regions = find_regions(
            film_map, plane, low=low, thresholds=limits, tick=lambda done, total: progress("regions", done, total)
        )
        found += measured(
            film_map,
            plane,
            regions,
            low=low,
            film_shape=film_shape,
            iso_6520=numbers,
            tick=lambda done, total: progress("measure", done, total),
        )
    return found


def _thresholds(record: ModelRecord, options: InspectionOptions) -> dict[str, float]:
    return {
        name: record.threshold_of(name) if options.threshold is None else options.threshold
        for name in defect_classes(record)
    }


def least_sizes(options: InspectionOptions, pitch_mm: float | None, name: str) -> tuple[float, float]:
    """(length in px, area in px) under which marks are set aside; ConfigError where mm need an unknown pitch."""
    asked = options.minimum_length_mm, options.minimum_area_mm2, options.group_gap_mm
    if pitch_mm is None:
        if any(value is not None for value in asked):
            raise ConfigError(
                f"the size of the pixels of {name} is not known, so no size in mm can be asked; give the pitch with "
                "--mm-per-pixel, or sizes in px"
            )
        return options.minimum_length_px, options.minimum_area_px
    length = max(options.minimum_length_px, (options.minimum_length_mm or 0) / pitch_mm)
    return length, max(options.minimum_area_px, (options.minimum_area_mm2 or 0) / pitch_mm**2)


def numbered(marks: Sequence[Indication], first: int = 1) -> list[Indication]:
    """Ids by the largest peak, then the larger area, then the place."""
    order = sorted(marks, key=lambda mark: (-mark.peak, -mark.area_px, mark.centre))
    return [mark.model_copy(update={"id": number}) for number, mark in enumerate(order, start=first)]


def _grouped(
    marks: list[Indication], options: InspectionOptions, pitch_mm: float | None
) -> tuple[list[Indication], list[Group]]:
    gap = options.group_gap_px
    if options.group_gap_mm is not None and pitch_mm is not None:
        gap = options.group_gap_mm / pitch_mm
    groups = [group_in_mm(group, pitch_mm) for group in find_groups(marks, GroupRule(gap_px=gap))]
    of_group = {number: group.id for group in groups for number in group.members}
    with_neighbours = []
    for mark, near in zip(marks, nearest_marks(marks), strict=True):
        found: dict[str, int | float | None] = {"group_id": of_group.get(mark.id)}
        if near is not None:
            found |= {"nearest_id": marks[near[0]].id, "distance_px": round(near[1], 2)}
        with_neighbours.append(mark.model_copy(update=found))
    return with_neighbours, groups


def _aside(sorted_marks: Sorted, count: int, pitch_mm: float | None) -> tuple[SetAside, ...]:
    """What was set aside, numbered on after the indications, so that a number means one mark."""
    reasons = {id(mark): reason for mark, reason in sorted_marks.aside}
    order = sorted((mark for mark, _ in sorted_marks.aside), key=lambda mark: (-mark.peak, -mark.area_px, mark.centre))
    return tuple(
        SetAside(indication=mark.model_copy(update={"id": number}).in_mm(pitch_mm), reason=reasons[id(mark)])
        for number, mark in enumerate(order, start=count + 1)
    )


def _identity(film: FilmInput, letters: Sequence[LeadText]) -> FilmIdentity:
    source = film.source
    given = film.pitch_mm is not None and film.pitch_mm != source.pixel_pitch_mm
    return FilmIdentity(
        name=source.name,
        path=None if source.path is None else as_text(source.path),
        sha256=source.sha256,
        format=source.format,
        page=source.page,
        pages=source.pages,
        width=source.shape[1],
        height=source.shape[0],
        depth=source.file_depth,
        pixel_pitch_mm=film.pitch_mm,
        pitch_from="given by the user" if given else source.pitch_source,
        polarity=source.polarity,
        notes=source.notes,
        number=film_number(letters),
        letters=tuple(text.text for text in letters),
    )


def _record_facts(record: ModelRecord, options: InspectionOptions) -> UsedModel:
    return UsedModel(
        title=f"{record.name}/{record.version}",
        task=record.task,
        classes=defect_classes(record),
        format="",
        runtime="",
        preprocessing=record.preprocessing_fingerprint,
        weights_sha256="",
        thresholds=_thresholds(record, options),
        leaks_allowed=record.leaks.allowed,
        versions=dict(record.versions),
    )


def used_model(model: OpenModel, options: InspectionOptions) -> UsedModel:
    """The model as a film's inspection records it."""
    path = model.folder.file_for(model.format)
    sums = {model.folder.path / file.path: file.sha256 for file in model.record.files}
    return _record_facts(model.record, options).model_copy(
        update={"format": model.format, "runtime": model.predictor.name, "weights_sha256": sums.get(path, "")}
    )


def _model_notes(record: ModelRecord) -> tuple[str, ...]:
    notes = []
    if record.task != "binary" and not gives_maps(record.task) and defect_classes(record) == record.classes:
        notes.append("the model has no defect-free class: it names a defect at every place of a film")
    if record.task == ANOMALY:
        notes.append("the model knows sound films alone: it marks what is unlike them and names no kind of defect")
    if not gives_maps(record.task):
        notes.append("a classifier of tiles: places and sizes are as coarse as its tiles")
    if record.leaks.allowed:
        notes.append("the model was trained on a split with leaks: its figures are too good")
    return tuple(notes)


def _weld_notes(options: InspectionOptions, seam: WeldBand | None) -> tuple[str, ...]:
    if options.seam == "off" or seam is not None:
        return ()
    return ("no weld was found on the film: no mark was set aside for its place",)
