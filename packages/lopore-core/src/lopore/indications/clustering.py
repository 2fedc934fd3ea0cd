"""Clusters and lines of marks, joined by one stated rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .feret import feret_diameters
from .indication import Group, Indication
from .iso_6520 import CLUSTERED, LINEAR, is_pore
from .neighbours import close_pairs

FEWEST = 3
LINE_SHAPE = 3.0
"""A group is a line where it is at least this many times as long as wide across its members' centres."""


@dataclass(frozen=True)
class GroupRule:
    """Two marks of one class belong together where their edges are at most a gap apart.

    gap_px: the gap in pixels of the film; None: the length of the smaller mark. fewest: members of a group at least.
    """

    gap_px: float | None = None
    fewest: int = FEWEST

    @property
    def text(self) -> str:
        """The rule in one sentence."""
        gap = "the length of the smaller one" if self.gap_px is None else f"{self.gap_px:.4g} px"
        return f"at least {self.fewest} marks of one class whose edges are at most {gap} apart"


def find_groups(marks: Sequence[Indication], rule: GroupRule) -> list[Group]:
    """Groups of marks, those with the most members first; numbers begin at 1. Sizes in mm are left to ``in_mm``."""
    places: dict[str, list[int]] = defaultdict(list)
    for index, mark in enumerate(marks):
        places[mark.class_name].append(index)
    found = []
    for name, members in places.items():
        own = [marks[index] for index in members]
        gaps = np.array([mark.length_px if rule.gap_px is None else rule.gap_px for mark in own])
        for together in _connected(len(own), close_pairs(own, gaps)):
            if len(together) >= rule.fewest:
                found.append(_group(name, [own[index] for index in together], rule.text))
    found.sort(key=lambda group: (-len(group.members), group.members))
    return [group.model_copy(update={"id": number}) for number, group in enumerate(found, start=1)]


def _connected(count: int, pairs: set[tuple[int, int]]) -> list[list[int]]:
    parents = list(range(count))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for one, two in pairs:
        first, second = root(one), root(two)
        parents[max(first, second)] = min(first, second)
    together: dict[int, list[int]] = defaultdict(list)
    for index in range(count):
        together[root(index)].append(index)
    return list(together.values())


def _group(name: str, members: Sequence[Indication], rule: str) -> Group:
    points = np.concatenate([np.array(mark.contour, np.float64) for mark in members])
    feret = feret_diameters(points)
    boxes = np.array([mark.box for mark in members])
    kind = "line" if _is_line(np.array([mark.centre for mark in members])) else "cluster"
    number = (LINEAR if kind == "line" else CLUSTERED) if is_pore(name) else None
    return Group(
        id=0,
        kind=kind,
        class_name=name,
        iso_6520=number,
        members=tuple(sorted(mark.id for mark in members)),
        box=(*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()),
        length_px=round(feret.length, 2),
        width_px=round(feret.width, 2),
        area_px=round(sum(mark.area_px for mark in members), 2),
        rule=rule,
    )


def _is_line(centres: NDArray[np.float64]) -> bool:
    spread = centres - centres.mean(axis=0)
    _, _, axes = np.linalg.svd(spread, full_matrices=False)
    along, across = np.ptp(spread @ axes[0]), np.ptp(spread @ axes[-1])
    return bool(along >= LINE_SHAPE * max(float(across), 1.0))


def group_in_mm(group: Group, pitch_mm: float | None) -> Group:
    """The group with its sizes in mm; with none where ``pitch_mm`` is None."""
    if pitch_mm is None:
        return group
    return group.model_copy(
        update={
            "length_mm": round(group.length_px * pitch_mm, 4),
            "width_mm": round(group.width_px * pitch_mm, 4),
            "area_mm2": round(group.area_px * pitch_mm**2, 4),
        }
    )
