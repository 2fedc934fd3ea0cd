"""What tells an image unlike those of training, as a record keeps it."""

from __future__ import annotations

from pydantic import Field, model_validator

from lopore.messages import counted

from .interval import RecordPart


class TrainingLikeness(RecordPart):
    """A distance of image statistics to the training images, with the share of films like them that it marks.

    statistics: names, in the order of ``centre`` and ``precision``. centre: their middles. precision: inverse of their
    covariance; the distance is Mahalanobis's. distance_high: largest that counts as like. Bounds of the single
    statistics stand in ``training_grey``. false_alarms: at most so large a share of films like those of training lies
    beyond a bound or the distance (split conformal, training films held out in folds); None where they are too few.
    whole_films: a film counts by the middle of its tiles; else each image counts.
    """

    statistics: tuple[str, ...] = Field(max_length=32)
    centre: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    distance_high: float = Field(ge=0)
    false_alarms: float | None = Field(None, gt=0, lt=1)
    films: int = Field(ge=0)
    images: int = Field(ge=0)
    whole_films: bool = False

    @model_validator(mode="after")
    def _has_one_shape(self) -> TrainingLikeness:
        count = len(self.statistics)
        if len(self.centre) != count or any(len(row) != count for row in (self.precision, *self.precision)):
            raise ValueError(f"likeness has {count} statistics, its centre and precision have others")
        return self

    @property
    def rate_text(self) -> str:
        """How often films like those of training are marked, in a sentence."""
        held = counted(self.films, "training film")
        if self.false_alarms is None:
            return f"How often films like them are marked so is not known: {held} are too few."
        return f"At most {self.false_alarms:.0%} of films like them are marked so ({held}, held out in folds)."
