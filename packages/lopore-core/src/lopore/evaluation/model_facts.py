"""What is known of a model, in one record: the report, the card and the JSON say the same from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from lopore.arrays import ANOMALY
from lopore.errors import DataError
from lopore.evaluation.contract_check import ContractCheck, check_contract
from lopore.messages import counted, plain
from lopore.metrics.classification import Metrics
from lopore.metrics.conformal import AbstentionCheck, check_abstention
from lopore.metrics.operating_point import truth_table
from lopore.metrics.pod.study import PodStudy
from lopore.metrics.statement import Facts
from lopore.record.model import ModelRecord

if TYPE_CHECKING:
    from lopore.evaluation.results import Evaluation


class ModelFacts(Facts):
    """The record, the scores of one split, and what was checked on it; None where it was not asked for."""

    record: ModelRecord
    split: str
    metrics: Metrics
    contract: ContractCheck | None = None
    abstention: AbstentionCheck | None = None
    pod: PodStudy | None = None

    @property
    def data_lines(self) -> tuple[str, ...]:
        """Data, split and leaks in sentences."""
        record, leaks = self.record, self.record.leaks
        images = counted(self.metrics.images, "image")
        prints = [(text or "none")[:16] for text in (record.data_fingerprint, record.split_fingerprint)]
        clean = (
            f"{leaks.leaks} of {leaks.checked_pairs} checked pairs leak"
            if leaks.leaks
            else f"no leak in {leaks.checked_pairs} checked pairs"
        )
        return (
            f"Scored on {images} of {counted(self.metrics.groups, 'group')}: {self.split}.",
            f"Split: {leaks.split_kind}; {clean}.",
            f"Licence of the data: {record.licence or 'not stated'}.",
            f"Data fingerprint {prints[0]}, split fingerprint {prints[1]}.",
        )

    @property
    def limits(self) -> tuple[str, ...]:
        """What the model must not be taken for."""
        record, plan = self.record, self.record.preprocessing
        known = f"It knows {', '.join(record.classes)} and nothing else; another defect gets one of these names."
        if record.task == ANOMALY:
            known = "It knows sound images alone: it marks whatever is unlike them, and names no kind of defect."
        found = [
            known,
            f"It saw images at {plan.size[1]} x {plan.size[0]} px; what is smaller than a few of these pixels is lost.",
            "A score on films of this set says nothing about other welds, detectors or exposures.",
        ]
        if record.leaks.leaks:
            found.insert(0, "It was trained on a split that leaks: its scores are too good and prove nothing.")
        if self.pod is None:
            found.append("No probability of detection over size was stated: which size is missed is not known.")
        if record.abstention is None:
            found.append("It always answers; nothing marks images that it is not sure of.")
        return tuple(found)


def facts_of(
    evaluation: Evaluation, record: ModelRecord, *, split: str, contract: float | None = None,
    confidence: float = 0.95, pod: Path | None = None,
) -> ModelFacts:  # fmt: skip
    """All facts of a model that was scored. pod: a ``pod.json`` as ``lopore pod --out`` writes it."""
    abstention = None
    if record.abstention is not None:
        truth = truth_table(evaluation.targets.labels, len(record.classes))
        groups = evaluation.manifest.group_ids()
        abstention = check_abstention(evaluation.scores, truth, groups, record.classes, record.abstention)
    checked = None
    if contract is not None:
        checked = check_contract(evaluation, record, recall=contract, confidence=confidence)
    return ModelFacts(
        record=record,
        split=evaluation.metrics.split or split,
        metrics=evaluation.metrics,
        contract=checked,
        abstention=abstention,
        pod=None if pod is None else read_study(pod),
    )


def read_study(path: Path) -> PodStudy:
    """A study of ``lopore pod``; DataError where the file is none."""
    try:
        return PodStudy.model_validate_json(path.read_bytes())
    except (OSError, ValidationError, json.JSONDecodeError) as error:
        reason = str(error).splitlines()[0][:120]
        raise DataError(
            f"{plain(path)} is no study of `lopore pod` ({reason}); name the pod.json that --out wrote"
        ) from None
