"""Twins: a trained model carried to another framework, published only if it gives the same answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lopore.arrays import NamedWeights, PixelBatch
from lopore.atomic_files import atomic_folder, atomic_write_text, sha256_of
from lopore.contracts import Trainer
from lopore.errors import ConfigError, LoporeError, ModelError, ParityError, PluginError
from lopore.messages import did_you_mean
from lopore.plugins.registry import call_entry, discover
from lopore.record.folder import RECORD_NAME, ModelFolder, write_model_record
from lopore.record.model import Explanation, ModelFile, ModelRecord, parse_record

from .parity_gate import NO_IMAGES
from .parity_report import ParityReport, compare

TOLERANCE = 1e-4
"""The largest difference of a probability between twins: float32 sums in another order."""
SCALE, SHIFT = "normalise.scale", "normalise.shift"


@dataclass(frozen=True)
class Conversion:
    """A converted model, the report of its gate, and the folder that it came from."""

    folder: ModelFolder
    report: ParityReport
    source: ModelFolder


def convert_model(
    folder: ModelFolder, to: str, images: PixelBatch, *, name: str | None = None, version: str | None = None
) -> Conversion:
    """Make the twin of a model in framework ``to`` as a new model folder beside it, proven equal on ``images``.

    images: (N, H, W, C) preprocessed real images, at least one. name, version: of the twin; default the model's
    name, and its version with ``-to`` behind. The twin keeps classes, threshold, preprocessing, scores and papers.
    Raises ConfigError or ModelError where there is no twin, PluginError where a backend is absent, ParityError where
    the answers differ; then nothing was published.
    """
    record = folder.record
    giver, taker = check_frameworks(folder, to)
    if len(images) == 0:
        raise ModelError(NO_IMAGES)
    native = giver.native_format
    folder.verify(native)
    target = _target(folder, name or record.name, version or f"{record.version}-{to}")
    weights: NamedWeights = _asked(giver, "export_weights", folder)
    planned = _planned(folder, taker, weights, target, native)
    with atomic_folder(target) as workshop:
        names = list(_asked(taker, "import_weights", planned, weights, workshop))
        candidate = ModelFolder(workshop, planned.model_copy(update={"files": _listed(workshop, taker, names)}))
        notes = dict(planned.architecture["converted_from"])
        report = compare(folder, native, candidate, taker.native_format, images, tolerance=TOLERANCE, notes=notes)
        verdict = report.verdict(quantised=False)
        if verdict:
            raise ParityError(f"{folder.title} as {to} model: {verdict}; nothing was published")
        _copy_artifacts(folder, workshop)
        report_file = workshop / f"parity-{taker.native_format}.json"
        atomic_write_text(report_file, json.dumps(asdict(report), indent=2, default=str) + "\n")
        complete = planned.model_copy(update={"files": _listed(workshop, taker, names)})
        write_model_record(workshop, complete, made_here=folder.made_here)
    return Conversion(ModelFolder.read(target), report, folder)


def check_frameworks(folder: ModelFolder, to: str) -> tuple[Trainer, Trainer]:
    """The trainers that give the model's weights and take them; ConfigError or PluginError where there are none."""
    if folder.record.framework == to:
        raise ConfigError(f"{folder.title} is a {to} model already; name another framework")
    return _backend(folder.record.framework), _backend(to)


def _backend(framework: str) -> Trainer:
    """The trainer that gives and takes weights; PluginError lists those that are installed."""
    trainers = discover().trainers
    able = sorted(key for key, trainer in trainers.items() if trainer.export_weights and trainer.import_weights)
    if framework in able:
        return trainers[framework]
    what = "does not convert models" if framework in trainers else "is not installed"
    way_out = did_you_mean(framework, able) or (
        "; install lopore-torch and lopore-tf (file formats are written by `lopore export`)"
    )
    raise PluginError(f"framework '{framework}' {what}; there are {', '.join(able) or 'none'}{way_out}")


def _asked(trainer: Trainer, field: str, *arguments: Any) -> Any:
    function: Callable[..., Any] = getattr(trainer, field)
    return call_entry("trainer", trainer.key, discover().trainers.sources[trainer.key], lambda: function(*arguments))


def _target(folder: ModelFolder, name: str, version: str) -> Path:
    """``ROOT/NAME/VERSION`` where the source stands so, else below ``models/final``."""
    standing = folder.path.resolve().parts[-2:] == (folder.record.name, folder.record.version)
    root = folder.path.resolve().parent.parent if standing else Path("models") / "final"
    try:
        checked = ModelRecord.model_validate({**dict(folder.record), "name": name, "version": version})
    except ValueError:
        raise ConfigError(
            f"'{name[:80]}/{version[:80]}' names no model: letters, digits and . _ - only, at most 64 each; "
            "choose --name and --version"
        ) from None
    target = root / checked.name / checked.version
    if target.exists():
        raise LoporeError(f"{target} already exists; choose another --version or remove it")
    return target


def _planned(folder: ModelFolder, taker: Trainer, weights: NamedWeights, target: Path, native: str) -> ModelRecord:
    """The twin's record but for its files; the normalisation stands in it exactly."""
    record, to = folder.record, taker.framework
    backbone = str(record.architecture.get("backbone", record.backbone)).removeprefix(f"{record.framework}/")
    backbones = discover().backbones
    key = f"{to}/{backbone}"
    origin = {
        "model": folder.title,
        "framework": record.framework,
        "format": native,
        "sha256": sha256_of(folder.file_for(native)),
    }
    changes = {
        "name": target.parent.name,
        "version": target.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "framework": to,
        "backbone": backbone,
        "architecture": {
            **record.architecture,
            "backbone": backbone,
            "planes": int(weights[SCALE].size),
            "normalisation": [weights[key].reshape(-1).tolist() for key in (SCALE, SHIFT)],
            "converted_from": origin,
        },
        "explanation": Explanation(
            layer=backbones[key].explanation_layer if key in backbones else "",
            exact_cam=record.explanation.exact_cam,
            reason=record.explanation.reason,
        ),
        "files": (),
    }
    changed = record.model_copy(update=changes)
    return parse_record(changed.to_json(), source=f"the record of {target.parent.name}/{target.name}")


def _listed(workshop: Path, taker: Trainer, names: Sequence[str]) -> tuple[ModelFile, ...]:
    """The files of the workshop, but its record; the first of ``names`` is the native one."""
    if not names or not (workshop / names[0]).is_file():
        raise PluginError(f"trainer {taker.key} wrote no {taker.native_format} file; report that to its author")
    files = [path.relative_to(workshop).as_posix() for path in sorted(workshop.rglob("*")) if path.is_file()]
    return tuple(
        ModelFile(path=name, sha256=sha256_of(workshop / name), format=taker.native_format if name == names[0] else "")
        for name in files
        if name != RECORD_NAME
    )


def _copy_artifacts(folder: ModelFolder, workshop: Path) -> None:
    """Config, scores and logs of the training; other formats and their gates stay with the model they belong to."""
    for file in folder.record.files:
        source = folder.path / file.path
        own = "/" not in file.path and not file.format and not file.path.startswith("parity-")
        if own and source.is_file() and not source.is_symlink() and not (workshop / file.path).exists():
            shutil.copyfile(source, workshop / file.path)
