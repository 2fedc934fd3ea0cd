"""Weights between frameworks: what ``lopore convert`` takes from a model of this package and gives to one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import NamedWeights
from lopore.errors import ConfigError
from lopore.plugins.registry import discover

from .architectures import ARCHITECTURES
from .backbones import backbone_of, normalisation_of, rebuild
from .export import probabilities
from .learner import PUBLISHED_FILE
from .naming import load_state, state_of
from .network import NORMALISE
from .predict import load_network

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord

SCALE, SHIFT = f"{NORMALISE}.scale", f"{NORMALISE}.shift"


def export_named_weights(folder: ModelFolder) -> dict[str, NDArray[np.float32]]:
    """The weights of a model folder as ``NamedWeights``, of a U-Net with its decoder."""
    model = load_network(folder, "keras")
    scale, shift = normalisation_of(model)
    return {**state_of(model), SCALE: np.array(scale, np.float32), SHIFT: np.array(shift, np.float32)}


def import_named_weights(record: ModelRecord, weights: NamedWeights, folder: Path) -> Sequence[str]:
    """Write ``model_best.keras`` from ``NamedWeights``; the record holds their normalisation.

    ConfigError for networks that have no twin here, ModelError where the weights do not fit the record's.
    """
    _refuse_without_twin(record)
    model = rebuild(record)
    load_state(model, weights, source=f"the weights given for {record.name}/{record.version}")
    probabilities(model, record.task, record.calibration).save(folder / PUBLISHED_FILE)
    return [PUBLISHED_FILE]


def _refuse_without_twin(record: ModelRecord) -> None:
    """ConfigError in one line, naming the networks that have twins, where this one has none."""
    title, name = f"{record.name}/{record.version}", backbone_of(record)
    twins = ", ".join(ARCHITECTURES)
    if record.task == "segmentation":
        raise ConfigError(f"{title} is a U-Net and has no twin in another framework; twins: {twins}; or export to onnx")
    if name not in ARCHITECTURES or discover().outside_backbone("tf", name) is not None:
        raise ConfigError(f"{title}: '{name}' has no twin in TensorFlow; twins: {twins}; or export to onnx")
