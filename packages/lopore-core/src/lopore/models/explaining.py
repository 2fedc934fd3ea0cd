"""What explainers say of an open model, whether it runs in this process or in one of its own."""

from __future__ import annotations

from functools import partial

import numpy as np

from lopore.arrays import HeatMaps, PixelBatch
from lopore.contracts import Explainer
from lopore.plugins.registry import call_entry, discover

from .child_session import ChildSession
from .opening import OpenModel


def explainer_fits(explainer: Explainer, model: OpenModel) -> bool:
    """Whether an explainer can read this very session; PluginError where it fails when it is asked."""
    if isinstance(model.session, ChildSession):
        return explainer.key in model.session.explainers
    source = discover().explainers.sources.get(explainer.key, "lopore")
    return bool(call_entry("explainer", explainer.key, source, partial(explainer.fits, model.session)))


def explain_batch(explainer: Explainer, model: OpenModel, batch: PixelBatch, class_index: int) -> HeatMaps:
    """What the explainer gives for a batch, as it gives it; PluginError where it fails."""
    if isinstance(model.session, ChildSession):
        return model.session.explain(explainer.key, batch, class_index)
    source = discover().explainers.sources.get(explainer.key, "lopore")
    given = batch.copy()  # an explainer may write into what it is given

    def work() -> HeatMaps:
        return np.array(explainer.explain(model.session, given, class_index), np.float32)

    return call_entry("explainer", explainer.key, source, work)
