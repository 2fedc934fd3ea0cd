"""One visitor's work on one film: the run, what it found, the review and the steps back. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lopore.affine import Affine
from lopore.errors import ConfigError, LoporeError
from lopore.indications import apply_profile
from lopore.indications.acceptance import FilmMarks, Verdict
from lopore.indications.acceptance_profile import Profile
from lopore.indications.clustering import GroupRule, find_groups, group_in_mm
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.inspect_film import decide_on_map
from lopore.indications.options import InspectionOptions
from lopore.models.opening import OpenModel
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.film_source import FilmSource
from lopore_app.film import film_review
from lopore_app.film.drawn_marks import Shape
from lopore_app.film.film_review import Caution, FilmReview, Reviewer, cautions_of, review_of
from lopore_app.film.inspection_run import InspectionRun
from lopore_app.film.review_store import ReviewStore
from lopore_app.film.two_tabs import merged

SHAPES: dict[str, Shape] = {"box": "box", "ellipse": "ellipse", "polyline": "polyline"}
VERDICTS: dict[str, film_review.Verdict] = {"accept": "accepted", "reject": "rejected", "reopen": "open"}
"""What the browser names -> what the review holds."""

MOST_STEPS = 100
MOST_ACTS = 500


@dataclass
class FilmWork:
    """What is known of one film in one session.

    asked: the model and the settings that ``found`` belongs to. taken: number of the last act of the browser that was
    taken. served: grows whenever the server, not the browser, chooses a mark.
    pitch: of this film as the person gave it, with its source in words. pitch_restored: it is that of an earlier day,
    and the page's field does not say so yet. areas: boxes that were measured.
    opened: whether the review of an earlier day was looked for. kept: what the folder held when this side last read or
    wrote it. run_taken: what the last run gave.
    """

    run: InspectionRun | None = None
    found: FilmInspection | None = None
    asked: tuple[object, ...] = ()
    review: FilmReview | None = None
    history: list[FilmReview] = field(default_factory=list)
    selected: int | None = None
    taken: int = 0
    served: int = 0
    problem: str | None = None
    pitch: float | None = None
    pitch_from: str = ""
    pitch_restored: bool = False
    areas: list[tuple[int, int, int, int]] = field(default_factory=list)
    area_taken: int = 0
    opened: bool = False
    run_taken: FilmInspection | None = None
    saved: FilmReview | None = None

    def take_result(self) -> None:
        """Take over what the run found, once."""
        run = self.run
        if run is None or run.running:
            return
        if run.result is not None and run.result is not self.run_taken:
            self.run_taken = run.result  # ``found`` goes its own way from here, as threshold and rules are moved
            self.set_found(run.result)
        if run.error is not None:
            self.problem = run.error
            self.run = None

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """What speaks against the marks: of the inspection, else what was said when they were found."""
        if self.found is not None:
            return cautions_of(self.found)
        return tuple(one for one in (self.review.cautions if self.review else ()) if one.about == "marks")

    def take_kept(self, before: FilmReview) -> None:
        """Take up the review of an earlier day, with what was decided since."""
        mine = self.review
        after = before if mine is None or mine.untouched else merged(mine, before, None)
        self.step(after if self.found is None else review_of(self.found, after))
        self.saved = before
        self.restore_pitch(before)
        self.served += 1

    def restore_pitch(self, before: FilmReview) -> None:
        """Take up the pitch that a person gave on an earlier day, where none was given today."""
        if self.pitch is None and before.pitch_given:
            self.pitch, self.pitch_from, self.pitch_restored = before.pixel_pitch_mm, before.pitch_given, True

    def measure(self, pitch_mm: float | None) -> None:
        """Sizes of the review by the film's pitch, which came from the person or from the file."""
        if self.review is None:
            return
        given = self.pitch_from if self.pitch is not None else ""
        review = self.review if self.found is not None else self.review.at_pitch(pitch_mm)
        same = review.pitch_given == given
        self.review = review if same else review.model_copy(update={"pitch_given": given})

    def set_found(self, found: FilmInspection) -> None:
        """Another inspection of the same film; what was decided stays with its marks."""
        self.found, self.problem = found, None
        self.review = review_of(found, self.review)
        if self.selected is None and self.review.marks:
            self.selected = self.review.marks[0].number
        self.served += 1

    def take_acts(self, said: object, reviewer: Reviewer, to_film: Affine, class_name: str) -> bool:
        """Do what the browser asked for since the last time; whether anything changed. Nothing is trusted."""
        acts = said.get("acts") if isinstance(said, Mapping) else None
        if not isinstance(acts, list) or self.review is None:
            return False
        before, self.problem = self.review, None
        for one in acts[:MOST_ACTS]:
            number = one.get("seq") if isinstance(one, Mapping) else None
            if isinstance(number, bool) or not isinstance(number, int) or number <= self.taken:
                continue
            self.taken = number
            try:
                self._act(one, reviewer, to_film, class_name)
            except LoporeError as error:
                self.problem = str(error)
        return self.review is not before

    def _act(self, one: Mapping[str, Any], reviewer: Reviewer, to_film: Affine, class_name: str) -> None:
        assert self.review is not None
        name, mark = one.get("act"), one.get("mark")
        if name == "select" and isinstance(mark, int):
            self.selected = self.review.mark(mark).number
            return
        if name == "label" and isinstance(mark, int) and isinstance(one.get("class"), str):
            said = " ".join(str(one["class"]).split())[:100]
            self.step(self.review.decided(mark, "accepted", reviewer, class_name=said or None))
            return
        if name == "undo":
            if self.history:
                self.review = self.history.pop()
            return
        self.step(
            _after(self.review, str(name), mark, _points(one, to_film), str(one.get("shape")), reviewer, class_name)
        )
        if name == "draw":
            self.selected, self.served = self.review.marks[-1].number, self.served + 1
        elif isinstance(mark, int):
            self.selected = mark

    def step(self, review: FilmReview) -> None:
        """Another review, one step back from which is the present one."""
        if self.review is not None and review != self.review:
            self.history = [*self.history[-MOST_STEPS + 1 :], self.review]
        self.review = review


