"""Indications of a model against the truth, film by film: at its operating point and at a ladder of thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import IGNORE
from lopore.data.class_names import is_sound
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.masks import numbers_of, read_sized
from lopore.errors import DataError
from lopore.indications.indication import Indication
from lopore.inference.cover_film import defect_classes
from lopore.inference.regions import DetectionRule
from lopore.messages import counted, plain
from lopore.metrics.indication_figures import IndicationMetrics, class_indications
from lopore.metrics.mark_precision import mark_precision
from lopore.metrics.matching import Cell, FilmMatches, TruthMark, match_cells, match_mask

from .sections import Sections, cells_of

if TYPE_CHECKING:
    from lopore.record.model import ModelRecord

LADDER = (0.5, 0.4, 0.3, 0.2, 0.1)
"""Regions of 0.5 and more are those of every threshold above; each lower one draws its own."""
ANY = "any class"
Thresholds = Mapping[str, float]


@dataclass(frozen=True)
class MatchedFilm:
    """One image of known truth.

    row: its number in the manifest. indications: at the operating point. marks: what is there. own: by class (and
    ``ANY`` of models with several), the calls against the marks. levels: the same at each threshold of ``LADDER``.
    sound: known to be without a mark. pitch_mm: of a pixel, None where it is not known.
    """

    row: int
    path: str
    indications: tuple[Indication, ...]
    marks: tuple[TruthMark, ...]
    own: Mapping[str, FilmMatches]
    levels: Mapping[str, Mapping[float, FilmMatches]]
    sound: bool
    pitch_mm: float | None


class MarkTally:
    """Counts the films of a manifest one by one; what cannot be counted is told in the notes.

    sections: truth by place along the film, instead of the masks.
    """

    def __init__(
        self, record: ModelRecord, films: Manifest, sections: Sections | None = None, rule: DetectionRule | None = None
    ) -> None:
        self.films, self.sections, self.rule = films, sections, rule or DetectionRule()
        self.classes = defect_classes(record)
        own = {name: record.threshold_of(name) for name in self.classes}
        if self.rule.threshold is not None:
            own = dict.fromkeys(self.classes, self.rule.threshold)
        self.thresholds: tuple[Thresholds, ...] = (own, *(dict.fromkeys(self.classes, at) for at in LADDER))
        self.matched: list[MatchedFilm] = []
        self.unknown: list[str] = []

    @property
    def asked(self) -> bool:
        """Whether any film has a truth to be counted against."""
        return self.sections is not None or any(row.mask for row in self.films.rows)

    def add(
        self, number: int, found: Sequence[Sequence[Indication]], shape: tuple[int, int], pitch_mm: float | None
    ) -> None:
        """One film. found: its indications at each of ``thresholds``. shape: (height, width) of the film."""
        row = self.films.rows[number]
        try:
            least = self.rule.least_area(pitch_mm, plain(row.path, 120))
            large_enough = [[mark for mark in marks if mark.area_px >= least] for marks in found]
            self.matched.append(self._matched(number, row, large_enough, shape, pitch_mm))
        except DataError as error:
            self.unknown.append(str(error))

    def _matched(
        self, number: int, row: Row, found: list[list[Indication]], shape: tuple[int, int], pitch_mm: float | None
    ) -> MatchedFilm:
        each: list[dict[str, FilmMatches]]
        if self.sections is not None:
            cells = cells_of(self.sections, row)
            each = [self._against_cells(row, marks, cells, shape, pitch_mm) for marks in found]
            sound = not cells
        else:
            truth = self._truth(row, shape)
            each = [self._against_mask(row, marks, truth, pitch_mm) for marks in found]
            sound = not row.mask
        own = each[0]
        keys = [name for name in own if name != ANY] if self.sections is None else [next(iter(own))]
        marks = tuple(mark for name in keys for mark in own[name].marks)
        levels = {key: dict(zip(LADDER, (one[key] for one in each[1:]), strict=True)) for key in own}
        return MatchedFilm(number, row.path, tuple(found[0]), marks, own, levels, sound, pitch_mm)

    def _truth(self, row: Row, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Class numbers (H, W) of a film; DataError where they are not known."""
        labels = [self.classes.index(label) + 1 for label in row.labels if label in self.classes]
        if row.mask:
            files = [read_sized(path, shape) for path in self.films.mask_files(row)]
            return numbers_of(files, labels, len(self.classes))
        if not all(is_sound(label) for label in row.labels):
            raise DataError(f"{plain(row.path, 120)} has no mask")
        return np.zeros(shape, np.uint8)

    def _against_mask(
        self, row: Row, found: list[Indication], truth: NDArray[np.uint8], pitch_mm: float | None
    ) -> dict[str, FilmMatches]:
        known = truth != IGNORE

        def match(name: str, calls: Iterable[Indication], mask: NDArray[np.bool_]) -> FilmMatches:
            return match_mask(row.path, list(calls), mask, known=known, class_name=name, pitch_mm=pitch_mm)

        by_class = {
            name: match(name, [mark for mark in found if mark.class_name == name], truth == number)
            for number, name in enumerate(self.classes, start=1)
        }
        if len(self.classes) == 1:
            return by_class
        return {ANY: match("", found, known & (truth > 0)), **by_class}

    def _against_cells(
        self, row: Row, found: list[Indication], cells: tuple[Cell, ...], shape: tuple[int, int], pitch: float | None
    ) -> dict[str, FilmMatches]:
        if pitch is None:
            raise DataError(f"the pixel pitch of {plain(row.path, 120)} is not known, so no place in mm is")
        length = shape[1] * pitch
        if len(self.classes) == 1:
            return {self.classes[0]: match_cells(row.path, found, cells, length_mm=length)}
        by_class = {
            name: match_cells(
                row.path,
                [mark for mark in found if mark.class_name == name],
                [cell for cell in cells if cell.class_name == name],
                length_mm=length,
            )
            for name in self.classes
            if any(cell.class_name == name for known in (self.sections or {}).values() for cell in known)
        }
        return {ANY: match_cells(row.path, found, cells, length_mm=length), **by_class}

    def metrics(self, *, seed: int = 0) -> IndicationMetrics | None:
        """The figures of all films that were counted; None without any."""
        if not self.matched:
            return None
        groups = np.unique(
            self.films.select([film.row for film in self.matched]).group_ids(), return_inverse=True
        )[1].reshape(-1).astype(np.int64)  # fmt: skip
        per_class = {
            key: class_indications(
                [film.own[key] for film in self.matched],
                {level: [film.levels[key][level] for film in self.matched] for level in LADDER},
                groups,
                seed=seed,
            )
            for key in self.matched[0].own
        }
        how = "outlines against masks" if self.sections is None else "place along the film"
        by_class = [[film.own[name] for name in self.classes if name in film.own] for film in self.matched]
        masks, boxes = (None, None) if self.sections is not None else mark_precision(by_class, groups, seed=seed)
        return IndicationMetrics(
            matched_by=how, films=len(self.matched), per_class=per_class, mask_ap=masks, box_ap=boxes,
            notes=tuple(self._notes()),
        )  # fmt: skip

    def _notes(self) -> Iterable[str]:
        if self.unknown:
            total = len(self.unknown) + len(self.matched)
            yield (
                f"{len(self.unknown)} of {counted(total, 'film')} count in no figure of indications; first: "
                f"{self.unknown[0]}"
            )
        if self.rule.opening:
            yield "Indications are counted without the opening, which acts on the network's input."
        if all(film.pitch_mm is None for film in self.matched):
            yield "No film states its pixel pitch: no rate per 100 mm and no sizing error in mm."
