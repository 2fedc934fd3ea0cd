"""Options that say which regions of a segmentation model's maps count."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lopore.inference.regions import DetectionRule


class FiniteRange(click.FloatRange):
    """A number within bounds; ``nan``, which lies in no bounds, is refused too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


def rule_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--min-area``, ``--min-area-mm2`` and ``--opening`` as ``min_area``, ``min_area_mm2`` and ``opening``."""
    options = (
        click.option(
            "--min-area",
            type=FiniteRange(0, 100_000_000),
            metavar="PX",
            help="Segmentation: drop regions of a smaller area, in pixels of the original image.",
        ),
        click.option(
            "--min-area-mm2",
            type=FiniteRange(0, 1_000_000),
            metavar="MM2",
            help="Segmentation: the same in square millimetres, where the pixel pitch is known.",
        ),
        click.option(
            "--opening",
            type=click.IntRange(0, 15),
            metavar="RADIUS",
            help="Segmentation: first open regions by a disc of this radius, in pixels of the network's input.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def rule_from(min_area: float | None, min_area_mm2: float | None, opening: int | None) -> DetectionRule | None:
    """The rule that the options ask for, or None where none of them was given."""
    if min_area is None and min_area_mm2 is None and opening is None:
        return None
    from lopore.inference.regions import DetectionRule

    return DetectionRule(minimum_area_px=min_area or 0.0, minimum_area_mm2=min_area_mm2, opening=opening or 0)
