"""What a metric offers: a figure of scores against truth, with its direction and range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import PluginError

from .field_rules import check_fields


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How well scores tell one class from the rest. ``lopore eval`` shows it with an interval that resamples groups,
    and ``training.select_by`` may name it.

    name: unique among all metrics, such as ``roc_auc``; not the name of a score that lopore reckons from decisions.
    compute: ``(labels, scores, weights) -> float``; labels (N,) bool, scores (N,) float64 in 0..1, weights (N,) float64
        of 0 and more, how often each image counts. NaN where it is not defined, such as without a positive image.
    rows: the same for many rows of weights at once, ``(labels, scores, (B, N) weights) -> (B,)``, for speed; None:
        ``compute`` is called for each row.
    higher_is_better, lowest, highest: direction and range; infinity where there is no bound.
    """

    name: str
    summary: str
    compute: Callable[[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]], float]
    rows: Callable[[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]], Any] | None = None
    higher_is_better: bool = True
    lowest: float = 0.0
    highest: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.lowest < self.highest:
            raise PluginError(
                f"Metric '{self.name}' goes from {self.lowest} to {self.highest}; give the smaller number first"
            )

    @property
    def key(self) -> str:
        return self.name
