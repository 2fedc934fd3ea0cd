"""Which explainers fit an open model, and their maps brought back onto the radiograph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Explainer
from lopore.errors import ConfigError, ModelError, PluginError
from lopore.messages import counted, did_you_mean
from lopore.models.explaining import explain_batch, explainer_fits
from lopore.plugins.registry import discover

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel

    from .predict import Prepared


@dataclass(frozen=True)
class HeatMap:
    """One explanation on the original image: (H, W) float32 on the explainer's own scale, NaN where unseen."""

    values: NDArray[np.float32]
    class_name: str
    explainer: str
    scale: str


def explainers_for(model: OpenModel) -> dict[str, Explainer]:
    """Explainers that can read this very session, by name; one written for the format goes before one for any.

    One whose ``fits`` fails does not fit; ``choose_explainer`` says so where it is asked for.
    """
    return _sorted_out(model)[0]


def _sorted_out(model: OpenModel) -> tuple[dict[str, Explainer], dict[str, str]]:
    """Explainers that fit, and why others failed when they were asked, both by name."""
    found: dict[str, Explainer] = {}
    failed: dict[str, str] = {}
    registry = discover()
    for explainer in sorted(registry.explainers.values(), key=lambda item: item.formats != ("*",)):
        if model.format not in explainer.formats and explainer.formats != ("*",):
            continue
        try:
            if explainer_fits(explainer, model):
                found[explainer.name] = explainer
        except PluginError as error:  # one broken explainer must not hide the others
            failed[explainer.name] = str(error)
    return dict(sorted(found.items())), failed


def choose_explainer(model: OpenModel, name: str | None = None) -> Explainer:
    """The explainer ``name``, or the best that fits: grad-cam, else any other. ConfigError lists what fits."""
    fitting, failed = _sorted_out(model)
    if name in failed and name not in fitting:
        raise PluginError(failed[name])
    if not fitting:
        raise ConfigError(
            f"no explainer fits {model.folder.title} as {model.format}; install lopore-torch or lopore-onnx"
        )
    if name is None:
        return fitting.get("grad-cam") or next(iter(fitting.values()))
    if name not in fitting:
        why = f" ({model.record.explanation.reason})" if model.record.explanation.reason else ""
        fit = f"{', '.join(fitting)}{did_you_mean(name, fitting)}"
        raise ConfigError(f"explainer '{name}' does not fit {model.folder.title}{why}; fitting are {fit}")
    return fitting[name]


def raw_maps(
    model: OpenModel, explainer: Explainer, batch: NDArray[np.generic], class_index: int
) -> NDArray[np.float32]:
    """Maps (N, h, w) over the network's input on the explainer's own scale; ModelError where one is not finite."""
    maps = explain_batch(explainer, model, batch, class_index)
    if maps.ndim != 3 or len(maps) != len(batch) or not np.isfinite(maps).all():
        raise ModelError(
            f"{explainer.key} gave maps {maps.shape} for {counted(len(batch), 'image')}, or values that are no "
            "numbers; choose another explainer"
        )
    return maps


def explain(model: OpenModel, prepared: Prepared, *, class_name: str, explainer: Explainer) -> HeatMap:
    """One explanation of one prepared radiograph, on the original image."""
    check_class(model, class_name)
    maps = raw_maps(model, explainer, prepared.pixels[None], model.record.classes.index(class_name))
    values = prepared.geometry.map_to_original(maps[0], fill=float("nan"))
    return HeatMap(values, class_name, explainer.name, explainer.scale)


def check_class(model: OpenModel, class_name: str | None) -> None:
    """ConfigError, listing the model's classes, for a name that is none of them; None passes."""
    if class_name is not None and class_name not in model.record.classes:
        have = f"{', '.join(model.record.classes)}{did_you_mean(class_name, model.record.classes)}"
        raise ConfigError(f"no class '{class_name}' in {model.folder.title}; it has {have}")
