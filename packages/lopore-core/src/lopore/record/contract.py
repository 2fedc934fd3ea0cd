"""An operating point by contract, as a record keeps it."""

from __future__ import annotations

from pydantic import Field

from .interval import Interval, RecordPart


class RecallContract(RecordPart):
    """What one class's threshold proves: at least ``recall`` of such films are found, with ``confidence``.

    threshold: a film counts as found where all its images with the class score at or above it. films: with the class.
    missed: of them. bound: one-sided lower bound of the share that is found. sound_films: without the class.
    false_calls: of those, films with any call. false_call_rate: their share, exact 95 % interval.
    """

    recall: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)
    threshold: float = Field(ge=0, le=1)
    films: int = Field(ge=0)
    missed: int = Field(ge=0)
    bound: float = Field(ge=0, le=1)
    sound_films: int = Field(ge=0)
    false_calls: int = Field(ge=0)
    false_call_rate: Interval

    @property
    def holds(self) -> bool:
        """Whether the bound reaches the recall that was asked for."""
        return self.bound >= self.recall

    @property
    def text(self) -> str:
        """One sentence for a person."""
        found = f"{self.films - self.missed} of {self.films} films found at {self.threshold:.4g}"
        proven = f"recall at least {self.bound:.3f} with {self.confidence:.0%} confidence"
        verdict = "kept" if self.holds else "not kept"
        calls = f"{self.false_calls} of {self.sound_films} films without the class are called"
        return f"{found}: {proven}; the contract of {self.recall:g} is {verdict}. {calls}."
