"""The parity gate: an export is published only after it gave its source's answers on real images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch
from lopore.atomic_files import atomic_folder, atomic_write_text, sha256_of
from lopore.contracts import Exporter
from lopore.errors import LoporeError, ModelError, ParityError, PluginError
from lopore.messages import did_you_mean
from lopore.plugins.registry import call_entry, discover
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelFile
from lopore.record.onnx_file import write_record

if TYPE_CHECKING:
    from lopore.record.model import ModelRecord
    from lopore.record.preprocessing import Preprocessing
from .parity_report import GATE_IMAGES, ParityReport, compare

GATE_BYTES = 1 << 30
LEAST_TO_CALIBRATE = 8
NO_IMAGES = "the parity gate needs real images; name some with --images, or keep the manifest where it was"


def find_exporter(folder: ModelFolder, format: str) -> Exporter:
    """The exporter from the model's framework to ``format``; PluginError lists what is installed."""
    exporters = discover().exporters
    for key in (f"{folder.record.framework}/{format}", f"any/{format}"):
        if key in exporters and not exporters[key].averages:
            return exporters[key]
    fitting = sorted(
        e.format for e in exporters.values() if e.framework in (folder.record.framework, "any") and not e.averages
    )
    way_out = f"; install lopore-{folder.record.framework}"
    if fitting:
        way_out = did_you_mean(format, fitting) or "; choose one of them"
    raise PluginError(
        f"nothing installed exports {folder.record.framework} models to '{format}'; "
        f"installed: {', '.join(fitting) or 'none'}{way_out}"
    )


def export_model(
    folder: ModelFolder, format: str, images: PixelBatch, truth: NDArray[np.bool_] | None = None
) -> tuple[ModelFolder, ParityReport]:
    """Write ``folder`` in another format, prove it equal on ``images`` and only then add it to the folder.

    images: (N, H, W, C) preprocessed real images, best of the validation split; at least one, at most 512 are used. A
    format that is calibrated takes every second one for itself and is judged on the others. truth: (N, K), which
    classes they show, where it is known.
    Returns the folder with its new record, and the report that lies beside the file as ``parity-FORMAT.json``.
    Raises ParityError where the answers differ; the folder then stays as it was.
    """
    if len(images) == 0:
        raise ModelError(NO_IMAGES)
    chosen = find_exporter(folder, format)
    if chosen.calibrated and len(images) < LEAST_TO_CALIBRATE:
        raise ModelError(f"{format} is calibrated on real images: {LEAST_TO_CALIBRATE} are needed, {len(images)} given")
    given, judged = (images[::2], slice(1, None, 2)) if chosen.calibrated else (None, slice(None))
    if chosen.opens_film is not None:
        raise ModelError(f"{format} takes whole films; prove it on files, `lopore export {folder.title} --to {format}`")

    def measure(exporter: Exporter, source: str, candidate: ModelFolder, notes: dict[str, Any]) -> ParityReport:
        return compare(
            folder, source, candidate, exporter.format, images[judged], tolerance=exporter.tolerance, notes=notes,
            truth=truth[judged] if truth is not None and exporter.quantised else None,
        )  # fmt: skip

    return publish_export(folder, format, measure, given)


Measure: TypeAlias = "Callable[[Exporter, str, ModelFolder, dict[str, Any]], ParityReport]"
"""From exporter, format of the source, folder of the unpublished export and the exporter's notes to the report."""


