"""What a person decides on the marks of one film; every step gives a new review, so that one step back is one away.

A verdict belongs to the film and the mark, never to the settings that led to it. No Streamlit in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lopore.errors import ConfigError, DataError
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.indication import Indication
from lopore.indications.readings import FilmSignature, FilmVerdict, Reader
from lopore.validation import explain_validation
from lopore_app.film.drawn_marks import Shape, contour_of, drawn_indication, stretched
from lopore_app.film.lead_letters import LeadLetters
from lopore_app.film.same_marks import same_mark

Verdict = Literal["open", "accepted", "rejected"]
MOST_MARKS = 20_000


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reviewer(Reader):
    """Who decides. level: of a qualification, as the person writes it."""

    name: str = Field("", max_length=80)
    level: str = Field("", max_length=40)


class ReviewedMark(_Part):
    """One mark and what was said of it.

    number: stays with the mark for the whole life of the review. class_name: as the reviewer has it; the indication
    keeps the model's. origin: found by the model, or drawn by a person.
    """

    number: int
    origin: Literal["model", "drawn"]
    indication: Indication
    class_name: str = Field(max_length=100)
    verdict: Verdict = "open"
    note: str = Field("", max_length=2000)
    reviewer: Reviewer = Reviewer()
    when: str = ""


class Ignored(_Part):
    """A region that is not to be judged: letters, wires, the film's edge."""

    box: tuple[float, float, float, float]
    reason: str = Field("not to be judged", max_length=200)


class WireStatement(_Part):
    """The thinnest wire of an image quality indicator that a person sees, by its number in ISO 19232-1."""

    number: int = Field(ge=1, le=19)
    reviewer: Reviewer = Reviewer()
    when: str = ""


class Caution(_Part):
    """A doubt or note that the page showed. about: the marks as the model found them, or the film's own quality.

    blocks: the film could not be judged by the model.
    """

    text: str = Field(max_length=2000)
    blocks: bool = False
    about: Literal["marks", "film"] = "marks"


