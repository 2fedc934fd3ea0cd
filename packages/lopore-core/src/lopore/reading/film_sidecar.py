"""The pixel pitch of a film that a person found with a known object, kept in a small file beside the film."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lopore.atomic_files import atomic_write_bytes
from lopore.errors import ImageError

from .positioned_file import PositionedFile
from .regular_files import display_name

_SUFFIX = ".lopore.json"
_MOST_BYTES = 65_536
PITCH_BOUNDS_MM = (1e-4, 10.0)


class Calibration(BaseModel):
    """Two points on the upright film, in pixels (x to the right, y down), and the distance between them in mm.

    film_sha256: of the file that was calibrated. made: time in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    film_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    start: tuple[float, float]
    end: tuple[float, float]
    distance_mm: float = Field(gt=0, allow_inf_nan=False)
    note: str = Field("", max_length=500)
    made: datetime

    @property
    def mm_per_pixel(self) -> float:
        """The pitch that follows from the two points."""
        return self.distance_mm / math.dist(self.start, self.end)

    @property
    def relative_error(self) -> float:
        """How far the pitch may be off where each point is placed to one pixel: sqrt(2) over their distance."""
        return math.sqrt(2) / math.dist(self.start, self.end)


def sidecar_path(film: Path) -> Path:
    """Where the calibration of a film is kept: ``film.tif.lopore.json`` beside ``film.tif``."""
    return film.with_name(film.name + _SUFFIX)


def calibrate(
    film: Path, start: tuple[float, float], end: tuple[float, float], distance_mm: float, *, note: str = ""
) -> Calibration:
    """Keep the pitch of a film by a known object: a ruler, a lead letter, a wire of the image quality indicator.

    start, end: (x, y) in pixels of the upright film. distance_mm: between them, on the object's plane.
    Raises ImageError where the film cannot be read, the points are closer than 10 px, or the pitch makes no sense.
    """
    name = display_name(film.name) or "image"
    length = math.dist(start, end)
    if not math.isfinite(length) or length < 10:
        raise ImageError(f"the points are {length:.3g} px apart; choose two that are 10 px or more apart, best 500")
    check_pitch(distance_mm / length if math.isfinite(distance_mm) else math.nan)
    file = PositionedFile(film, name)
    try:
        digest = file.sha256()
    finally:
        file.close()
    found = Calibration(
        film_sha256=digest, start=start, end=end, distance_mm=distance_mm, note=note[:500],
        made=datetime.now(UTC).replace(microsecond=0),
    )  # fmt: skip
    atomic_write_bytes(sidecar_path(film), (found.model_dump_json(indent=1) + "\n").encode())
    return found


def check_pitch(mm: float) -> float:
    """A pixel pitch in mm as it is. Raises ImageError for what no film can have."""
    low, high = PITCH_BOUNDS_MM
    if not low <= mm <= high:
        raise ImageError(f"a pixel pitch of {mm:g} mm; allowed are {low:g} to {high:g} mm; is it in micrometres?")
    return float(mm)


def read_calibration(film: Path, file: PositionedFile) -> Calibration | None:
    """The calibration beside a film, or None. Raises ImageError where it is damaged or belongs to another file."""
    path = sidecar_path(film)
    if not path.is_file():
        return None
    shown = display_name(path.name)
    sidecar = PositionedFile(path, shown)
    try:
        found = Calibration.model_validate(json.loads(sidecar.fetch(0, _MOST_BYTES)))
    except (ValidationError, ValueError, RecursionError) as error:
        raise ImageError(f"{shown} is no calibration that lopore can read; calibrate again or delete it") from error
    finally:
        sidecar.close()
    if found.film_sha256 != file.sha256():
        raise ImageError(f"{shown} was made for another version of {file.name}; calibrate again or delete it")
    return found
