"""What an inspection of a film found: one record that leaves as JSON, CSV, a report, and is what the app draws."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from lopore.errors import DataError
from lopore.inference.doubts import Doubt, judged
from lopore.inference.film_map import FilmMap
from lopore.validation import explain_validation

from .acceptance import Verdict
from .indication import Group, Indication, SetAside
from .options import InspectionOptions
from .readings import FilmSignature, MarkReading

Line = tuple[tuple[float, float], ...]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FilmIdentity(_Part):
    """The film. pitch_from: where the pitch comes from, in words; None with no pitch.

    number: its number in lead letters, letters: all strings read on it; empty where they were not read.
    """

    name: str
    path: str | None
    sha256: str
    format: str
    page: int
    pages: int
    width: int
    height: int
    depth: int
    pixel_pitch_mm: float | None
    pitch_from: str | None
    polarity: str
    notes: tuple[str, ...] = ()
    number: str = ""
    letters: tuple[str, ...] = ()


class UsedModel(_Part):
    """The model that looked at the film. weights_sha256: of the file that was run."""

    title: str
    task: str
    classes: tuple[str, ...]
    format: str
    runtime: str
    preprocessing: str
    weights_sha256: str
    thresholds: dict[str, float]
    leaks_allowed: bool
    versions: dict[str, str]


class FilmScale(_Part):
    """factor: network pixels in one film pixel. mm_per_pixel: of a network pixel, None where the pitch is not known."""

    factor: float
    mm_per_pixel: float | None
    trained_mm_per_pixel: float | None


class WeldBand(_Part):
    """The weld, as two lines along the film, (x, y) in px; evidence: how it was found, in words."""

    upper: Line
    lower: Line
    evidence: str


class FilmInspection(_Part):
    """One film's indications, largest peak first; what was set aside, with the reason; groups; and the verdict."""

    schema_version: Literal[1] = 1
    film: FilmIdentity
    model: UsedModel
    scale: FilmScale
    options: InspectionOptions
    indications: tuple[Indication, ...]
    set_aside: tuple[SetAside, ...] = ()
    groups: tuple[Group, ...] = ()
    seam: WeldBand | None = None
    verdict: Verdict | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    """Reasons to trust the marks less, the gravest first."""
    readings: tuple[MarkReading, ...] = ()
    """Verdicts of people on single marks; rejected marks stand among ``set_aside``."""
    signature: FilmSignature | None = None
    lopore: str = ""
    created: str = ""
    seconds: float = 0.0

    _map: FilmMap | None = PrivateAttr(default=None)

    @property
    def judged(self) -> bool:
        """Whether the film can be judged by this model: no doubt blocks."""
        return judged(self.doubts)

    @property
    def map(self) -> FilmMap | None:
        """The film's map, as long as its folder is there; not part of the JSON."""
        return self._map

    def with_map(self, film_map: FilmMap | None) -> FilmInspection:
        """The same inspection that knows its map."""
        copy = self.model_copy()
        copy._map = film_map
        return copy

    def to_json(self) -> str:
        """One JSON object and a line end."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, source: str = "the inspection") -> FilmInspection:
        """From ``to_json``; DataError in one line for anything else."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise DataError(f"{source} is no film inspection: {explain_validation(error, cls)}") from None
