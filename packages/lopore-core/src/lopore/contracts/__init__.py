"""What a plugin offers and what core asks of it: the one package that a plugin author reads.

Each hook returns light, frozen descriptors. A descriptor names a thing and holds the function that makes it; that
function imports the framework when it is called, never before. Its fields are checked when it is made
(``field_rules``), so that no wrong one spreads. One file a descriptor: ``enhancer``, ``backbone``, ``trainer`` (with
what it hands out, ``learner``), ``session`` (with the predictor that opens it), ``exporter``, ``explainer``,
``callback`` (with the events that it hears), ``loss``, ``metric``, ``augmentation``. Everything is imported from
``lopore.contracts``.
"""

from __future__ import annotations

from typing import TypeAlias

from lopore.affine import Affine
from lopore.arrays import (
    ANOMALY,
    IGNORE,
    Framework,
    HeatMaps,
    NamedWeights,
    PixelBatch,
    Pixels,
    Precision,
    Scores,
    Task,
    gives_maps,
    outputs_of,
)

from .augmentation import AugmentationStep, StepParams
from .backbone import Backbone, NetworkRequest
from .callback import Callback, EpochEnded, Listener, RunEnded, RunEvent, RunStarted
from .enhancer import Enhancer, FilmParts
from .explainer import Explainer
from .exporter import Exporter, FilmRun
from .learner import Batch, EpochReport, Learner, LearnRequest, MapLearner, StartPoint
from .loss import FocalParams, LossFunction, LossRequest, LossTerm, TverskyParams, WeightedLoss
from .metric import Metric
from .params import NoParams, Params
from .session import FeatureSession, FreeSizeSession, MapSession, Predictor, Session
from .trainer import Trainer

__all__ = [
    "ANOMALY",
    "IGNORE",
    "LOPORE_API",
    "Affine",
    "AugmentationStep",
    "Backbone",
    "Batch",
    "Callback",
    "Descriptor",
    "Enhancer",
    "EpochEnded",
    "EpochReport",
    "Explainer",
    "Exporter",
    "FeatureSession",
    "FilmParts",
    "FilmRun",
    "FocalParams",
    "Framework",
    "FreeSizeSession",
    "HeatMaps",
    "LearnRequest",
    "Learner",
    "Listener",
    "LossFunction",
    "LossRequest",
    "LossTerm",
    "MapLearner",
    "MapSession",
    "Metric",
    "NamedWeights",
    "NetworkRequest",
    "NoParams",
    "Params",
    "PixelBatch",
    "Pixels",
    "Precision",
    "Predictor",
    "RunEnded",
    "RunEvent",
    "RunStarted",
    "Scores",
    "Session",
    "StartPoint",
    "StepParams",
    "Task",
    "Trainer",
    "TverskyParams",
    "WeightedLoss",
    "gives_maps",
    "outputs_of",
]

LOPORE_API = 1
"""The contract this lopore-core speaks; a plugin states the one it was written for as its own ``LOPORE_API``."""

Descriptor: TypeAlias = (
    Enhancer | Backbone | Trainer | Predictor | Exporter | Explainer | Callback | LossTerm | Metric | AugmentationStep
)
"""What a hook yields: a light, frozen object that names a thing and holds the function that makes it."""
