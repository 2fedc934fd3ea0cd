"""Does the defect drive the call, or something beside it? Regions are painted over and the score is watched.

A network that learned a shortcut (a lead letter, the film's border) keeps its score where the defect is painted over
and loses it where the shortcut is: Geirhos et al., Shortcut learning in deep neural networks, Nature Machine
Intelligence 2 (2020); for radiographs DeGrave et al., same journal 3 (2021). Means are compared film by film.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from lopore.data.class_names import is_sound
from lopore.data.masks import mark_of
from lopore.errors import DataError, LoporeError, ModelError
from lopore.inference.explain import choose_explainer
from lopore.inference.predict import prepare
from lopore.messages import counted
from lopore.metrics.bootstrap import mean_with_bounds
from lopore.record.interval import Interval

from .occlusion_probe import REGIONS, probe

if TYPE_CHECKING:
    from lopore.contracts import Explainer
    from lopore.data.manifest import Manifest
    from lopore.data.manifest_row import Row
    from lopore.models.opening import OpenModel

TOLERANCE = 0.1
"""A mean fall of the score under this is no finding, however sure it is."""
TOLERANCE_SOUND = 0.25
"""The same for films that were called sound: what is painted over them may itself look like a defect."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(_Part):
    """What painting over one region did to the calls.

    drop: mean fall of the score of the class that was called. lost: share of films on which that class is
    no longer called.
    inside_minus_outside: mean of (drop of the mark - this drop) over films that have both; None for the mark itself.
    """

    films: int
    groups: int
    drop: Interval
    lost: float
    inside_minus_outside: Interval | None = None


class FilmEffect(_Part):
    """One film: the class that was called, its score, and for each region the score's fall and the calls lost.

    lost: 0 or 1, for "elsewhere" the share of the places.
    """

    path: str
    group: str
    called: str
    score: float
    drops: dict[str, float]
    lost: dict[str, float]


