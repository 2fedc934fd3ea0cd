"""What people said of a film: a verdict on each mark, and the signature under the whole."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

FilmVerdict = Literal["acceptable", "not acceptable", "cannot be judged"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reader(_Part):
    """Who reads. level: of a qualification, as the person writes it; both may be empty."""

    name: str = ""
    level: str = ""

    @property
    def title(self) -> str:
        """Name and level in one line; empty without a name."""
        return f"{self.name} ({self.level})" if self.level and self.name else self.name


class MarkReading(_Part):
    """One reader's verdict on one mark. mark: its number. accepted: it is an indication; rejected: it is none.

    origin: whether the model found it or the reader drew it. when: ISO 8601.
    """

    mark: int
    verdict: Literal["accepted", "rejected"]
    origin: Literal["model", "drawn"] = "model"
    reader: Reader = Reader()
    when: str = ""
    note: str = ""


class FilmSignature(_Part):
    """A person's answer for the whole film, given with the name. when: ISO 8601."""

    answer: FilmVerdict
    reader: Reader
    when: str
