"""lopore finds weld defects in radiographs.

Plugin authors read ``lopore.contracts`` (what a plugin offers) and run ``lopore.testing`` (whether it keeps the
promises). Nothing heavy is imported until a name below is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contracts import (
        LOPORE_API,
        Affine,
        Backbone,
        Batch,
        Enhancer,
        Explainer,
        Exporter,
        Learner,
        LearnRequest,
        NetworkRequest,
        NoParams,
        Params,
        Predictor,
        Session,
        Trainer,
    )
    from .errors import LoporeError, PluginError
    from .hookspecs import hookimpl
    from .model import ModelFolder, ModelRecord, find_models, locate_model, open_model
    from .predict import Prediction, predict_files, predict_radiographs
    from .preprocess import Geometry, Preprocessing
    from .radiograph import Radiograph, read_radiograph
    from .registry import Problem, Registry, discover

__version__ = "0.1.0"

_HOMES = {
    "contracts": "LOPORE_API Affine Backbone Batch Enhancer Explainer Exporter Learner LearnRequest NetworkRequest "
    "NoParams Params Predictor Session Trainer",
    "errors": "LoporeError PluginError",
    "hookspecs": "hookimpl",
    "model": "ModelFolder ModelRecord find_models locate_model open_model",
    "predict": "Prediction predict_files predict_radiographs",
    "preprocess": "Geometry Preprocessing",
    "radiograph": "Radiograph read_radiograph",
    "registry": "Problem Registry discover",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "LOPORE_API",
    "Affine",
    "Backbone",
    "Batch",
    "Enhancer",
    "Explainer",
    "Exporter",
    "Geometry",
    "LearnRequest",
    "Learner",
    "LoporeError",
    "ModelFolder",
    "ModelRecord",
    "NetworkRequest",
    "NoParams",
    "Params",
    "PluginError",
    "Prediction",
    "Predictor",
    "Preprocessing",
    "Problem",
    "Radiograph",
    "Registry",
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
