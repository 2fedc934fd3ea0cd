"""What lopore-grating offers; OpenCV is imported when it is applied, not here."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from lopore.contracts import Enhancer, Params, Pixels
from lopore.hookspecs import hookimpl

LOPORE_API = 1


class Grating(Params):
    """Which periodic lines count as a fault of the scanner."""

    threshold: float = Field(
        8.0, ge=4, le=64, description="How far a line of the spectrum stands above its neighbours; lower finds more"
    )
    longest_period: float = Field(
        48.0, ge=4, le=512, description="Period in pixels; slower changes belong to the weld and stay"
    )
    lines: int = Field(12, ge=1, le=64, description="At most so many lines of the spectrum, strongest first")


def _apply(pixels: Pixels, params: Grating) -> Pixels:
    from .notch import remove_gratings

    return remove_gratings(pixels, threshold=params.threshold, longest_period=params.longest_period, lines=params.lines)


@hookimpl
def lopore_enhancers() -> Iterable[Enhancer]:
    yield Enhancer(
        name="remove-grating",
        summary="Regular lines of a scanner or detector taken out; a film without any stays as it is",
        params=Grating,
        apply=_apply,
        presets={"Scanned film: lines out": [{"name": "remove-grating"}]},
    )
