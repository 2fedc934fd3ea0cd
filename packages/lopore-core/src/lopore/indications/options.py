"""What a user may set of a film's inspection; every value is kept in the result."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lopore.inference.cover_film import CoverOptions

from .indication import Box


class Excluded(BaseModel):
    """A rectangle of the film, (left, top, right, bottom) in px, whose marks are set aside, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    box: Box
    reason: str = Field(min_length=1, max_length=200)


class InspectionOptions(BaseModel):
    """Defaults drop nothing: what is too small to matter is for the user to say."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mode: Literal["windows", "dense"] = Field("windows", description="Overlapping tiles, or one convolutional pass")
    overlap: float = Field(0.5, ge=0, le=0.9, description="Share of a tile that its neighbour sees too")
    halo: int = Field(0, ge=0, le=4096, description="Pixels at a tile's inner ends whose answers are not used")
    batch_size: int | None = Field(None, ge=1, le=4096)
    threshold: float | None = Field(
        None, ge=0, le=1, description="Probability that an indication reaches; default: the model's own threshold"
    )
    extent: float = Field(0.5, gt=0, le=1, description="Pixels from this probability on belong to an indication")
    mm_per_pixel: float | None = Field(None, gt=0, le=10, description="Pitch of the film, instead of what it states")
    factor: float | None = Field(
        None, gt=0, le=8, description="Network pixels in one film pixel, instead of the ratio of the pitches"
    )
    minimum_length_px: float = Field(0, ge=0)
    minimum_area_px: float = Field(0, ge=0)
    minimum_length_mm: float | None = Field(None, ge=0)
    minimum_area_mm2: float | None = Field(None, ge=0)
    exclude: tuple[Excluded, ...] = ()
    seam: Literal["off", "mark", "only"] = Field(
        "off", description="Find the weld; 'only' sets aside marks whose centre lies beside it"
    )
    letters: Literal["off", "read", "exclude"] = Field(
        "off", description="Read the lead letters; 'exclude' also sets aside marks whose centre lies on them"
    )
    group_gap_px: float | None = Field(
        None, gt=0, description="Gap that joins marks; default: the smaller one's length"
    )
    group_gap_mm: float | None = Field(None, gt=0)
    iso_6520: dict[str, str] = Field(default_factory=dict, description="Class name to ISO 6520-1 number")
    variables: dict[str, float] = Field(default_factory=dict, description="Values that a profile asks for")

    @property
    def covering(self) -> CoverOptions:
        """How tiles cover the film."""
        return CoverOptions(mode=self.mode, overlap=self.overlap, halo=self.halo, batch_size=self.batch_size)
