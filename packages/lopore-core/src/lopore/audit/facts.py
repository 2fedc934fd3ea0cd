"""What is written down of a prediction, of a film's inspection and of a review."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from lopore.indications import FilmInspection, Profile

from .chain import Draft

if TYPE_CHECKING:
    from lopore.inference.predict import Prediction
    from lopore.models.opening import OpenModel


def model_fingerprints(model: OpenModel) -> dict[str, str]:
    """What identifies a model: sha256 of its record and of the weights that answered, and its inputs' fingerprints."""
    record = model.record
    weights = next((file.sha256 for file in record.files if file.format == model.format), "")
    found = {
        "record": hashlib.sha256(record.to_json().encode()).hexdigest(),
        "weights": weights,
        "preprocessing": record.preprocessing_fingerprint,
        "training_data": record.data_fingerprint,
        "split": record.split_fingerprint,
    }
    return {name: value for name, value in found.items() if value}


def _made(model: OpenModel, by: str) -> dict[str, Any]:
    facts = {"title": model.folder.title, "runtime": model.predictor.name, **model_fingerprints(model)}
    return {"by": by, "lopore": version("lopore-core"), "model": facts}


def prediction_draft(
    model: OpenModel, prediction: Prediction, *, by: str, more: Mapping[str, Any] | None = None
) -> Draft:
    """A prediction as it goes out. by: who made it, such as "service". more: further facts of it."""
    body = _made(model, by) | {"prediction": prediction.model_dump(mode="json")} | dict(more or {})
    return Draft("prediction", body)


def tensor_draft(model: OpenModel, pixels: Any, scores: Any, *, by: str) -> Draft:
    """The answer to preprocessed pixels (N, H, W, C) that came without a file: their hash, and scores (N, K)."""
    tensor = {
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(), "shape": list(pixels.shape), "dtype": str(pixels.dtype),
    }  # fmt: skip
    return Draft(
        "prediction", _made(model, by) | {"tensor": tensor, "scores": [list(map(float, row)) for row in scores]}
    )


def inspection_drafts(model: OpenModel, found: FilmInspection, profile: Profile | None, *, by: str) -> list[Draft]:
    """A film's indications and, by a profile, the verdict on them."""
    inspection = found.model_dump(mode="json", exclude={"verdict"})
    first = Draft("indications", _made(model, by) | {"inspection": inspection})
    if found.verdict is None or profile is None:
        return [first]
    rules = {"verdict": found.verdict.model_dump(mode="json"), "profile": profile.model_dump(mode="json")}
    return [first, Draft("verdict", {"by": by, "film": found.film.sha256} | rules, about=first.id)]


def review_draft(said: Mapping[str, Any], *, about: str | None, by: str) -> Draft:
    """What a person said of a record, or of a film. by: "app"; who said it stands in ``said``."""
    return Draft("review", {"by": by, "review": dict(said)}, about=about)