def publish_export(
    folder: ModelFolder, format: str, measure: Measure, images: PixelBatch | None = None
) -> tuple[ModelFolder, ParityReport]:
    """Write an export in a workshop, measure it and move it into the model folder if the report allows; else raise.

    images: what a calibrated format is fitted to.
    """
    exporter = find_exporter(folder, format)
    source_format = _source_format(folder, exporter)
    folder.verify(source_format)
    attempt = folder.path / f".export-{format}"
    shutil.rmtree(attempt, ignore_errors=True)
    extra = () if images is None else (images,)
    with atomic_folder(attempt) as workshop:
        owner = discover().exporters.sources[exporter.key]
        notes = call_entry("exporter", exporter.key, owner, lambda: dict(exporter.export(folder, workshop, *extra)))
        written = written_files(folder.record, exporter, workshop)
        candidate = ModelFolder(workshop, folder.record.model_copy(update={"files": tuple(written)}))
        report = measure(exporter, source_format, candidate, notes)
        verdict = report.verdict(exporter.quantised)
        if verdict:
            raise ParityError(f"{folder.title} as {format}: {verdict}; nothing was published")
        report_file = workshop / f"parity-{format}.json"
        atomic_write_text(report_file, json.dumps(asdict(report), indent=2, default=str) + "\n")
        written.append(ModelFile(path=report_file.name, sha256=sha256_of(report_file)))
    try:
        return _joined(folder, attempt, written), report
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _joined(folder: ModelFolder, attempt: Path, written: list[ModelFile]) -> ModelFolder:
    """Move proven files into the model folder; where the record cannot follow, the older files come back."""
    older = attempt / ".older"
    moved: list[str] = []
    try:
        for file in written:
            target = folder.path / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                (older / file.path).parent.mkdir(parents=True, exist_ok=True)
                target.replace(older / file.path)
            moved.append(file.path)
            (attempt / file.path).replace(target)
        return folder.with_files(written)
    except (OSError, LoporeError):
        for name in moved:
            (folder.path / name).unlink(missing_ok=True)
            if (older / name).exists():
                (older / name).replace(folder.path / name)
        raise


def _source_format(folder: ModelFolder, exporter: Exporter) -> str:
    trainer = discover().trainers
    native = trainer[folder.record.framework].native_format if folder.record.framework in trainer else ""
    for format in (native, *folder.record.formats):
        if format in folder.record.formats and format != exporter.format:
            return format
    have = ", ".join(folder.record.formats) or "no weights"
    raise ModelError(f"{folder.title} has no {native or 'native'} weights to export from; it has {have}")


def written_files(record: ModelRecord, exporter: Exporter, workshop: Path) -> list[ModelFile]:
    """The files that an exporter left in ``workshop``, with their sums; an ONNX file gets the record put inside.

    PluginError where the file that the exporter names is not there.
    """
    main = workshop / exporter.file_name
    if not main.exists():
        raise PluginError(f"exporter {exporter.key} wrote no {exporter.file_name}; report that to its author")
    if main.suffix == ".onnx":
        write_record(main, record)
    files = []
    for path in sorted(item for item in workshop.rglob("*") if item.is_file()):
        name = path.relative_to(workshop).as_posix()
        is_main = name == exporter.file_name or (main.is_dir() and name == f"{exporter.file_name}/saved_model.pb")
        files.append(ModelFile(path=name, sha256=sha256_of(path), format=exporter.format if is_main else ""))
    return files


def most_gate_images(record: Preprocessing, memory: int = GATE_BYTES) -> int:
    """How many images the gate takes: at most 512, and what fits into ``memory`` bytes, but one of any size."""
    each = record.size[0] * record.size[1] * record.channels * record.depth // 8
    return max(1, min(GATE_IMAGES, memory // each))


def gate_inputs(folder: ModelFolder, images: Sequence[Path], *, memory: int = GATE_BYTES) -> PixelBatch:
    """Preprocessed images for the gate from files, evenly picked where there are more than 512 or than fit.

    memory: bytes that they may take; one is taken whatever its size. ModelError where there are none; ImageError for a
    file that cannot be read.
    """
    from lopore.preprocessing.pipeline import preprocess, read_for

    if not images:
        raise ModelError(NO_IMAGES)
    record = folder.record.preprocessing
    most = most_gate_images(record, memory)
    step = -(-len(images) // most)
    return np.stack([preprocess(read_for(record, path), record)[0] for path in images[::step]])
