"""From a checked model folder to an open session."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import FeatureSession
from lopore.data.feature_likeness import FeatureReference
from lopore.errors import ModelError
from lopore.messages import did_you_mean
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelRecord

if TYPE_CHECKING:
    from lopore.contracts import Predictor, Session


ROUNDING = 1e-5
"""How far a float32 softmax or an average of maps may leave 0..1."""


def usable_predictors(folder: ModelFolder) -> list[tuple[str, Predictor]]:
    """Every (format, predictor) that opens this model here, the preferred one first."""
    from lopore.plugins.registry import discover

    able = [
        (format, predictor)
        for format in folder.record.formats
        for predictor in discover().predictors.values()
        if format in predictor.formats
    ]
    return sorted(able, key=lambda pair: -pair[1].preference)


def choose_predictor(folder: ModelFolder, runtime: str | None = None) -> tuple[str, Predictor]:
    """The (format, predictor) that opens this model: ``runtime`` by predictor name or format, else the preferred one.

    ModelError says which formats the folder has and which predictors are installed.
    """
    able = usable_predictors(folder)
    fitting = [(format, predictor) for format, predictor in able if runtime in (None, predictor.name, format)]
    if runtime and able and not fitting:
        known = sorted({name for format, predictor in able for name in (predictor.name, format)})
        near = did_you_mean(runtime, known)
        raise ModelError(f"'{runtime}' opens no file of {folder.title}; choose {' or '.join(known)}{near}")
    if not fitting:
        from lopore.plugins.registry import discover

        predictors = discover().predictors
        raise ModelError(
            f"nothing installed opens {folder.title}: it has {', '.join(folder.record.formats) or 'no weights'}, "
            f"installed are {', '.join(sorted(predictors)) or 'no predictors'}; "
            "install lopore-onnx for onnx, lopore-torch for pth and pt, lopore-tf for keras, h5 and saved_model"
        )
    return fitting[0]


@dataclass(frozen=True)
class OpenModel:
    """A model ready to predict."""

    folder: ModelFolder
    format: str
    predictor: Predictor
    session: Session

    @property
    def record(self) -> ModelRecord:
        return self.folder.record

    @cached_property
    def feature_reference(self) -> FeatureReference | None:
        """Features of the training images; None where record, folder or session have none. Read when first asked for.

        ModelError where the file is damaged.
        """
        found, session = self.record.feature_likeness, self.session
        if found is None or not any(file.path == found.file for file in self.record.files):
            return None
        path = self.folder.path / found.file
        if not isinstance(session, FeatureSession) or not session.gives_features or not path.is_file():
            return None
        return FeatureReference.read(path, found.rest)


def open_model(
    folder: ModelFolder, *, runtime: str | None = None, device: str = "auto", threads: int | None = None
) -> OpenModel:
    """Check every file's sha256 and open the weights with the predictor that ``choose_predictor`` picks.

    A model that this user's lopore did not write runs in a process of its own, with limits on memory and time.
    """
    format, predictor = choose_predictor(folder, runtime)
    folder.verify(format)
    return OpenModel(folder, format, predictor, open_session(folder, predictor, device, threads, format=format))


def check_probabilities(values: NDArray[np.float32], title: str) -> NDArray[np.float32]:
    """``values`` of any shape; ModelError where one is NaN or lies outside of 0..1 by more than rounding."""
    if not np.isfinite(values).all():
        raise ModelError(f"{title} gave a score that is no number; the weights are broken, retrain or copy anew")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ModelError(
            f"{title} gave a score of {low if low < -ROUNDING else high:.6g}; scores are probabilities from 0 to 1, "
            "export the model again"
        )
    return values


def open_session(
    folder: ModelFolder, predictor: Predictor, device: str, threads: int | None = None, *, format: str = ""
) -> Session:
    """The predictor's session for a folder; any error of an outsider's becomes a PluginError.

    format: of the file that is opened, where the folder may come from elsewhere; such a model gets a process of its
    own. Empty: open it in this process.
    """
    from lopore.plugins.registry import call_entry, discover

    if format and not folder.made_here:
        from .child_session import child_session

        return child_session(folder, format, predictor, device, threads)

    owner = discover().predictors.sources.get(predictor.key, "lopore")
    return call_entry("predictor", predictor.key, owner, partial(predictor.opens, folder, device, threads))
