"""The explainers that lopore's packages offer under one name for their own formats, described once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from lopore.arrays import HeatMaps, PixelBatch
from lopore.contracts import Explainer


class _Method(NamedTuple):
    summary: str
    needs: Literal["gradients", "features"]
    scale: str
    source: str


_METHODS = {
    "grad-cam": _Method(
        "Where the last features speak for the class", "features", "logit per place", "Selvaraju et al., ICCV 2017"
    ),
    "grad-cam++": _Method(
        "Grad-CAM that gives several small defects equal weight", "features", "weighted features",
        "Chattopadhay et al., WACV 2018",
    ),
    "integrated-gradients": _Method(
        "What each pixel adds to the class's logit, 50 steps", "gradients", "logit", "Sundararajan et al., ICML 2017"
    ),
    "saliency": _Method(
        "How steeply the class's logit changes with each pixel", "gradients", "logit per grey range",
        "Simonyan et al., arXiv:1312.6034",
    ),
}  # fmt: skip


def standard_explainer(
    name: Literal["grad-cam", "grad-cam++", "integrated-gradients", "saliency"],
    formats: tuple[str, ...],
    explain: Callable[[Any, PixelBatch, int], HeatMaps],
    fits: Callable[[Any], bool],
) -> Explainer:
    """The descriptor of a standard method for a package's own formats. Fields as of ``Explainer``."""
    method = _METHODS[name]
    return Explainer(
        name=name, summary=method.summary, formats=formats, needs=method.needs, explain=explain, fits=fits,
        scale=method.scale, source=method.source,
    )  # fmt: skip
