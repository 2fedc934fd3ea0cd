"""What tells an image unlike those that a finished network learned from."""

from __future__ import annotations

from lopore.data.likeness import fit_likeness
from lopore.record.likeness import TrainingLikeness

from .plan import Plan, Rows

_MOST = 500


def training_likeness(plan: Plan, train: Rows) -> tuple[dict[str, float], TrainingLikeness]:
    """``fit_likeness`` of the training images, some 500 of them spread over all; a model of tiles judges films."""
    sample = train[:: max(1, len(train) // _MOST)]
    seen = plan.images.appearances([int(row) for row in sample])
    by_tiles = plan.experiment.preprocessing.resize == "tile"
    return fit_likeness(seen, plan.groups[sample], whole_films=by_tiles)
