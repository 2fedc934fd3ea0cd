"""Models that this server finds at run time. No Streamlit in here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lopore.models.catalogue import find_models
from lopore.record.folder import BrokenModel, ModelFolder


@dataclass(frozen=True)
class ModelCatalogue:
    """Models that can be opened, and folders that cannot with their reasons."""

    models: tuple[ModelFolder, ...]
    broken: tuple[BrokenModel, ...]

    @classmethod
    def find(cls) -> ModelCatalogue:
        """What lies in the model folders now, the newest first."""
        found = list(find_models())
        usable = [item for item in found if isinstance(item, ModelFolder)]
        usable.sort(key=lambda model: model.record.created, reverse=True)
        return cls(tuple(usable), tuple(item for item in found if isinstance(item, BrokenModel)))

    def named(self, title: str | None) -> ModelFolder | None:
        """The model with this title; None where it is not, or no longer, there."""
        return next((model for model in self.models if model.title == title), None)


def unplaced(reason: object, path: Path) -> str:
    """What is wrong with a model's folder, without where it lies on the server."""
    return str(reason).replace(f"{path}{os.sep}", "").replace(str(path), path.name)
