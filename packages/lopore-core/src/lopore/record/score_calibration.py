"""How a model's logits become scores that are right as frequencies, as a record keeps it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from .interval import Interval, RecordPart

CalibrationMethod = Literal["temperature", "platt", "isotonic"]
MAX_KNOTS = 12


class LogitCurve(RecordPart):
    """A rising, piecewise straight curve of one logit: ``shift + scale z + sum of gain (z - knot) where z > knot``.

    Built from operations that every runtime has. Rising, so that it changes no order of scores.
    """

    scale: float = Field(gt=0, le=1000)
    shift: float = Field(0.0, ge=-1000, le=1000)
    knots: tuple[float, ...] = Field((), max_length=MAX_KNOTS)
    gains: tuple[float, ...] = Field((), max_length=MAX_KNOTS)

    @model_validator(mode="after")
    def _rises(self) -> LogitCurve:
        if len(self.knots) != len(self.gains) or list(self.knots) != sorted(self.knots):
            raise ValueError(f"{len(self.knots)} knots and {len(self.gains)} gains; give one gain a knot, knots rising")
        slope = self.scale
        for gain in self.gains:
            slope += gain
            if slope <= 0:
                raise ValueError(f"the calibration curve falls (slope {slope:.3g}); it must rise")
        return self


class ScoreCalibration(RecordPart):
    """The calibration of a model's scores; every runtime and every exported graph applies it.

    method: temperature (Guo et al., ICML 2017), platt (Platt 1999) or isotonic (Zadrozny and Elkan, KDD 2002, as a
    curve through the centres of its steps). curves: of the one logit of a binary model, else one a class.
    fitted_on: which images. before, after: log loss, Brier score and expected calibration error by class, on ``split``.
    """

    method: CalibrationMethod
    curves: tuple[LogitCurve, ...] = Field(min_length=1, max_length=1000)
    fitted_on: str = Field(max_length=200)
    split: str = ""
    before: dict[str, Interval] = Field(default_factory=dict)
    after: dict[str, Interval] = Field(default_factory=dict)

    @property
    def text(self) -> str:
        """One line for a person: the method, and the log loss before and after."""
        text = f"{self.method}, fitted on {self.fitted_on}"
        before, after = (figures.get("log_loss") for figures in (self.before, self.after))
        if before is None or after is None or before.value is None or after.value is None:
            return text
        return f"{text}; log loss on {self.split} {before.value:.3f} before, {after.value:.3f} after"

    @field_validator("fitted_on", "split")
    @classmethod
    def _one_line(cls, text: str) -> str:
        return "".join(letter if letter.isprintable() else "?" for letter in text)
