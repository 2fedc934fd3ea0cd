"""What a figure may say: a value with what it rests on, or a refusal that names what is missing."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Facts(BaseModel):
    """A frozen part of a result; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Refusal(Facts):
    """A figure that the data cannot carry. what: the figure. missing: why, each reason one sentence."""

    what: str
    missing: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line for a person."""
        return f"{self.what} is not stated: {' '.join(self.missing)}"
