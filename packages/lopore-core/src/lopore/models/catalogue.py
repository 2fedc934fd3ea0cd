"""Model folders found by name, version or path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lopore.errors import ModelError
from lopore.messages import did_you_mean
from lopore.record.folder import RECORD_NAME, BrokenModel, ModelFolder

from .best import best_version
from .installed import installed_roots


def model_roots() -> list[Path]:
    """Where models are looked for: ``./models/final``, then the folders of the path list ``LOPORE_MODELS``."""
    listed = [Path(part) for part in os.environ.get("LOPORE_MODELS", "").split(os.pathsep) if part]
    return [Path("models") / "final", *listed]


def find_models(roots: list[Path] | None = None) -> Iterator[ModelFolder | BrokenModel]:
    """Every model folder under the roots (a root, ``NAME/VERSION`` below it, or ``VERSION``), sorted by path.

    roots: None for ``model_roots()`` and the packages of models that are installed.
    """
    seen: set[Path] = set()
    for root in roots if roots is not None else [*model_roots(), *installed_roots()]:
        if isinstance(root, BrokenModel):
            yield root
            continue
        for depth in ("", "*/", "*/*/"):
            for record in sorted(root.glob(f"{depth}{RECORD_NAME}")):
                folder = record.parent
                if folder.resolve() in seen or any(part.startswith(".") for part in folder.relative_to(root).parts):
                    continue
                seen.add(folder.resolve())
                try:
                    yield ModelFolder.read(folder)
                except ModelError as error:
                    yield BrokenModel(folder, str(error))


def _published(model: ModelFolder) -> tuple[str, int]:
    """When a model was published; of two within one second, which a record tells to, the one written later is newer."""
    try:
        return model.record.created, (model.path / RECORD_NAME).stat().st_mtime_ns
    except OSError:  # a lone file, or gone since
        return model.record.created, 0


def locate_model(text: str) -> ModelFolder:
    """A model by path, ``NAME/VERSION``, ``NAME`` (its newest version) or ``NAME/best`` (``best.best_version``).

    The user's own models come before those of packages, whatever their age. ModelError lists what there is.
    """
    path = Path(text)
    try:
        there = path.exists()
    except OSError:  # longer than a path can be; Python 3.14 only says that it is not there
        there = False
    shown = text if len(text) <= 200 else f"{text[:80]}..."
    if there and (not path.is_dir() or (path / RECORD_NAME).exists()):
        return ModelFolder.read(path)
    found, name = [], text.removesuffix("/best")
    for places in (model_roots(), [root for root in installed_roots() if isinstance(root, Path)]):
        met = [model for model in find_models(places) if isinstance(model, ModelFolder)]
        exact = [model for model in met if model.title == text]
        named = sorted((model for model in met if model.record.name == name), key=_published)
        if named and not exact and name != text:
            return best_version(name, named)
        if exact or named:
            return (exact or named)[-1]
        found += met
    if there:
        return ModelFolder.read(path)  # says what the folder lacks
    have = ", ".join(model.title for model in found[:10]) or "none"
    roots = ", ".join(str(root.absolute()) for root in model_roots())
    no = f"{shown} is not there" if path.suffix == ".onnx" else f"no model '{shown}'"
    near = did_you_mean(text, [name for model in found for name in (model.record.name, model.title)], most=1)
    raise ModelError(f"{no}; found {have} in {roots}{near or '; name a folder or set LOPORE_MODELS'}")
