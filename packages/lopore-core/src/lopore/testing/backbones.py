"""What every backbone promises, one function a promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from lopore.arrays import Task
from lopore.contracts import Backbone, NetworkRequest

from .check import NotJudged, require
from .images import discs, in_batches
from .learning import CLASSES, SEGMENTATION_SIDE, request_for
from .workshop import Workshop

COUNT = 2


def checks_for(backbone: Backbone) -> Iterator[Callable[[Backbone, Workshop], None]]:
    """The promises that this descriptor makes."""
    if backbone.family is not None:
        yield family_knows_its_names
        return
    yield builds
    yield every_build_is_new
    if backbone.explanation_layer:
        yield explanation_layer_exists
    yield grey_scores_have_one_column_a_class
    yield colour_scores_have_one_column_a_class


def family_knows_its_names(backbone: Backbone, workshop: Workshop) -> None:
    """A family answers None for a name that it does not know."""
    assert backbone.family is not None  # asked only where one is declared
    found = backbone.family("no-network-has-this-name")
    require(found is None, f"family('no-network-has-this-name') gave {found!r}; None is expected")


def _build(backbone: Backbone) -> Any:
    size = (min(backbone.default_size, SEGMENTATION_SIDE),) * 2
    outputs = 3 if backbone.segmentation else 2
    return backbone.build(
        NetworkRequest(
            backbone=backbone.name, outputs=outputs, channels=1, size=size, segmentation=backbone.segmentation
        )
    )


def builds(backbone: Backbone, workshop: Workshop) -> None:
    """It builds a network for one grey channel without pretrained weights."""
    require(_build(backbone) is not None, "build gave None")


def every_build_is_new(backbone: Backbone, workshop: Workshop) -> None:
    """Two networks are built apart: training one leaves the other alone."""
    first = _build(backbone)
    require(
        first is None or first is not _build(backbone), "build gave one network twice; two runs would share weights"
    )


def explanation_layer_exists(backbone: Backbone, workshop: Workshop) -> None:
    """The network has the layer that heat maps are to read."""
    network = _build(backbone)
    found: Any = network
    for part in backbone.explanation_layer.split("."):
        found = getattr(found, part, None)
    if found is None and hasattr(network, "get_layer"):
        try:  # Keras finds layers by name
            found = network.get_layer(backbone.explanation_layer)
        except ValueError:
            found = None
    require(found is not None, f"the network has no layer '{backbone.explanation_layer}'")


def _scores_have_shape(backbone: Backbone, workshop: Workshop, tasks: tuple[Task, ...], channels: int) -> None:
    trainer = workshop.trainer(backbone.framework)
    task = next((task for task in tasks if task in trainer.tasks), None)
    if task is None:
        raise NotJudged(f"the trainer of {backbone.framework} offers none of {', '.join(tasks)}")
    request = request_for(trainer, backbone, task, channels=channels)
    pixels, targets = discs(COUNT, request.network.size, channels)
    scores = np.asarray(trainer.learner(request).predict(in_batches(pixels, targets, COUNT)))
    expected = (COUNT, len(CLASSES[task]))
    require(scores.shape == expected, f"{task}: scores have shape {scores.shape}, not {expected}")
    require(bool(np.isfinite(scores).all()), f"{task}: an untrained network gave scores that are no numbers")


def grey_scores_have_one_column_a_class(backbone: Backbone, workshop: Workshop) -> None:
    """Through its framework's trainer, grey images give (N, K) finite scores."""
    tasks: tuple[Task, ...] = ("segmentation",) if backbone.segmentation else ("binary", "multiclass", "multilabel")
    _scores_have_shape(backbone, workshop, tasks, 1)


def colour_scores_have_one_column_a_class(backbone: Backbone, workshop: Workshop) -> None:
    """Through its framework's trainer, colour images give (N, K) finite scores."""
    tasks: tuple[Task, ...] = ("segmentation",) if backbone.segmentation else ("multiclass", "binary", "multilabel")
    _scores_have_shape(backbone, workshop, tasks, 3)
