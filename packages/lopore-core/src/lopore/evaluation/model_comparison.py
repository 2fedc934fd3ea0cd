"""What a comparison of two models found, before it is written."""

from __future__ import annotations

from dataclasses import dataclass

from lopore.data.manifest import Manifest
from lopore.metrics.paired import PairedComparison

from .results import Evaluation


@dataclass(frozen=True)
class ModelComparison:
    """Both models' answers on the images that both answered, in one order. titles: of the models."""

    titles: tuple[str, str]
    evaluations: tuple[Evaluation, Evaluation]
    manifest: Manifest
    rows: tuple[tuple[int, ...], tuple[int, ...]]
    comparison: PairedComparison
    notes: tuple[str, ...]