def work_for(works: dict[tuple[str, str], FilmWork], film: str, reviewer: str) -> FilmWork:
    """The work of one reviewer on one film; no reader is led by another.

    What was done before a name was given belongs to the name that is given then. A run of the model is shared.
    """
    if (film, reviewer) in works:
        return works[film, reviewer]
    nameless = works.pop((film, ""), None) if reviewer else None
    if nameless is None:
        nameless = FilmWork()
        other = next((work for (of, _), work in works.items() if of == film and work.found is not None), None)
        if other is not None and other.found is not None:
            nameless = FilmWork(asked=other.asked, pitch=other.pitch, pitch_from=other.pitch_from)
            nameless.set_found(other.found)
    nameless.opened, nameless.saved = False, None  # there may be work of an earlier day under this name
    works[film, reviewer] = nameless
    return nameless


def state_text(work: FilmWork | None) -> str:
    """How far a film is, in words."""
    if work is not None and work.review is not None and work.review.signature is not None:
        return f"signed: {work.review.signature.answer}"
    if work is None or work.review is None or (work.found is None and not work.review.marks):
        return "not inspected"
    marks, unjudged = len(work.review.marks), work.found is not None and not work.found.judged
    said = f"{work.review.open} of {marks} open" if marks else "no marks"
    return f"{said}, cannot be judged" if unjudged else said


def _after(
    review: FilmReview,
    name: str,
    mark: object,
    points: Sequence[float],
    shape: str,
    reviewer: Reviewer,
    class_name: str,
) -> FilmReview:
    if name == "draw" and shape in SHAPES:
        return review.drawn(SHAPES[shape], points, class_name, reviewer)
    if name == "ignore":
        return review.ignoring(points)
    if isinstance(mark, bool) or not isinstance(mark, int):
        raise ConfigError(f"'{name[:40]}' is asked for no mark of this film; choose a mark first")
    if name == "erase":
        return review.erased(mark)
    if name == "move":
        return review.reshaped(mark, points, reviewer)
    if name not in VERDICTS:
        raise ConfigError(f"'{name[:40]}' is nothing that can be done to a mark")
    return review.decided(mark, VERDICTS[name], reviewer)


def _points(one: Mapping[str, Any], to_film: Affine) -> tuple[float, ...]:
    """Points of the film as it is shown, led back to the film."""
    given = one.get("points")
    if not isinstance(given, list) or len(given) % 2 or len(given) > 4000:
        return ()
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        return ()
    pairs = (to_film(float(x), float(y)) for x, y in zip(given[::2], given[1::2], strict=True))
    return tuple(value for pair in pairs for value in pair)


def decided_anew(
    found: FilmInspection, model: OpenModel, source: FilmSource, options: InspectionOptions, profile: Profile | None
) -> FilmInspection:
    """The inspection at another threshold or profile from the map that is there; the network is not asked."""
    assert found.map is not None
    film = FilmInput(source, model.record.preprocessing, None, pitch_mm=options.mm_per_pixel, factor=options.factor)
    again = decide_on_map(found.map, model.record, film, options=options, profile=profile)
    used = found.model.model_copy(update={"thresholds": again.model.thresholds})
    notes = tuple(dict.fromkeys((*found.notes, *again.notes)))
    again = again.model_copy(
        update={
            "model": used,
            "notes": notes,
            "seconds": found.seconds,
            "doubts": found.doubts,
        }
    )
    return again.with_map(found.map)


def verdict_of(review: FilmReview, found: FilmInspection, profile: Profile) -> Verdict:
    """The profile's answer on the marks that the reviewer left: without rejected ones, with drawn ones."""
    marks = [
        mark.indication.model_copy(update={"id": mark.number, "class_name": mark.class_name})
        for mark in review.marks
        if mark.verdict != "rejected"
    ]
    pitch, options = review.pixel_pitch_mm, found.options
    gap = options.group_gap_px
    if options.group_gap_mm is not None and pitch is not None:
        gap = options.group_gap_mm / pitch
    groups = [group_in_mm(group, pitch) for group in find_groups(marks, GroupRule(gap_px=gap))]
    classes = tuple(dict.fromkeys((*found.model.classes, *(mark.class_name for mark in marks))))
    facts = FilmMarks(marks, groups, (review.height, review.width), pitch, classes, options.iso_6520)
    return apply_profile(profile, facts, options.variables)


def kept_review(store: ReviewStore | None, sha256: str, page: int, reviewer: str) -> FilmReview | None:
    """The review of an earlier day, where a folder was named and holds one."""
    return None if store is None else store.load(sha256, page, reviewer)
