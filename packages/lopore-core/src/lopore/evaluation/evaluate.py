"""A model over one split: an answer for every image, scores with bounds, and a report to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import ANOMALY, Task, gives_maps
from lopore.atomic_files import atomic_write_text
from lopore.contracts import MapSession
from lopore.data.class_names import is_sound
from lopore.data.manifest import Manifest
from lopore.data.sound_alone import one_defect
from lopore.data.targets import Targets
from lopore.errors import DataError
from lopore.inference.predict import Failure, Prediction, predict_files
from lopore.inference.regions import DetectionRule
from lopore.inference.segment import check_maps
from lopore.messages import counted, plain
from lopore.metrics.classification import measure
from lopore.metrics.offered import offered_metrics
from lopore.metrics.unlike import UnlikeTraining, unlike_training

from .against_masks import Progress, evaluate_pixels
from .marks.tables import mark_tables
from .marks.tally import MarkTally
from .marks.whole_films import answer_whole_films, has_whole_films
from .predictions_csv import answers_csv
from .results import Evaluation
from .training_overlap import training_overlap

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel
    from lopore.record.model import ModelRecord

    from .marks.sections import Sections
    from .shortcuts import SpuriousReport


def evaluate(
    model: OpenModel,
    manifest: Manifest,
    *,
    split: str,
    rule: DetectionRule | None = None,
    sections: Sections | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Predict every image of one split and score the answers, intervals resampling groups.

    split: train, val, test, or 'all' for every labelled row. progress: called with (done, all).
    rule: for segmentation models, which regions count; where the manifest has masks, the pixels of the detections are
    scored before and after it, in ``metrics.pixels``; scores of images are those before. Where the model has maps, also
    of tiles on whole films, indications are scored one by one, in ``metrics.indications``, against the masks or
    ``sections``, the truth by place along the film.
    Unreadable files become ``failures``; images that the training met are told in ``metrics.notes``.
    DataError where the split is empty or its classes are not the model's; ModelError for a rule without maps.
    """
    if rule is not None:
        check_maps(model)
    films, unlabelled = _labelled_films(manifest, split, model.record.task)
    targets = _targets_for(films, model.record)
    paths = [films.file(row) for row in films.rows]
    by_tiles, tally = has_whole_films(model, films), MarkTally(model.record, films, sections, rule)
    masked = tally.asked and not by_tiles and _has_maps(model)
    if sections is not None and not (by_tiles or masked):
        raise DataError(f"{model.folder.title} locates nothing, as sections need; use a segmentation model")
    first_half, second_half = _halves(progress, len(paths)) if masked else (progress, None)
    found_in_tiles = answer_whole_films(model, films, tally, progress) if by_tiles else None
    answers, failures, unlike = found_in_tiles or _answered(model, paths, first_half)
    if not answers:
        raise DataError(f"none of the {len(paths)} files of '{split}' could be read; first: {failures[0].reason}")
    notes = (*_notes(model.record, films, failures, unlabelled), *training_overlap(model.folder, films))
    found = _scored(films, targets, answers, model.record, split, failures, notes)
    more: dict[str, object] = {"unlike": _unlike(model.record, found.manifest, answers, unlike)}
    more |= _pixels(model, films, rule, tally, second_half) if masked else {}  # fills the tally
    more |= {"indications": tally.metrics(seed=model.record.seed)} if tally.asked else {}
    metrics, marks = found.metrics.model_copy(update=more), tuple(tally.matched)
    return replace(found, metrics=metrics, marks=marks, whole_films=by_tiles)


def _halves(progress: Progress | None, count: int) -> tuple[Progress | None, Progress | None]:
    """Progress over ``count`` files that are gone through twice."""
    if progress is None:
        return None, None
    return lambda done, _: progress(done, 2 * count), lambda done, _: progress(count + done, 2 * count)


def _pixels(
    model: OpenModel, films: Manifest, rule: DetectionRule | None, tally: MarkTally, progress: Progress | None
) -> dict[str, object]:
    """The scores of pixels where any mask is there; the tally counts the indications of the same maps."""
    pixels = evaluate_pixels(model, films, rule, tally=tally, progress=progress)
    return {"pixels": pixels if any(row.mask for row in films.rows) else None}


def _has_maps(model: OpenModel) -> bool:
    return gives_maps(model.record.task) and isinstance(model.session, MapSession)


def _labelled_films(manifest: Manifest, split: str, task: Task) -> tuple[Manifest, int]:
    """The rows of a split that carry a label, as the task knows it, and how many carry none: what nobody judged is no
    sound image."""
    films = manifest if split == "all" else manifest.split_of(split)
    labelled = films.select([index for index, row in enumerate(films.rows) if row.labels])
    if labelled.rows:
        return one_defect(labelled) if task == ANOMALY else labelled, len(films) - len(labelled)
    if films.rows:
        raise DataError(f"none of the {len(films)} images in '{split}' carries a label, so nothing can be scored")
    raise DataError(f"no image stands in '{split}'; split the manifest with `lopore data split`, or take --split all")


def _answered(
    model: OpenModel, paths: Sequence[Path], progress: Progress | None
) -> tuple[dict[int, list[float]], tuple[Failure, ...], set[int]]:
    """Scores by place in ``paths``, the files that gave none, and places of images unlike those of training."""
    answers: dict[int, list[float]] = {}
    failures: list[Failure] = []
    unlike: set[int] = set()
    for index, result in enumerate(predict_files(model, paths)):
        if isinstance(result, Prediction):
            answers[index] = list(result.scores.values())
            unlike |= {index} if any(doubt.kind == "appearance" for doubt in result.doubts) else set()
        else:
            failures.append(result)
        if progress is not None:
            progress(index + 1, len(paths))
    return answers, tuple(failures), unlike


