"""What a data set lacks for the run that is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lopore.arrays import ANOMALY
from lopore.config.experiment import Experiment
from lopore.cores import available_cores
from lopore.data.manifest import Manifest
from lopore.data.targets import Targets, refuse_thin_classes
from lopore.errors import ConfigError, DataError
from lopore.messages import counted, plain
from lopore.metrics.conformal import abstention_refusal
from lopore.metrics.contract import contract_refusal, failures_allowed
from lopore.metrics.operating_point import truth_table
from lopore.progress import Progress

from .plan import Plan, Rows


def check_splits(manifest: Manifest, targets: Targets, experiment: Experiment, *, crossed: bool) -> None:
    """DataError where a split lacks what the run needs; crossed: folds take the place of splits."""
    if crossed:
        refuse_thin_classes(targets, np.arange(len(manifest)), "the whole set")
        return
    splits = np.array([row.split for row in manifest.rows])
    rows_by_split = {name: np.flatnonzero(splits == name) for name in ("train", "val")}
    if not len(rows_by_split["train"]):
        raise DataError(f"no image of {experiment.data.manifest} is in the train split; run `lopore data split` on it")
    if experiment.task == ANOMALY:  # sound images are enough to learn from, and none at all is found by sound_alone
        return
    refuse_thin_classes(targets, rows_by_split["train"], "train")
    settings = experiment.training
    wanted = settings.select_by != "last" or settings.early_stopping is not None
    if not len(rows_by_split["val"]):
        if wanted:
            raise DataError(
                "no image is in the val split, which selects the epoch; split with `lopore data split`, or set "
                "training.select_by to last and leave early_stopping out"
            )
    elif wanted:
        missing = lacking(targets, rows_by_split["val"])
        if missing:
            raise DataError(f"val holds no image of {', '.join(missing)}, so no epoch can be selected; split again")


def check_contract(targets: Targets, groups: Rows, val: Rows, experiment: Experiment, *, crossed: bool) -> None:
    """DataError before the first epoch where validation has too few films to prove the recall of a contract."""
    rule = experiment.training.threshold
    if rule.rule != "contract":
        return
    if crossed:
        raise ConfigError("training.threshold.rule 'contract' is of one model; cross-validate with f1, recall or fixed")
    truth = truth_table(targets.labels[val], len(targets.classes))
    names = [targets.positive] if targets.task == "binary" and targets.positive else list(targets.classes)
    for name in names:
        films = len(np.unique(groups[val][truth[:, targets.classes.index(name)]]))
        if failures_allowed(films, rule.recall, rule.confidence) is None:
            refusal = contract_refusal(films, rule.recall, rule.confidence).text
            raise DataError(f"training.threshold, {plain(name, 60)}: {refusal} Ask for less, or add validation films")


def check_abstention_films(targets: Targets, groups: Rows, val: Rows, experiment: Experiment) -> None:
    """DataError before the first epoch where validation has too few films of a class for ``training.abstention``."""
    coverage = experiment.training.abstention
    if coverage is None:
        return
    if targets.task not in ("binary", "multiclass"):
        raise ConfigError(f"training.abstention fits tasks with one class an image; {targets.task} has several or maps")
    truth = truth_table(targets.labels[val], len(targets.classes))
    films = {name: len(np.unique(groups[val][truth[:, k]])) for k, name in enumerate(targets.classes)}
    refusal = abstention_refusal(films, coverage)
    if refusal is not None:
        raise DataError(f"training.abstention: {refusal.text} Ask for less, or add validation films")


def lacking(targets: Targets, rows: Rows) -> list[str]:
    """The classes that these rows lack, where they lack so many that no epoch can be selected by them; else none."""
    counts = targets.count(rows)
    missing = [name for name, count in counts.items() if count == 0]
    return missing if len(missing) >= len(counts) - 1 and len(counts) > 1 else []


def refuse_deep_files(manifest: Manifest, experiment: Experiment) -> None:
    record = experiment.preprocessing
    deep = [row for row in manifest.rows if (row.depth or 8) > 8]
    if deep and record.depth == 8 and record.window.mode == "full":
        have = counted(len(deep), "image has", "images have")
        raise ConfigError(
            f"{have} more than 8 bits, such as {plain(deep[0].path, 80)}, and preprocessing keeps 8: "
            "set preprocessing.window.mode to percentile, fixed or tags, or preprocessing.depth to 16"
        )


def read_ahead(plan: Plan, progress: Progress) -> None:
    """Decode what is first needed after an epoch: the images to validate, test and prove exports on.

    They stay in the cache as far as it has room. DataError or ImageError names the first file that cannot be read.
    """
    crossed = not any(row.split for row in plan.samples.rows)
    late = [number for number, row in enumerate(plan.samples.rows) if crossed or row.split in ("val", "test")]
    stage = progress.stage("reading validation and test images")
    workers = plan.experiment.data.workers
    with ThreadPoolExecutor(available_cores() if workers is None else max(1, workers)) as pool:
        for done, _ in enumerate(pool.map(plan.images.__getitem__, late), start=1):
            stage(done, len(late))
