"""The manifest that a model was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lopore.data.manifest import Manifest
from lopore.data.sound_class import declare_sound
from lopore.data.targets import leave_out
from lopore.errors import DataError

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder


def training_manifest(
    folder: ModelFolder, manifest: Path | None = None, *, advice: str = "name the manifest with --manifest FILE"
) -> Manifest:
    """The manifest a model was trained on, read anew with the label sets left out that its config leaves out.

    ``manifest``: another one of the same classes; it must be named for a model without ``config.yaml``, such as an
    ONNX file alone. DataError where there is none, with the ``advice`` what to do.
    """
    from lopore.config.experiment import load_experiment

    config_file = folder.path / "config.yaml"
    if manifest is None and not config_file.is_file():
        raise DataError(f"{folder.title} has no config.yaml that names its manifest; {advice}")
    config = load_experiment(config_file).data if config_file.is_file() else None
    try:
        found = Manifest.read(manifest or Path(config.manifest if config else ""))
    except DataError as error:
        raise DataError(f"{error}; {advice}") from None
    found = declare_sound(found, tuple(name for name in (config.sound if config else ()) if name in found.classes))
    there = {frozenset(row.labels) for row in found.rows}
    left_out = config.exclude if config else ()
    return leave_out(found, tuple(text for text in left_out if frozenset(text.split("+")) in there))
