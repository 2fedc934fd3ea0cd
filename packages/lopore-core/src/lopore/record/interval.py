"""A value with the interval behind it, as a record keeps it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator


class RecordPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Interval(RecordPart):
    """A score with its 95 % bootstrap interval; None where it is not defined (one class only, say)."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _has_both_ends_or_none(self) -> Interval:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"an interval from {self.low} to {self.high} lacks one end")
        return self
