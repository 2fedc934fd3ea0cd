"""Marks of two runs or two readers that are one mark: those at the same place. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from lopore.indications.indication import Indication

SAME_PLACE = 0.3
"""Marks of two runs are one mark where their boxes share this part of their union."""


class Marked(Protocol):
    """What has a place on a film."""

    @property
    def indication(self) -> Indication: ...


M = TypeVar("M", bound=Marked)


def same_mark(one: Indication, known: Sequence[M]) -> M | None:
    """The mark at the same place, None where there is none."""
    shares = [(_shared(one.box, mark.indication.box), mark) for mark in known]
    best = max(shares, key=lambda pair: pair[0], default=None)
    return best[1] if best is not None and best[0] >= SAME_PLACE else None


def _shared(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection of two boxes over their union."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return wide * high / (sum(areas) - wide * high)
