"""Names of scores for people."""

from __future__ import annotations

_NAMES = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "f1": "F1", "iou": "IoU", "balanced_accuracy": "Balanced acc."}


def score_name(name: str) -> str:
    """A score as records name it, in words: ``roc_auc`` as "ROC AUC"."""
    return _NAMES.get(name) or name.replace("_", " ").capitalize()
