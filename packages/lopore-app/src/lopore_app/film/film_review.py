"""What a person decides on the marks of one film; every step gives a new review, so that one step back is one away.

A verdict belongs to the film and the mark, never to the settings that led to it. No Streamlit in here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lopore.errors import ConfigError, DataError
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.indication import Indication
from lopore.validation import explain_validation

Verdict = Literal["open", "accepted", "rejected"]
Shape = Literal["box", "ellipse", "polyline"]
MOST_MARKS = 20_000
SAME_PLACE = 0.3
"""Marks of two runs are one mark where their boxes share this part of their union."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reviewer(_Part):
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


class FilmReview(_Part):
    """All marks of one film (sha256 and page), and the regions that are not to be judged."""

    schema_version: Literal[1] = 1
    name: str
    sha256: str = Field(min_length=64, max_length=64)
    page: int = 1
    width: int
    height: int
    pixel_pitch_mm: float | None = None
    model: str = ""
    marks: tuple[ReviewedMark, ...] = Field((), max_length=MOST_MARKS)
    ignored: tuple[Ignored, ...] = Field((), max_length=1000)

    @property
    def open(self) -> int:
        """How many marks nobody decided on."""
        return sum(mark.verdict == "open" for mark in self.marks)

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
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        return self._with(tuple(after if mark.number == number else mark for mark in self.marks))

    def drawn(self, shape: Shape, points: Sequence[float], class_name: str, reviewer: Reviewer) -> FilmReview:
        """With one more mark, drawn by a person: accepted from the start.

        points: x, y, x, y of the film; two corners of a box or an ellipse, or the corners of a polyline.
        """
        contour = _contour(shape, points, self.width, self.height)
        number = max((mark.number for mark in self.marks), default=0) + 1
        found = _indication(number, contour, class_name, self.pixel_pitch_mm)
        mark = ReviewedMark(
            number=number,
            origin="drawn",
            indication=found,
            class_name=class_name[:100],
            verdict="accepted",
            reviewer=reviewer,
            when=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return self._with((*self.marks, mark))

    def reshaped(self, number: int, points: Sequence[float], reviewer: Reviewer) -> FilmReview:
        """With the edges of one mark elsewhere; ``points`` as of a box."""
        before = self.mark(number)
        contour = _contour("box", points, self.width, self.height)
        found = _indication(number, contour, before.class_name, self.pixel_pitch_mm, before.indication)
        after = before.model_copy(update={"indication": found, "reviewer": reviewer})
        return self._with(tuple(after if mark.number == number else mark for mark in self.marks))

    def erased(self, number: int) -> FilmReview:
        """Without a mark that a person drew; ConfigError for one of the model, which is rejected, not erased."""
        if self.mark(number).origin != "drawn":
            raise ConfigError(f"mark {number} was found by the model; reject it, so that the record keeps it")
        return self._with(tuple(mark for mark in self.marks if mark.number != number))

    def ignoring(self, points: Sequence[float], reason: str = "not to be judged") -> FilmReview:
        """With one more region that is not to be judged."""
        corners = _contour("box", points, self.width, self.height)
        box = (corners[0][0], corners[0][1], corners[2][0], corners[2][1])
        return self.model_copy(update={"ignored": (*self.ignored, Ignored(box=box, reason=reason[:200]))})

    def _with(self, marks: tuple[ReviewedMark, ...]) -> FilmReview:
        return self.model_copy(update={"marks": marks})

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


def review_of(found: FilmInspection, before: FilmReview | None = None) -> FilmReview:
    """The review of an inspection. before: of the same film; its verdicts, drawn marks and numbers stay.

    A mark of the model that an earlier run found at the same place is the same mark, whatever the settings. Marks that
    were decided on and are not found any more stay.
    """
    kept = list(before.marks) if before is not None else []
    marks: list[ReviewedMark] = []
    used: set[int] = set()
    following = max((mark.number for mark in kept), default=0) + 1
    for one in found.indications:
        same = _same(one, [mark for mark in kept if mark.number not in used])
        if same is None:
            marks.append(ReviewedMark(number=following, origin="model", indication=one, class_name=one.class_name))
            following += 1
            continue
        used.add(same.number)
        marks.append(same.model_copy(update={"indication": one}) if same.origin == "model" else same)
    marks += [mark for mark in kept if mark.number not in used and (mark.verdict != "open" or mark.origin == "drawn")]
    film = found.film
    return FilmReview(
        name=film.name,
        sha256=film.sha256,
        page=film.page,
        width=film.width,
        height=film.height,
        pixel_pitch_mm=film.pixel_pitch_mm,
        model=found.model.title,
        marks=tuple(marks),
        ignored=before.ignored if before is not None else (),
    )


def _same(one: Indication, known: Sequence[ReviewedMark]) -> ReviewedMark | None:
    shares = [(_shared(one.box, mark.indication.box), mark) for mark in known]
    best = max(shares, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None and best[0] >= SAME_PLACE else None


def _shared(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection of two boxes over their union."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return wide * high / (sum(areas) - wide * high)


def _contour(shape: Shape, points: Sequence[float], width: int, height: int) -> list[tuple[float, float]]:
    """A closed line on the film; ConfigError for one that is no area of it."""
    finite = len(points) % 2 == 0 and all(math.isfinite(value) for value in points)
    if not finite or len(points) < (6 if shape == "polyline" else 4) or len(points) > 4000:
        raise ConfigError(f"{len(points)} numbers draw no {shape}; two corners are needed, of a polyline three")
    pairs = [
        (min(max(float(x), 0.0), float(width)), min(max(float(y), 0.0), float(height)))
        for x, y in zip(points[::2], points[1::2], strict=True)
    ]
    if shape == "polyline":
        line = pairs
    else:
        (x0, y0), (x1, y1) = pairs[:2]
        x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        line = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        if shape == "ellipse":
            angles = [2 * math.pi * step / 48 for step in range(48)]
            half = (x1 - x0) / 2, (y1 - y0) / 2
            line = [(x0 + half[0] * (1 + math.cos(a)), y0 + half[1] * (1 + math.sin(a))) for a in angles]
    if _area(line) < 1:
        raise ConfigError("the mark that was drawn covers less than one pixel of the film; draw it larger")
    return line


def _area(line: Sequence[tuple[float, float]]) -> float:
    following = [*line[1:], line[0]]
    return abs(sum(x * v - u * y for (x, y), (u, v) in zip(line, following, strict=True))) / 2


def _indication(
    number: int,
    line: Sequence[tuple[float, float]],
    class_name: str,
    pitch_mm: float | None,
    before: Indication | None = None,
) -> Indication:
    """Place and size of a closed line, measured as the model's marks are: Feret diameters, area, box, centre."""
    xs, ys = [x for x, _ in line], [y for _, y in line]
    extents = []
    for step in range(180):
        angle = math.pi * step / 180
        along = [x * math.cos(angle) + y * math.sin(angle) for x, y in line]
        extents.append((max(along) - min(along), step))
    (length, at), (least, _) = max(extents), min(extents)
    area = _area(line)
    turned = -at if at <= 90 else 180 - at
    return Indication(
        id=number,
        class_name=class_name,
        iso_6520=before.iso_6520 if before else None,
        peak=before.peak if before else 0.0,
        mean=before.mean if before else 0.0,
        centre=((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2),
        box=(min(xs), min(ys), max(xs), max(ys)),
        contour=tuple(line),
        area_px=area,
        length_px=length,
        width_px=least,
        diameter_px=2 * math.sqrt(area / math.pi),
        orientation_deg=float(turned if turned > -90 else 90),
    ).in_mm(pitch_mm)
