"""Models opened once for all visitors, and the keys that say whether one is still the same. No Streamlit in here."""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from threading import Lock

from lopore.models.opening import OpenModel, open_model, usable_predictors
from lopore.preprocessing.enhancement_chain import Chain
from lopore.record.folder import ModelFolder

OPEN_AT_ONCE = 4
_ONE_AT_A_TIME = Lock()


def fingerprint(folder: ModelFolder) -> str:
    """What changes when any file of the model does: the sha256 of record and weights as the record states them."""
    return sha256(folder.record.to_json().encode()).hexdigest()[:16]


def chain_key(chain: Chain) -> str:
    """A chain as a key."""
    return json.dumps(chain.as_data(), sort_keys=True)


def model_key(model: OpenModel) -> str:
    """What an answer depends on: record, weights and the runtime that opened them."""
    return f"{fingerprint(model.folder)}/{model.predictor.name}/{model.format}"


@lru_cache(maxsize=OPEN_AT_ONCE)
def _opened(path: str, fingerprint: str, runtime: str | None) -> OpenModel:
    return open_model(ModelFolder.read(Path(path)), runtime=runtime)


def runtimes(folder: ModelFolder) -> dict[str, str]:
    """Formats that something installed opens, the preferred one first, each with its predictor in words."""
    found = {format: f"{predictor.name}, {format}" for format, predictor in reversed(usable_predictors(folder))}
    return dict(reversed(found.items()))


def default_runtime(folder: ModelFolder) -> str | None:
    """What opens a model before anybody chose: None where there is no choice."""
    found = runtimes(folder)
    return next(iter(found)) if len(found) > 1 else None


def open_folder(folder: ModelFolder, runtime: str | None = None) -> OpenModel:
    """One copy of a model in memory for all visitors, opened anew when its record changes.

    runtime: a predictor or a format, the preferred one by default.
    Raises LoporeError where a weight file is not the one that was published or nothing installed opens it.
    """
    with _ONE_AT_A_TIME:  # two visitors who ask at once open it once
        return _opened(str(folder.path.resolve()), fingerprint(folder), runtime)


def forget_opened() -> None:
    """Close every open model; the next question opens it anew."""
    _opened.cache_clear()
