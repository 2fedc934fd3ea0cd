"""The parity gate: an export is published only after it gave its source's answers on real images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lopore.arrays import PixelBatch, Scores
from lopore.atomic_files import atomic_folder, atomic_write_text, sha256_of
from lopore.contracts import Exporter
from lopore.errors import LoporeError, ModelError, ParityError, PluginError
from lopore.inference.decisions import decide
from lopore.inference.explain import explainers_for, raw_maps
from lopore.inference.segment import segment_images
from lopore.inference.test_time_augmentation import predict_views
from lopore.messages import counted, did_you_mean
from lopore.models.opening import OpenModel, choose_predictor, open_model, open_session
from lopore.plugins.registry import call_entry, discover
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelFile
from lopore.record.onnx_file import write_record

if TYPE_CHECKING:
    from lopore.record.model import ModelRecord
    from lopore.record.preprocessing import Preprocessing

GATE_IMAGES = 512
GATE_BYTES = 1 << 30
NO_IMAGES = "the parity gate needs real images; name some with --images, or keep the manifest where it was"
CAM_TOLERANCE = 1e-3
CAMS = {"cam": ("grad-cam", "Grad-CAM"), "cam_plus": ("grad-cam++", "Grad-CAM++")}
"""Fields of the report: the explainers that a file answers by itself, and their names for people."""
QUANTISED_AGREEMENT = 0.98
_BATCH = 16


@dataclass(frozen=True)
class ParityReport:
    """What the gate measured.

    max_dp: largest difference of a probability, for segmentation of any pixel's too. cam, cam_plus: largest difference
    of a Grad-CAM and of a Grad-CAM++ map, relative to the hottest place that its image has in the maps of any class,
    None where one side offers none.
    """

    format: str
    images: int
    max_dp: float
    mean_dp: float
    flipped: int
    tolerance: float
    cam: float | None
    cam_plus: float | None
    source_sha256: str
    export_sha256: str
    checked: str
    notes: dict[str, Any]

    def verdict(self, quantised: bool) -> str:
        """Empty where the export may be published, else what is wrong."""
        if quantised:
            agreement = 1 - self.flipped / self.images
            return "" if agreement >= QUANTISED_AGREEMENT else f"decisions agree on {agreement:.1%} only"
        if not self.max_dp <= self.tolerance:
            return f"probabilities differ by {self.max_dp:.2e}, {self.tolerance:.0e} is allowed"
        if self.flipped:
            return f"{self.flipped} of {counted(self.images, 'decision differs', 'decisions differ')}"
        for field, (_, title) in CAMS.items():
            found: float | None = getattr(self, field)
            if found is not None and not found <= CAM_TOLERANCE:
                return f"{title} differs by {found:.2e} of the maps' maximum, {CAM_TOLERANCE:.0e} is allowed"
        return ""


def find_exporter(folder: ModelFolder, format: str) -> Exporter:
    """The exporter from the model's framework to ``format``; PluginError lists what is installed."""
    exporters = discover().exporters
    for key in (f"{folder.record.framework}/{format}", f"any/{format}"):
        if key in exporters:
            return exporters[key]
    fitting = sorted(e.format for e in exporters.values() if e.framework in (folder.record.framework, "any"))
    way_out = f"; install lopore-{folder.record.framework}"
    if fitting:
        way_out = did_you_mean(format, fitting) or "; choose one of them"
    raise PluginError(
        f"nothing installed exports {folder.record.framework} models to '{format}'; "
        f"installed: {', '.join(fitting) or 'none'}{way_out}"
    )


def export_model(folder: ModelFolder, format: str, images: PixelBatch) -> tuple[ModelFolder, ParityReport]:
    """Write ``folder`` in another format, prove it equal on ``images`` and only then add it to the folder.

    images: (N, H, W, C) preprocessed real images, best of the validation split; at least one, at most 512 are used.
    Returns the folder with its new record, and the report that lies beside the file as ``parity-FORMAT.json``.
    Raises ParityError where the answers differ; the folder then stays as it was.
    """
    if len(images) == 0:
        raise ModelError(NO_IMAGES)
    if find_exporter(folder, format).opens_film is not None:
        raise ModelError(f"{format} takes whole films; prove it on files, `lopore export {folder.title} --to {format}`")

    def measure(exporter: Exporter, source: str, candidate: ModelFolder, notes: dict[str, Any]) -> ParityReport:
        return compare(folder, source, candidate, exporter.format, images, tolerance=exporter.tolerance, notes=notes)

    return publish_export(folder, format, measure)


Measure: TypeAlias = "Callable[[Exporter, str, ModelFolder, dict[str, Any]], ParityReport]"
"""From exporter, format of the source, folder of the unpublished export and the exporter's notes to the report."""