class FilmReview(_Part):
    """All marks of one film (sha256 and page), and the regions that are not to be judged.

    pitch_given: how a person gave the pitch; empty where the file states it, or nobody does. cautions: every doubt and
    note that the page showed. lead: None where the letters were not read. signature: a person's answer for the film as
    it stands; any change after it takes it away.
    """

    schema_version: Literal[1] = 1
    name: str
    sha256: str = Field(min_length=64, max_length=64)
    page: int = 1
    width: int
    height: int
    pixel_pitch_mm: float | None = None
    pitch_given: str = Field("", max_length=200)
    model: str = ""
    marks: tuple[ReviewedMark, ...] = Field((), max_length=MOST_MARKS)
    ignored: tuple[Ignored, ...] = Field((), max_length=1000)
    wire: WireStatement | None = None
    lead: LeadLetters | None = None
    cautions: tuple[Caution, ...] = Field((), max_length=200)
    signature: FilmSignature | None = None

    @property
    def open(self) -> int:
        """How many marks nobody decided on."""
        return sum(mark.verdict == "open" for mark in self.marks)

    @property
    def untouched(self) -> bool:
        """Whether there is nothing in it yet."""
        said = self.wire, self.lead, self.signature
        return not self.marks and not self.ignored and all(one is None for one in said)

    def mark(self, number: int) -> ReviewedMark:
        """The mark of this number; ConfigError where there is none."""
        found = next((mark for mark in self.marks if mark.number == number), None)
        if found is None:
            raise ConfigError(f"the film has no mark {number}; it has {len(self.marks)}")
        return found

    def decided(
        self,
        number: int,
        verdict: Verdict,
        reviewer: Reviewer,
        *,
        class_name: str | None = None,
        note: str | None = None,
    ) -> FilmReview:
        """With another verdict, class or note of one mark."""
        before = self.mark(number)
        after = before.model_copy(
            update={
                "verdict": verdict,
                "class_name": before.class_name if class_name is None else class_name[:100],
                "note": before.note if note is None else note[:2000],
                "reviewer": reviewer,
                "when": now(),
            }
        )
        return self._with(marks=tuple(after if mark.number == number else mark for mark in self.marks))

    def drawn(self, shape: Shape, points: Sequence[float], class_name: str, reviewer: Reviewer) -> FilmReview:
        """With one more mark, drawn by a person: accepted from the start.

        points: x, y, x, y of the film; two corners of a box or an ellipse, or the corners of a polyline.
        """
        contour = contour_of(shape, points, self.width, self.height)
        number = max((mark.number for mark in self.marks), default=0) + 1
        found = drawn_indication(number, contour, class_name, self.pixel_pitch_mm)
        mark = ReviewedMark(
            number=number,
            origin="drawn",
            indication=found,
            class_name=class_name[:100],
            verdict="accepted",
            reviewer=reviewer,
            when=now(),
        )
        return self._with(marks=(*self.marks, mark))

    def reshaped(self, number: int, points: Sequence[float], reviewer: Reviewer) -> FilmReview:
        """With the edges of a mark that a person drew elsewhere: its line is stretched into the box of ``points``.

        ConfigError for a mark of the model, whose line is measured.
        """
        before = self.mark(number)
        if before.origin != "drawn":
            raise ConfigError(f"mark {number} was found by the model; reject it and draw another in its place")
        corners = contour_of("box", points, self.width, self.height)
        contour = stretched(before.indication.contour, before.indication.box, (*corners[0], *corners[2]))
        found = drawn_indication(number, contour, before.class_name, self.pixel_pitch_mm, before.indication)
        after = before.model_copy(update={"indication": found, "reviewer": reviewer})
        return self._with(marks=tuple(after if mark.number == number else mark for mark in self.marks))

    def erased(self, number: int) -> FilmReview:
        """Without a mark that a person drew; ConfigError for one of the model, which is rejected, not erased."""
        if self.mark(number).origin != "drawn":
            raise ConfigError(f"mark {number} was found by the model; reject it, so that the record keeps it")
        return self._with(marks=tuple(mark for mark in self.marks if mark.number != number))

    def ignoring(self, points: Sequence[float], reason: str = "not to be judged") -> FilmReview:
        """With one more region that is not to be judged."""
        corners = contour_of("box", points, self.width, self.height)
        box = (corners[0][0], corners[0][1], corners[2][0], corners[2][1])
        return self._with(ignored=(*self.ignored, Ignored(box=box, reason=reason[:200])))

    def judging(self, at: int) -> FilmReview:
        """Without one of the regions that are not to be judged, by its place in the list; ConfigError for none."""
        if not 0 <= at < len(self.ignored):
            raise ConfigError(f"the film has no region {at + 1} that is not to be judged; it has {len(self.ignored)}")
        return self._with(ignored=(*self.ignored[:at], *self.ignored[at + 1 :]))

    def with_wire(self, number: int | None, reviewer: Reviewer) -> FilmReview:
        """With another statement on the wires; None takes it back."""
        said = None if number is None else WireStatement(number=number, reviewer=reviewer, when=now())
        return self._with(wire=said)

    def at_pitch(self, pitch_mm: float | None) -> FilmReview:
        """With every mark measured in mm by another pitch; None takes the mm away."""
        if pitch_mm == self.pixel_pitch_mm:
            return self
        marks = (mark.model_copy(update={"indication": mark.indication.in_mm(pitch_mm)}) for mark in self.marks)
        return self._with(pixel_pitch_mm=pitch_mm, marks=tuple(marks))

    def signed(self, answer: FilmVerdict, reviewer: Reviewer) -> FilmReview:
        """With a person's answer for the whole film; ConfigError without a name, and while marks are open."""
        if not reviewer.name:
            raise ConfigError("a signature needs a name; enter it at the left")
        if self.open and answer != "cannot be judged":
            raise ConfigError(f"{self.open} of {len(self.marks)} marks are open; decide on them before you sign")
        reader = Reader(name=reviewer.name, level=reviewer.level)
        said = FilmSignature(answer=answer, reader=reader, when=now())
        return self.model_copy(update={"signature": said})

    def unsigned(self) -> FilmReview:
        """Without the signature."""
        return self._with()

    def warned(self, cautions: Sequence[Caution]) -> FilmReview:
        """With what speaks against the marks; a signature stays."""
        said = tuple(dict.fromkeys(cautions))[:200]
        return self if said == self.cautions else self.model_copy(update={"cautions": said})

    def _with(self, **changed: object) -> FilmReview:
        """Changed, and with no signature any more."""
        return self.model_copy(update={**changed, "signature": None})

    def to_json(self) -> str:
        """As a file: hashes, marks, verdicts, no pixels."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "the session file") -> FilmReview:
        """From ``to_json``; DataError in one line for anything else."""
        try:
            return cls.model_validate_json(text)
        except ValueError as error:
            from pydantic import ValidationError

            why = explain_validation(error, cls) if isinstance(error, ValidationError) else str(error)
            raise DataError(f"{source} is no film review: {why}") from None


def now() -> str:
    """The present second, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def empty_review(name: str, sha256: str, page: int, shape: tuple[int, ...], pitch_mm: float | None) -> FilmReview:
    """The review of a film that no model has looked at; a person may draw on it. shape: (height, width) in px."""
    return FilmReview(name=name, sha256=sha256, page=page, width=shape[1], height=shape[0], pixel_pitch_mm=pitch_mm)


def review_of(found: FilmInspection, before: FilmReview | None = None) -> FilmReview:
    """The review of an inspection. before: of the same film; its verdicts, drawn marks and numbers stay.

    A mark of the model that an earlier run found at the same place is the same mark, whatever the settings. Marks that
    were decided on and are not found any more stay.
    """
    known = list(before.marks) if before is not None else []
    marks: list[ReviewedMark] = []
    used: set[int] = set()
    following = max((mark.number for mark in known), default=0) + 1
    for one in found.indications:
        same = same_mark(one, [mark for mark in known if mark.number not in used])
        if same is None:
            marks.append(ReviewedMark(number=following, origin="model", indication=one, class_name=one.class_name))
            following += 1
            continue
        used.add(same.number)
        marks.append(same.model_copy(update={"indication": one}) if same.origin == "model" else same)
    marks += [mark for mark in known if mark.number not in used and (mark.verdict != "open" or mark.origin == "drawn")]
    film = found.film
    review = FilmReview(
        name=film.name,
        sha256=film.sha256,
        page=film.page,
        width=film.width,
        height=film.height,
        pixel_pitch_mm=film.pixel_pitch_mm,
        pitch_given=before.pitch_given if before is not None else "",
        model=found.model.title,
        marks=tuple(marks),
        ignored=before.ignored if before is not None else (),
        wire=before.wire if before is not None else None,
        lead=before.lead if before is not None else None,
        cautions=cautions_of(found),
    )
    signed = before is not None and (before.marks, before.pixel_pitch_mm) == (review.marks, review.pixel_pitch_mm)
    return review.model_copy(update={"signature": before.signature}) if signed and before is not None else review


def cautions_of(found: FilmInspection) -> tuple[Caution, ...]:
    """Doubts and notes of an inspection, as the page shows them."""
    doubts = (Caution(text=one.text[:2000], blocks=one.blocks) for one in found.doubts)
    return (*doubts, *(Caution(text=note[:2000]) for note in found.notes))