def _unlike(record: ModelRecord, films: Manifest, answered: Iterable[int], unlike: set[int]) -> UnlikeTraining | None:
    """Images unlike those of training. answered: rows that ``films`` were made of, of which ``unlike`` were marked."""
    if not record.training_grey:
        return None
    return unlike_training([row in unlike for row in sorted(answered)], films.group_ids(), record.false_alarms)


def _targets_for(films: Manifest, record: ModelRecord) -> Targets:
    if record.task == "binary":
        return _binary_targets(films, record)
    foreign = set(films.classes) - set(record.classes)
    if gives_maps(record.task):  # sound films carry a class that has no mask
        foreign = {name for name in foreign if not is_sound(name)}
    if foreign:
        raise DataError(
            f"the images carry {plain(', '.join(sorted(foreign)), 120)}, which the model does not know; "
            f"it knows {', '.join(record.classes)}"
        )
    table = films.targets(record.classes)
    labels: NDArray[np.generic] = table.astype(np.float32)
    if record.task == "multiclass":
        if (table.sum(axis=1) != 1).any():
            raise DataError("some images carry several or no classes; leave them out or use a multilabel model")
        labels = table.argmax(axis=1).astype(np.int64)
    return Targets(record.task, record.classes, record.positive, labels)


def _binary_targets(films: Manifest, record: ModelRecord) -> Targets:
    """Every class but the positive one counts as its absence; a split may hold one kind alone."""
    name = record.positive or record.classes[-1]
    if name not in films.classes and not all(is_sound(other) or other in record.classes for other in films.classes):
        raise DataError(
            f"no image carries the model's class {plain(name, 60)!r}; they carry {plain(', '.join(films.classes), 120)}"
        )
    positive = record.classes.index(name)
    labels = np.array([positive if name in row.labels else 1 - positive for row in films.rows], np.int64)
    return Targets("binary", record.classes, record.positive, labels)


def _scored(
    films: Manifest,
    targets: Targets,
    answers: dict[int, list[float]],
    record: ModelRecord,
    split: str,
    failures: tuple[Failure, ...],
    notes: tuple[str, ...],
) -> Evaluation:
    answered = sorted(answers)
    scores = np.array([answers[index] for index in answered], np.float32)
    manifest = films.select(answered)
    labels = targets.labels[answered]
    metrics = measure(
        scores,
        labels,
        task=record.task,
        classes=record.classes,
        positive=record.positive,
        threshold=record.threshold,
        groups=manifest.group_ids(),
        split=f"{split} ({manifest.about.split_kind or 'as given'} split)",
        seed=record.seed,
        metrics=offered_metrics(),
        notes=notes,
    )
    chosen = Targets(targets.task, targets.classes, targets.positive, labels)
    return Evaluation(manifest, chosen, scores, metrics, failures)


def _notes(record: ModelRecord, films: Manifest, failures: Sequence[Failure], unlabelled: int) -> tuple[str, ...]:
    notes = []
    if not record.leaks.clean:
        notes.append(f"The split leaks ({record.leaks.leaks} pairs): these scores are too good and prove nothing.")
    if failures:
        lost = counted(len(failures), "file could not be read and counts", "files could not be read and count")
        notes.append(f"{lost} in none of the scores.")
    if unlabelled:
        bare = counted(unlabelled, "image carries no label and counts", "images carry no label and count")
        notes.append(f"{bare} in none of the scores.")
    return (*notes, *_never_learned(record, films))


def _never_learned(record: ModelRecord, films: Manifest) -> tuple[str, ...]:
    """A line where a binary model, trained on its positive class against one other, meets defects of a third."""
    if record.task != "binary" or len(record.classes) != 2:
        return ()
    other = next((name for name in record.classes if name != (record.positive or record.classes[-1])), "")
    if other == f"not {record.positive}":
        return ()
    foreign = [name for name in films.classes if name not in record.classes and not is_sound(name)]
    count = sum(bool(set(row.labels) & set(foreign)) and record.positive not in row.labels for row in films.rows)
    if not count:
        return ()
    named = plain(", ".join(foreign), 120)
    carry, they = counted(count, "image carries", "images carry"), "it counts" if count == 1 else "they count"
    return (f"{carry} {named}, which the model was not trained on; {they} as {plain(other, 60)}.",)


def write_evaluation(
    model: OpenModel, evaluation: Evaluation, out: Path, *, images: int = 12, spurious: SpuriousReport | None = None
) -> list[Path]:
    """Write predictions.csv, metrics.json and report.html (self-contained) into ``out``; returns their paths.

    images: how many false positives and false negatives the gallery shows of each, worst first.
    spurious: a check for shortcuts, which also becomes spurious.json. Where indications were scored, marks.csv and
    false_calls.csv list them.
    """
    from lopore.evaluation.report.evaluation_page import evaluation_report

    artifacts = {
        "predictions.csv": answers_csv([replace(evaluation.answers, model=model.folder.title)], model.record.threshold),
        "metrics.json": evaluation.metrics.model_dump_json(indent=2) + "\n",
        "report.html": evaluation_report(model, evaluation, images=images, spurious=spurious),
    }
    artifacts |= mark_tables(evaluation.marks) if evaluation.metrics.indications else {}
    if spurious is not None:
        artifacts["spurious.json"] = spurious.model_dump_json(indent=2) + "\n"
    for name, text in artifacts.items():
        atomic_write_text(out / name, text)
    return [out / name for name in artifacts]
