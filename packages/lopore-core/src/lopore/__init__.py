"""lopore finds weld defects in radiographs.

``lopore.open("weld").predict(path_or_array)`` is the way in from Python (``lopore.api``). Plugin authors read
``lopore.contracts`` (what a plugin offers) and run ``lopore.testing`` (whether it keeps the promises). Nothing heavy is
imported until a name below is used.

Public are the names of ``__all__`` here and in ``lopore.contracts``, ``lopore.hookspecs``, ``lopore.errors`` and
``lopore.testing``, the commands, and the files that they write. Everything else may change in any release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lopore.api.films import index_films, split_films, train
    from lopore.api.model import Model, open
    from lopore.api.results import FilmReport, HeatMapResult, PredictionResult
    from lopore.cores import available_cores, run_seconds
    from lopore.inference.decisions import Decision
    from lopore.inference.predict import Failure, Prediction, predict_files, predict_radiographs
    from lopore.models.catalogue import find_models, locate_model
    from lopore.models.opening import OpenModel, open_model
    from lopore.plugins.problems import Problem
    from lopore.plugins.registry import Registry, discover
    from lopore.preprocessing.enhancement_chain import Chain
    from lopore.preprocessing.geometry import Geometry
    from lopore.preprocessing.pipeline import preprocess
    from lopore.reading.encode import write_radiograph
    from lopore.reading.radiograph import Radiograph, read_radiograph
    from lopore.record.folder import BrokenModel, ModelFolder
    from lopore.record.model import ModelRecord
    from lopore.record.onnx_file import read_plain_onnx
    from lopore.record.preprocessing import Preprocessing
    from lopore.synthesis.sampling import sample_film

    from .affine import Affine
    from .arrays import HeatMaps, PixelBatch, Pixels, Scores
    from .contracts import (
        IGNORE,
        LOPORE_API,
        AugmentationStep,
        Backbone,
        Batch,
        Callback,
        Enhancer,
        EpochEnded,
        EpochReport,
        Explainer,
        Exporter,
        Learner,
        LearnRequest,
        LossRequest,
        LossTerm,
        MapSession,
        Metric,
        NetworkRequest,
        NoParams,
        Params,
        Predictor,
        RunEnded,
        RunStarted,
        Session,
        StepParams,
        Trainer,
    )
    from .errors import LoporeError, PluginError
    from .hookspecs import hookimpl
    from .training_settings import Loss, Optimizer, Schedule

__version__ = "0.1.0"

_HOMES = {
    "api.films": "index_films split_films train",
    "api.model": "Model open",
    "api.results": "FilmReport HeatMapResult PredictionResult",
    "contracts": "IGNORE LOPORE_API Affine AugmentationStep Backbone Batch Callback Enhancer EpochEnded EpochReport "
    "Explainer Exporter HeatMaps Learner LearnRequest LossRequest LossTerm MapSession Metric "
    "NetworkRequest NoParams Params PixelBatch Pixels Predictor RunEnded RunStarted Scores Session "
    "StepParams Trainer",
    "cores": "available_cores run_seconds",
    "errors": "LoporeError PluginError",
    "hookspecs": "hookimpl",
    "inference.decisions": "Decision",
    "inference.predict": "Failure Prediction predict_files predict_radiographs",
    "models.catalogue": "find_models locate_model",
    "models.opening": "OpenModel open_model",
    "plugins.problems": "Problem",
    "plugins.registry": "Registry discover",
    "preprocessing.enhancement_chain": "Chain",
    "preprocessing.geometry": "Geometry",
    "preprocessing.pipeline": "preprocess",
    "reading.radiograph": "Radiograph read_radiograph write_radiograph",
    "record.folder": "BrokenModel ModelFolder",
    "record.model": "ModelRecord",
    "record.onnx_file": "read_plain_onnx",
    "record.preprocessing": "Preprocessing",
    "synthesis.sampling": "sample_film",
    "training_settings": "Loss Optimizer Schedule",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "IGNORE",
    "LOPORE_API",
    "Affine",
    "AugmentationStep",
    "Backbone",
    "Batch",
    "BrokenModel",
    "Callback",
    "Chain",
    "Decision",
    "Enhancer",
    "EpochEnded",
    "EpochReport",
    "Explainer",
    "Exporter",
    "Failure",
    "FilmReport",
    "Geometry",
    "HeatMapResult",
    "HeatMaps",
    "LearnRequest",
    "Learner",
    "LoporeError",
    "Loss",
    "LossRequest",
    "LossTerm",
    "MapSession",
    "Metric",
    "Model",
    "ModelFolder",
    "ModelRecord",
    "NetworkRequest",
    "NoParams",
    "OpenModel",
    "Optimizer",
    "Params",
    "PixelBatch",
    "Pixels",
    "PluginError",
    "Prediction",
    "PredictionResult",
    "Predictor",
    "Preprocessing",
    "Problem",
    "Radiograph",
    "Registry",
    "RunEnded",
    "RunStarted",
    "Schedule",
    "Scores",
    "Session",
    "StepParams",
    "Trainer",
    "available_cores",
    "discover",
    "find_models",
    "hookimpl",
    "index_films",
    "locate_model",
    "open",
    "open_model",
    "predict_files",
    "predict_radiographs",
    "preprocess",
    "read_plain_onnx",
    "read_radiograph",
    "run_seconds",
    "sample_film",
    "split_films",
    "train",
    "write_radiograph",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lopore' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
