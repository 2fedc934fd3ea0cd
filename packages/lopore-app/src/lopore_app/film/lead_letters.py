"""What was read in the lead letters of one film. No Streamlit in here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LeadLetters(BaseModel):
    """A proposal. number: the film's; empty where the letters hold none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: str = Field("", max_length=400)
    letters: tuple[str, ...] = Field((), max_length=400)