def publish_export(folder: ModelFolder, format: str, measure: Measure) -> tuple[ModelFolder, ParityReport]:
    """Write an export in a workshop, measure it and move it into the model folder if the report allows; else raise."""
    exporter = find_exporter(folder, format)
    source_format = _source_format(folder, exporter)
    folder.verify(source_format)
    attempt = folder.path / f".export-{format}"
    shutil.rmtree(attempt, ignore_errors=True)
    with atomic_folder(attempt) as workshop:
        owner = discover().exporters.sources[exporter.key]
        notes = call_entry("exporter", exporter.key, owner, lambda: dict(exporter.export(folder, workshop)))
        written = written_files(folder.record, exporter, workshop)
        candidate = ModelFolder(workshop, folder.record.model_copy(update={"files": tuple(written)}))
        report = measure(exporter, source_format, candidate, notes)
        verdict = report.verdict(exporter.quantised)
        if verdict:
            raise ParityError(f"{folder.title} as {format}: {verdict}; nothing was published")
        paper = workshop / f"parity-{format}.json"
        atomic_write_text(paper, json.dumps(asdict(report), indent=2, default=str) + "\n")
        written.append(ModelFile(path=paper.name, sha256=sha256_of(paper)))
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


def compare(
    folder: ModelFolder,
    source_format: str,
    candidate: ModelFolder,
    candidate_format: str,
    images: PixelBatch,
    *,
    tolerance: float,
    notes: dict[str, Any],
) -> ParityReport:
    """Open both on the CPU and answer the same images, at most 512; the report judges, nothing is published here.

    candidate: a folder that is not published yet and has the format in its record. ParityError where its scores have
    another shape or are no numbers.
    """
    images = images[:GATE_IMAGES]
    with ExitStack() as opened:
        source = open_model(folder, runtime=source_format, device="cpu")
        opened.callback(source.session.close)
        format, predictor = choose_predictor(candidate)
        export = OpenModel(candidate, format, predictor, open_session(candidate, predictor, "cpu"))
        opened.callback(export.session.close)
        expected, got = _both_scores(source, export, images)
        few = images[:: -(-len(images) // _BATCH)]  # a manifest may hold one class after the other
        cams = {field: _cam_difference(source, export, few, name) for field, (name, _) in CAMS.items()}
        pixels = _pixel_difference(source, export, few)
    difference = np.abs(expected.astype(np.float64) - got)
    return ParityReport(
        format=candidate_format,
        images=len(images),
        max_dp=max(float(difference.max()), pixels),
        mean_dp=float(difference.mean()),
        flipped=_flipped(folder.record, expected, got),
        tolerance=tolerance,
        **cams,
        source_sha256=sha256_of(folder.file_for(source_format)),
        export_sha256=sha256_of(candidate.file_for(candidate_format)),
        checked=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=notes,
    )


def _both_scores(source: OpenModel, export: OpenModel, images: PixelBatch) -> tuple[Scores, Scores]:
    expected, got = _scores(source, images), _scores(export, images)
    if got.shape != expected.shape:
        shapes = f"{got.shape} for {expected.shape}"
        raise ParityError(f"{source.folder.title} as {export.format} gave scores {shapes}; nothing was published")
    return expected, got


def _flipped(record: ModelRecord, expected: Scores, got: Scores) -> int:
    """Decisions that differ."""
    return sum(decide(record, a).labels != decide(record, b).labels for a, b in zip(expected, got, strict=True))


def _scores(model: OpenModel, images: PixelBatch) -> Scores:
    parts: Sequence[Scores] = [
        predict_views(model.session.predict, images[at : at + _BATCH], model.record.tta_views)
        for at in range(0, len(images), _BATCH)
    ]
    scores = np.concatenate(parts)
    if not np.isfinite(scores).all():
        raise ParityError(
            f"{model.folder.title} as {model.format} gave scores that are no numbers; nothing was published"
        )
    return scores


def _pixel_difference(source: OpenModel, export: OpenModel, images: PixelBatch) -> float:
    """Largest difference of a pixel's probability; 0 for a classifier.

    A score is the largest of its map's pixels, so that a map turned over would have equal scores.
    """
    if source.record.task != "segmentation":
        return 0.0
    expected, got = segment_images(source, list(images)), segment_images(export, list(images))
    if got.shape != expected.shape:
        shapes = f"{got.shape} for {expected.shape}"
        raise ParityError(f"{source.folder.title} as {export.format} gave maps {shapes}; nothing was published")
    return float(np.abs(expected - got).max())


def _cam_difference(source: OpenModel, export: OpenModel, images: PixelBatch, name: str) -> float | None:
    """Largest difference of an explainer's map over the hottest place that the image has in the maps of any class.

    A map is a sum of features that may nearly cancel: that of a class without evidence can end at 1e-6 where that of
    another class reaches 0.2, and is rounding noise then, whose own maximum is no scale.
    """
    ours, theirs = explainers_for(source).get(name), explainers_for(export).get(name)
    if ours is None or theirs is None:
        return None
    top, worst = np.full(len(images), 1e-12), np.zeros(len(images))
    for index in range(len(source.record.classes)):
        a = raw_maps(source, ours, images, index)
        b = raw_maps(export, theirs, images, index)
        if a.shape != b.shape:
            shapes = f"{b.shape} for {a.shape}"
            raise ParityError(f"{source.folder.title} as {export.format} gave maps {shapes}; nothing was published")
        top = np.maximum(top, np.abs(a).max(axis=(1, 2)))
        worst = np.maximum(worst, np.abs(a - b).max(axis=(1, 2)))
    return float((worst / top).max())


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
