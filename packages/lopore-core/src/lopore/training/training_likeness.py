"""What tells an image unlike those that a finished network learned from."""

from __future__ import annotations

from lopore.data.likeness import fit_likeness
from lopore.data.relief import fit_relief, relief_of
from lopore.data.tiles import FilmTiles
from lopore.record.likeness import TrainingLikeness, TrainingRelief

from .plan import Plan, Rows

_MOST = 500


def training_likeness(plan: Plan, train: Rows) -> tuple[dict[str, float], TrainingLikeness]:
    """``fit_likeness`` of the training images, some 500 of them spread over all; a model of tiles judges films."""
    sample = train[:: max(1, len(train) // _MOST)]
    seen = plan.images.appearances([int(row) for row in sample])
    by_tiles = plan.experiment.preprocessing.resize == "tile"
    return fit_likeness(seen, plan.groups[sample], whole_films=by_tiles)


def training_relief(plan: Plan, train: Rows) -> TrainingRelief | None:
    """``fit_relief`` of the training films, some 500 of them, of a model of tiles; None for a model of images."""
    if not isinstance(plan.images, FilmTiles):
        return None
    numbers = sorted({plan.images.tiles[int(row)].film for row in train})
    reliefs = []
    for number in numbers[:: max(1, len(numbers) // _MOST)]:
        with plan.images.films.input(number) as film:
            reliefs.append(relief_of(film))
    return fit_relief(reliefs)
