"""What tells an image unlike those of training, as a record keeps it."""

from __future__ import annotations

from pydantic import Field, model_validator

from lopore.messages import counted

from .interval import Interval, RecordPart

CLEAR = 0.04
"""Relief, on a scale of 0 to 1, from which on a film has a plain side."""


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
        return _rate_text(self.false_alarms, self.films, ", held out in folds")


class FeatureLikeness(RecordPart):
    """A distance of the network's features to those of the training images, or why none is taken.

    missing: why features are not compared; empty where they are, and then all else is there. file: the reference in the
    model folder, made of ``images`` training images. rest: a number that belongs to it. distance_high: largest that
    counts as like. false_alarms: at most so large a share of films like those of training lies beyond it (split
    conformal, ``films`` that the training did not learn from). beyond: share of these films that lies beyond it, with
    its exact 95 % interval.
    """

    missing: str = ""
    file: str = ""
    images: int = Field(0, ge=0)
    rest: float = Field(0.0, ge=0)
    distance_high: float = Field(0.0, ge=0)
    false_alarms: float | None = Field(None, gt=0, lt=1)
    films: int = Field(0, ge=0)
    beyond: Interval = Interval(value=None)

    @model_validator(mode="after")
    def _is_whole(self) -> FeatureLikeness:
        if not self.missing and not (self.file and self.images and self.rest and self.films and self.false_alarms):
            raise ValueError("features are compared by a file, images, films and a rate; one of them is not there")
        return self

    @property
    def rate_text(self) -> str:
        """How often films like those of training are marked by their features, in a sentence."""
        if self.false_alarms is None:
            return f"Features are not compared: {self.missing}."
        found = self.beyond
        bounds = f", share beyond {found.value:.3f}" if found.value is not None else ""
        bounds += f" ({found.low:.3f} to {found.high:.3f})" if found.low is not None else ""
        held = counted(self.films, "validation film")
        return f"At most {self.false_alarms:.0%} of films like them are marked so: {held}{bounds}."


class TrainingRelief(RecordPart):
    """Whether what stands out on the training films is brighter (above 0) or darker than its ground.

    low, middle, high: of the films' reliefs, see ``data.relief``. false_alarms: at most so large a share of films like
    them lies beyond each end; None where the films are too few to say.
    """

    low: float = Field(ge=-1, le=1)
    middle: float = Field(ge=-1, le=1)
    high: float = Field(ge=-1, le=1)
    false_alarms: float | None = Field(None, gt=0, lt=1)
    films: int = Field(ge=1)

    def is_turned(self, relief: float) -> bool:
        """Whether a film's relief lies beyond those of training, on the other side of 0 and clearly off it."""
        if abs(self.middle) < CLEAR:
            return False
        return relief < min(self.low, -CLEAR) if self.middle > 0 else relief > max(self.high, CLEAR)

    @property
    def rate_text(self) -> str:
        """How often films like those of training are marked, in a sentence."""
        return _rate_text(self.false_alarms, self.films)


def _rate_text(false_alarms: float | None, films: int, how: str = "") -> str:
    held = counted(films, "training film")
    if false_alarms is None:
        return f"How often films like them are marked so is not known: {held} are too few."
    return f"At most {false_alarms * 100:g}% of films like them are marked so ({held}{how})."
