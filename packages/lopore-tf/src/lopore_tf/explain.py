"""Grad-CAM and Grad-CAM++ for Keras sessions: one forward pass and the gradient of the small head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lopore.contracts import HeatMaps, PixelBatch

from . import cam
from .graphs import gradient_function, trace
from .network import split
from .predict import KerasSession, chunks
from .saved_model import SavedModelSession
from .start import tf


def cam_fits(session: Any) -> bool:
    """Whether the closed form holds for this session's network, or its SavedModel gives maps."""
    if isinstance(session, SavedModelSession):
        return "cam" in session.outputs
    return isinstance(session, KerasSession) and session.cam_fits()


def explain_grad_cam(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    """Grad-CAM of the class's logit: (N, h, w) float32 at the resolution of the last features, raw scale."""
    return _maps(session, batch, class_index, "cam", cam.grad_cam)


def explain_grad_cam_plus_plus(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    """Grad-CAM++ of the class's logit: (N, h, w) float32 at the resolution of the last features, raw scale."""
    return _maps(session, batch, class_index, "cam_plus", cam.grad_cam_plus_plus)


def _maps(session: Any, batch: PixelBatch, index: int, name: str, form: Callable[[Any, Any], Any]) -> HeatMaps:
    if isinstance(session, SavedModelSession):
        return np.asarray(session.run(batch)[name][:, index], np.float32)
    session.check(batch)
    maps_of = session.cached(name, lambda: _traced(split(session.network)[1], form))
    parts = [maps_of(session.scores_and_features(part)[1])[:, index].numpy() for part in chunks(batch)]
    return np.concatenate(parts).astype(np.float32)


def _traced(head: Any, form: Callable[[Any, Any], Any]) -> Any:
    """features (N, h, w, C) -> maps (N, K, h, w): small, but step by step it would take longer than the network."""
    slopes_of, given = gradient_function(head), head.inputs[0]
    signature = tf.TensorSpec((None, *given.shape[1:]), tf.float32)
    return trace(lambda features: form(features, slopes_of(cam.pooled(features))), signature)
