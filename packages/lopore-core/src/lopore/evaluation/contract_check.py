"""Whether a model keeps a recall that was agreed on, on films that it did not learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lopore.errors import ConfigError
from lopore.metrics.contract import contract_at, recall_contract
from lopore.metrics.operating_point import truth_table
from lopore.metrics.statement import Facts, Refusal
from lopore.record.contract import RecallContract

if TYPE_CHECKING:
    from lopore.evaluation.results import Evaluation
    from lopore.record.model import ModelRecord


class ContractCheck(Facts):
    """By class. own: what the model's threshold proves on these films. best: the highest threshold that would keep the
    contract here, a proposal to be confirmed on other films. refusals: where the films are too few for any."""

    own: dict[str, RecallContract]
    best: dict[str, RecallContract]
    refusals: dict[str, Refusal]

    @property
    def holds(self) -> bool:
        """Whether the model's own thresholds keep the contract for every class."""
        return all(one.holds for one in self.own.values())

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person reads, two lines a class."""
        found: list[str] = []
        for name, own in self.own.items():
            found.append(f"{name}, the model's threshold: {own.text}")
            if name in self.refusals:
                found.append(f"{name}: {self.refusals[name].text}")
            elif not own.holds or self.best[name].threshold > own.threshold:
                found.append(f"{name}, chosen on these films: {self.best[name].text} Confirm it on other films.")
        return tuple(found)


def check_contract(
    evaluation: Evaluation, record: ModelRecord, *, recall: float, confidence: float = 0.95
) -> ContractCheck:
    """The contract on the films of an evaluation; ConfigError for a multiclass model, which has no threshold."""
    if record.task == "multiclass":
        raise ConfigError("a contract needs a threshold, and a multiclass model answers with its largest score")
    truth = truth_table(evaluation.targets.labels, len(record.classes))
    groups = evaluation.manifest.group_ids()
    names = [record.positive or record.classes[-1]] if record.task == "binary" else list(record.classes)
    own: dict[str, RecallContract] = {}
    best: dict[str, RecallContract] = {}
    refusals: dict[str, Refusal] = {}
    for name in names:
        column = record.classes.index(name)
        scores, labels = evaluation.scores[:, column].astype("float64"), truth[:, column]
        own[name] = contract_at(record.threshold_of(name), scores, labels, groups, recall=recall, confidence=confidence)
        found = recall_contract(scores, labels, groups, recall=recall, confidence=confidence)
        if isinstance(found, Refusal):
            refusals[name] = found
        else:
            best[name] = found
    return ContractCheck(own=own, best=best, refusals=refusals)
