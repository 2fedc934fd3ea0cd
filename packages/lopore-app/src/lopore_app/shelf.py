"""Models on the shelf of this server: found at run time, opened once for all users."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from lopore.models.catalogue import find_models
from lopore.models.opening import OpenModel, open_model
from lopore.record.folder import BrokenModel, ModelFolder

MODEL = "model"
"""Where the session state keeps the title (``NAME/VERSION``) of the model that the user chose."""
OPEN_AT_ONCE = 4


@dataclass(frozen=True)
class Shelf:
    """Models that can be opened, and folders that cannot with their reasons."""

    models: tuple[ModelFolder, ...]
    broken: tuple[BrokenModel, ...]

    @classmethod
    def look(cls) -> Shelf:
        """What lies in the model folders now, the newest first."""
        found = list(find_models())
        usable = [item for item in found if isinstance(item, ModelFolder)]
        usable.sort(key=lambda model: model.record.created, reverse=True)
        return cls(tuple(usable), tuple(item for item in found if isinstance(item, BrokenModel)))

    def named(self, title: str | None) -> ModelFolder | None:
        """The model with this title, else the newest, else None."""
        return next((model for model in self.models if model.title == title), self.models[0] if self.models else None)


def fingerprint(folder: ModelFolder) -> str:
    """What changes when any file of the model does: the sha256 of record and weights as the record states them."""
    from hashlib import sha256

    return sha256(folder.record.to_json().encode()).hexdigest()[:16]


@st.cache_resource(show_spinner="Opening the model", max_entries=OPEN_AT_ONCE)
def opened(path: str, fingerprint: str) -> OpenModel:
    """One copy of a model in memory for all users; ``fingerprint`` changes when its files do.

    Raises LoporeError where a weight file is not the one that was published or nothing installed opens it.
    """
    return open_model(ModelFolder.read(Path(path)))


def unplaced(reason: object, path: Path) -> str:
    """What is wrong with a model's folder, without where it lies on the server."""
    return str(reason).replace(f"{path}{os.sep}", "").replace(str(path), path.name)


def open_folder(folder: ModelFolder) -> OpenModel:
    """``opened`` for a folder from the shelf."""
    return opened(str(folder.path.resolve()), fingerprint(folder))


def current_model_key() -> str | None:
    """Title of the model that this session's user chose; None before a choice."""
    chosen = st.session_state.get(MODEL)
    return chosen if isinstance(chosen, str) else None