class SpuriousReport(_Part):
    """The check of one model on one split.

    defects, sound: effects on films that were called defective and on those that were called sound, by region.
    flagged: regions beside the defect that surely move calls by more than the tolerance, as "border" or "border, sound
    calls". marked_by: what said where the defect is: "mask", "heat map" or "nothing".
    """

    schema_version: Literal[1] = 1
    model: str
    split: str
    explainer: str = ""
    marked_by: Literal["mask", "heat map", "nothing"]
    defects: dict[str, Effect]
    sound: dict[str, Effect]
    flagged: tuple[str, ...]
    films: tuple[FilmEffect, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Literal["shortcut", "defect", "unclear"]:
        """``shortcut`` where a region is flagged, ``defect`` where the defect itself surely carries its calls."""
        if self.flagged:
            return "shortcut"
        mark = self.defects.get("mark")
        sure = mark is not None and mark.drop.low is not None and mark.drop.low > TOLERANCE
        return "defect" if sure and self.marked_by == "mask" else "unclear"

    @property
    def text(self) -> str:
        """The verdict in one line for a person."""
        if self.verdict == "shortcut":
            return (
                f"Calls hang on what lies beside the defect ({'; '.join(self.flagged)}): look at those films, and "
                "train with the region cropped, masked or varied."
            )
        if self.verdict == "defect":
            return "The defect drives its calls; nothing beside it was found to move them."
        return (
            "Unclear: nothing beside the defect was found to move the calls, and the defect alone does not surely "
            f"carry them either; give {'more films' if self.marked_by == 'mask' else 'masks, or more films'}."
        )


def check_spurious(
    model: OpenModel,
    manifest: Manifest,
    *,
    split: str,
    most: int = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SpuriousReport:
    """Probe the films of one split and compare what is inside the defect with what is beside it.

    split: train, val, test or 'all'. most: films at most, whole groups drawn by chance. progress: called with
    (done, all). Intervals are 95 % and resample groups. Files that cannot be read are left out and named in the notes.
    Raises DataError where the split is empty or no film could be probed.
    """
    films = manifest if split == "all" else manifest.split_of(split)
    if not films.rows:
        raise DataError(f"no image stands in '{split}'; split the manifest with `lopore data split`, or take 'all'")
    chosen = _drawn(films, most, seed)
    explainer, notes = _explainer(model)
    masked = any(row.mask for row in chosen.rows)
    seen = _probed(model, chosen, explainer, masked, seed, progress or (lambda done, every: None))
    effects = [
        _effects([film for film in seen.films if is_sound(film.called) == sound], seed) for sound in (False, True)
    ]
    return SpuriousReport(
        model=model.folder.title,
        split=split,
        explainer=explainer.name if explainer else "",
        marked_by="mask" if masked else "heat map" if "heat map" in seen.marked_by else "nothing",
        defects=effects[0],
        sound=effects[1],
        flagged=tuple(_flagged(*effects)),
        films=tuple(seen.films),
        notes=(*notes, *_limits(seen, len(chosen.rows), len(films.rows), masked)),
    )


@dataclass
class _Seen:
    """What became of the films.

    marked_by: what said where the defect is, in any of them. failed: why films are absent.
    """

    films: list[FilmEffect] = field(default_factory=list)
    marked_by: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)


def _probed(
    model: OpenModel,
    chosen: Manifest,
    explainer: Explainer | None,
    masked: bool,
    seed: int,
    progress: Callable[[int, int], None],
) -> _Seen:
    """Film after film; a file that cannot be read stops nothing. DataError where none is left."""
    seen = _Seen()
    for number, row in enumerate(chosen.rows):
        try:
            result = _film(model, chosen, row, explainer, masked, seed + number)
            if result is not None:
                seen.films.append(result[0])
                seen.marked_by.add(result[1])
        except ModelError:
            raise
        except LoporeError as error:
            seen.failed.append(str(error))
        progress(number + 1, len(chosen.rows))
    if not seen.films:
        first = (seen.failed or ["nothing called"])[0]
        raise DataError(f"none of {counted(len(chosen.rows), 'film')} could be probed; first: {first}")
    return seen


def _limits(seen: _Seen, drawn: int, there: int, masked: bool) -> Iterator[str]:
    """Notes on what the check could not look at."""
    if drawn < there:
        yield f"{drawn} of {there} films were drawn, by whole groups."
    if not masked:
        yield "No masks: the heat map stands in, and a defect in the outer frame counts as border."
    if seen.failed:
        yield f"{counted(len(seen.failed), 'film was', 'films were')} left out; first: {seen.failed[0]}"
    if len({film.group for film in seen.films}) < 2:
        yield "All films are of one group, so there are no bounds and nothing can be flagged."


def _explainer(model: OpenModel) -> tuple[Explainer | None, list[str]]:
    try:
        return choose_explainer(model), []
    except LoporeError as error:
        return None, [str(error)]


def _drawn(films: Manifest, most: int, seed: int) -> Manifest:
    """Whole groups in an order of chance until ``most`` films are there."""
    ids = films.group_ids()
    chosen: list[int] = []
    for group in np.random.default_rng(seed).permutation(int(ids.max()) + 1):
        members = np.flatnonzero(ids == group).tolist()
        if chosen and len(chosen) + len(members) > most:
            break
        chosen += members[:most]
    return films.select(sorted(chosen))


def _film(
    model: OpenModel, manifest: Manifest, row: Row, explainer: Explainer | None, masked: bool, seed: int
) -> tuple[FilmEffect, str] | None:
    prepared = prepare(model.record, manifest.file(row))
    classes = manifest.defect_classes
    labels = [classes.index(label) + 1 for label in row.labels if label in classes]
    masks = manifest.mask_files(row)
    mark = mark_of(masks, prepared.geometry, labels, len(classes)) if masks else None
    if masked and mark is None:
        mark = np.zeros(prepared.geometry.size, np.bool_)  # a sound film of a set with masks
    found = probe(model, prepared, mark=mark, explainer=explainer, seed=seed)
    if found is None:
        return None
    drops = {one.region: found.score - one.score for one in found.probes}
    effect = FilmEffect(
        path=row.path,
        group=row.group or row.path,
        called=found.called,
        score=found.score,
        drops=drops,
        lost={one.region: one.lost for one in found.probes},
    )
    return effect, found.marked_by


def _effects(films: list[FilmEffect], seed: int) -> dict[str, Effect]:
    return {name: _effect(films, name, seed) for name in REGIONS if any(name in film.drops for film in films)}


def _effect(films: list[FilmEffect], region: str, seed: int) -> Effect:
    there = [film for film in films if region in film.drops]
    both = [film for film in there if "mark" in film.drops]
    return Effect(
        films=len(there),
        groups=len({film.group for film in there}),
        drop=_mean(there, lambda film: film.drops[region], seed),
        lost=float(np.mean([film.lost[region] for film in there])),
        inside_minus_outside=(
            _mean(both, lambda film: film.drops["mark"] - film.drops[region], seed)
            if region != "mark" and both
            else None
        ),
    )


def _mean(films: list[FilmEffect], value: Callable[[FilmEffect], float], seed: int) -> Interval:
    order = {group: number for number, group in enumerate(dict.fromkeys(film.group for film in films))}
    return mean_with_bounds([value(film) for film in films], [order[film.group] for film in films], seed=seed)


def _flagged(defects: dict[str, Effect], sound: dict[str, Effect]) -> Iterator[str]:
    """A whole background is a strong change, so it only counts where it moves the call more than the mark does."""
    for name in ("hottest", "border", "background", "elsewhere"):
        if _moves(defects.get(name)) and (name != "background" or _beats_the_mark(defects[name])):
            yield name
    if _moves(sound.get("border"), TOLERANCE_SOUND):
        yield "border, sound calls"


def _moves(effect: Effect | None, tolerance: float = TOLERANCE) -> bool:
    return effect is not None and effect.drop.low is not None and effect.drop.low > tolerance


def _beats_the_mark(effect: Effect) -> bool:
    difference = effect.inside_minus_outside
    return difference is not None and difference.high is not None and difference.high < 0
