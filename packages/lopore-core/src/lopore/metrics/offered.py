"""The metrics that are at hand: lopore's own and those of plugins, each with its owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Metric
from lopore.errors import PluginError
from lopore.plugins.owned_errors import owned_errors
from lopore.plugins.registry import discover

from .bootstrap import Floats
from .plugin import OWN


@dataclass(frozen=True)
class OfferedMetric:
    """A metric and its owner."""

    metric: Metric
    source: str

    @property
    def name(self) -> str:
        return self.metric.name

    def under(self, labels: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
        """(B,) the figure under each row of (B, N) weights; NaN where it is not defined or there is no image.

        PluginError, naming the owner, where it fails or gives anything but that many numbers.
        """
        if not len(labels):
            return np.full(len(weights), np.nan)
        one = self.metric
        with owned_errors("metric", one.key, self.source):
            found: Any = (
                one.rows(labels, scores, weights)
                if one.rows is not None
                else [float(one.compute(labels, scores, row)) for row in weights]
            )
            values = np.asarray(found, np.float64)
        if values.shape != (len(weights),):
            raise PluginError(
                f"metric '{one.key}' of {self.source} gave {values.shape} figures for {len(weights)} rows"
            )
        return values


OWN_METRICS = tuple(OfferedMetric(one, "lopore-core") for one in OWN)
"""What every evaluation shows."""
DECISIONS = frozenset({"accuracy", "balanced_accuracy", "f1", "precision", "recall"})
"""Scores that are reckoned from decisions at the operating point; no metric may take such a name."""


def offered_metrics() -> tuple[OfferedMetric, ...]:
    """lopore's own, then those of plugins by name; PluginError where one is called as a score of decisions is."""
    known, own = discover().metrics, {one.name for one in OWN_METRICS}
    others = tuple(OfferedMetric(known[name], known.sources[name]) for name in sorted(known) if name not in own)
    for one in others:
        if one.name in DECISIONS:
            raise PluginError(f"metric '{one.name}' of {one.source} has the name of a score of lopore; rename it")
    return (*OWN_METRICS, *others)


def find_metric(name: str, offered: Sequence[OfferedMetric] | None = None) -> OfferedMetric:
    """The metric of a name; PluginError with near names where there is none."""
    for one in offered_metrics() if offered is None else offered:
        if one.name == name:
            return one
    raise PluginError(discover().metrics.unknown(name))
