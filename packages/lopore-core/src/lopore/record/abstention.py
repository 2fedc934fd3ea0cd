"""When a model leaves an image to a person, as a record keeps it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from .interval import RecordPart

UNSURE = "not sure: needs a person"


class Abstention(RecordPart):
    """Split-conformal limits. coverage: share of films whose true class is held. limits: by class the largest
    ``1 - score`` with which it is still held to be possible. fitted_on: which films."""

    coverage: float = Field(gt=0, lt=1)
    limits: dict[str, float]
    fitted_on: str = Field(max_length=200)

    def possible(self, classes: Sequence[str], scores: Sequence[float]) -> tuple[str, ...]:
        """The classes that an image may be of; none or several mean that a person is needed."""
        pairs = zip(classes, scores, strict=True)
        return tuple(name for name, score in pairs if 1 - score <= self.limits.get(name, 1.0) + 1e-7)
