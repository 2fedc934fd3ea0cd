"""lopore finds weld defects in radiographs.

Plugin authors read ``lopore.contracts`` (what a plugin offers) and run ``lopore.testing`` (whether it keeps the
promises). Nothing heavy is imported until a name below is used.

Public are the names of ``__all__`` here and in ``lopore.contracts``, ``lopore.hookspecs``, ``lopore.errors`` and
``lopore.testing``, the commands, and the files that they write. Everything else may change in any release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Loss, Optimizer, Schedule
    from .contracts import (
        LOPORE_API,
        Affine,
        Backbone,
        Batch,
        Enhancer,
        EpochReport,
        Explainer,
        Exporter,
        HeatMaps,
        Learner,
        LearnRequest,
        MapSession,
        NetworkRequest,
        NoParams,
        Params,
        PixelBatch,
        Pixels,
        Predictor,
        Scores,
        Session,
        Trainer,
    )
    from .enhance import Chain
    from .errors import LoporeError, PluginError
    from .hookspecs import hookimpl
    from .model import BrokenModel, ModelFolder, ModelRecord, OpenModel, find_models, locate_model, open_model
    from .predict import Decision, Failure, Prediction, predict_files, predict_radiographs
    from .preprocess import Geometry, Preprocessing
    from .radiograph import Radiograph, read_radiograph, write_radiograph
    from .registry import Problem, Registry, discover

__version__ = "0.1.0"

_HOMES = {
    "config": "Loss Optimizer Schedule",
    "contracts": "LOPORE_API Affine Backbone Batch Enhancer EpochReport Explainer Exporter HeatMaps Learner "
    "LearnRequest MapSession NetworkRequest NoParams Params PixelBatch Pixels Predictor Scores "
    "Session Trainer",
    "enhance": "Chain",
    "errors": "LoporeError PluginError",
    "hookspecs": "hookimpl",
    "model": "BrokenModel ModelFolder ModelRecord OpenModel find_models locate_model open_model",
    "predict": "Decision Failure Prediction predict_files predict_radiographs",
    "preprocess": "Geometry Preprocessing",
    "radiograph": "Radiograph read_radiograph write_radiograph",
    "registry": "Problem Registry discover",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "LOPORE_API",
    "Affine",
    "Backbone",
    "Batch",
    "BrokenModel",
    "Chain",
    "Decision",
    "Enhancer",
    "EpochReport",
    "Explainer",
    "Exporter",
    "Failure",
    "Geometry",
    "HeatMaps",
    "LearnRequest",
    "Learner",
    "LoporeError",
    "Loss",
    "MapSession",
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
    "Predictor",
    "Preprocessing",
    "Problem",
    "Radiograph",
    "Registry",
    "Schedule",
    "Scores",
    "Session",
    "Trainer",
    "discover",
    "find_models",
    "hookimpl",
    "locate_model",
    "open_model",
    "predict_files",
    "predict_radiographs",
    "read_radiograph",
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
