"""Weights between frameworks: what ``lopore convert`` takes from a model of this package and gives to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lopore.contracts import NamedWeights, gives_maps
from lopore.errors import ConfigError, ModelError
from lopore.plugins.registry import discover

from .backbones import UNET, head_prefixes, rebuild
from .learner import PUBLISHED_FILE
from .network import Classifier, known_name
from .predict import load_network
from .small_unet import SMALL
from .warm_start import COUNTER, shared_names
from .weights import prefixes, write_tensors

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord

BODY, HEAD, NORMALISE, COLOUR = "body.", "head.", "normalise.", "colour."
STATISTIC = ".running_mean"


def export_named_weights(folder: ModelFolder) -> dict[str, NDArray[np.float32]]:
    """The weights of a model folder as ``NamedWeights``, of a U-Net with its decoder.

    ConfigError for other packages' networks and for networks of several classifiers.
    """
    _refuse_foreign(folder.record)
    network = load_network(folder)
    heads = head_prefixes(network)
    if isinstance(network, Classifier) and len(heads) != 1:
        raise ConfigError(f"{folder.title}: {backbone_of(folder.record)} has {len(heads)} classifiers and no twin")
    state = network.state_dict()
    return {
        shared: (state[name].reshape(-1) if shared.startswith(NORMALISE) else state[name]).numpy()
        for name, shared in shared_names(network)
    }


def import_named_weights(record: ModelRecord, weights: NamedWeights, folder: Path) -> Sequence[str]:
    """Write ``model_best.pth`` from ``NamedWeights``; ModelError where they do not fit the record's network."""
    _refuse_without_twin(record)
    state = _state(backbone_of(record), weights)
    network = rebuild(record, state)
    write_tensors(dict(network.state_dict()), folder / PUBLISHED_FILE)
    return [PUBLISHED_FILE]


def _state(name: str, weights: NamedWeights) -> Mapping[str, Tensor]:
    """A state dict of ``Classifier``; the counters of batches, which no result depends on, begin at nought."""
    import timm

    config = timm.models.get_pretrained_cfg(name)
    classifier = prefixes(config.classifier if config else None)
    if len(classifier) != 1:
        raise ConfigError(f"timm's '{name}' has {len(classifier)} classifiers; it has no twin")
    state: dict[str, Tensor] = {}
    for key, array in weights.items():
        tensor = torch.from_numpy(np.array(array, np.float32))
        if key.startswith(NORMALISE):
            state[key] = tensor.reshape(-1, 1, 1)
            continue
        if key.startswith(COLOUR):
            state[key] = tensor
            continue
        own = f"{BODY}{classifier[0]}{key.removeprefix(HEAD)}" if key.startswith(HEAD) else BODY + key
        state[own] = tensor
        if own.endswith(STATISTIC):
            state[own.removesuffix(STATISTIC) + COUNTER] = torch.zeros((), dtype=torch.int64)
    return state


def backbone_of(record: ModelRecord) -> str:
    """The name of a record's network, without the framework."""
    return str(record.architecture.get("backbone", record.backbone)).removeprefix("torch/")


def _refuse_without_twin(record: ModelRecord) -> None:
    """ConfigError where no other framework can have this network."""
    title = f"{record.name}/{record.version}"
    if gives_maps(record.task):
        what = "a U-Net" if record.task == "segmentation" else "an anomaly model"
        raise ConfigError(f"{title} is {what} and has no twin in another framework; export to onnx instead")
    _refuse_foreign(record)


def _refuse_foreign(record: ModelRecord) -> None:
    """ConfigError for another package's network, whose names only it knows; ModelError for a name that is unknown."""
    title, name = f"{record.name}/{record.version}", backbone_of(record).removeprefix(UNET)
    if discover().outside_backbone("torch", name) is not None:
        source = discover().backbones.sources[f"torch/{name}"]
        raise ConfigError(f"{title}: {name} of {source} has no twin in another framework; export to onnx instead")
    if name == SMALL:
        return
    try:
        known_name(name)
    except ConfigError as error:
        raise ModelError(f"{title}: {error}") from None
