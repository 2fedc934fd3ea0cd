"""The two markers and the ten hooks through which lopore finds everything it does not do itself.

A plugin is a module named in the entry-point group ``lopore`` that sets ``LOPORE_API`` and implements any of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from .contracts import (
        AugmentationStep,
        Backbone,
        Callback,
        Enhancer,
        Explainer,
        Exporter,
        LossTerm,
        Metric,
        Predictor,
        Trainer,
    )

__all__ = [
    "hookimpl",
    "hookspec",
    "lopore_augmentations",
    "lopore_backbones",
    "lopore_callbacks",
    "lopore_enhancers",
    "lopore_explainers",
    "lopore_exporters",
    "lopore_losses",
    "lopore_metrics",
    "lopore_predictors",
    "lopore_trainers",
]

hookspec = pluggy.HookspecMarker("lopore")
hookimpl = pluggy.HookimplMarker("lopore")


@hookspec
def lopore_enhancers() -> Iterable[Enhancer]:  # type: ignore[empty-body]
    """Image enhancers this package offers."""


@hookspec
def lopore_backbones() -> Iterable[Backbone]:  # type: ignore[empty-body]
    """Networks this package can build, each for one framework."""


@hookspec
def lopore_trainers() -> Iterable[Trainer]:  # type: ignore[empty-body]
    """Frameworks this package can train with."""


@hookspec
def lopore_exporters() -> Iterable[Exporter]:  # type: ignore[empty-body]
    """Model file formats this package can write."""


@hookspec
def lopore_predictors() -> Iterable[Predictor]:  # type: ignore[empty-body]
    """Model file formats this package can open and run."""


@hookspec
def lopore_explainers() -> Iterable[Explainer]:  # type: ignore[empty-body]
    """Ways to show what drove a prediction."""


@hookspec
def lopore_callbacks() -> Iterable[Callback]:  # type: ignore[empty-body]
    """What hears of training runs, such as a logger or an experiment tracker."""


@hookspec
def lopore_losses() -> Iterable[LossTerm]:  # type: ignore[empty-body]
    """What a training can make small, each for one framework."""


@hookspec
def lopore_metrics() -> Iterable[Metric]:  # type: ignore[empty-body]
    """Figures by which scores are judged."""


@hookspec
def lopore_augmentations() -> Iterable[AugmentationStep]:  # type: ignore[empty-body]
    """Random changes of training images."""
