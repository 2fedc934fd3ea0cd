"""How many films of a split the model finds unlike those that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lopore.messages import counted
from lopore.record.interval import Interval

from .binomial import exact_share
from .statement import Facts


class UnlikeTraining(Facts):
    """images, films: of the split that are marked as unlike training, of how many. rate: of the films, with its exact
    95 % interval. stated: the largest share that the record promises for films like those of training."""

    images: int
    of_images: int
    films: int
    of_films: int
    rate: Interval
    stated: float | None

    @property
    def text(self) -> str:
        """One sentence for a person."""
        rate = self.rate
        bounds = f" ({rate.value:.3f}, {rate.low:.3f} to {rate.high:.3f})" if rate.value is not None else ""
        found = f"{self.films} of {counted(self.of_films, 'film')}{bounds} are unlike the training films"
        if self.stated is None:
            return f"{found}; how many of like films would be marked is not known."
        apart = rate.low is not None and rate.low > self.stated
        verdict = "more than chance: these films are others" if apart else "no more than chance would mark"
        return f"{found}; of like films at most {self.stated:.0%} would be: {verdict}."


def unlike_training(marked: Sequence[bool], groups: NDArray[np.int64], stated: float | None) -> UnlikeTraining:
    """marked: (N,) whether each image is. groups: (N,) film of each, whole numbers; a film is by any of its images."""
    flags = np.asarray(marked, np.bool_)
    films, of_films = len(np.unique(groups[flags])), len(np.unique(groups))
    return UnlikeTraining(
        images=int(flags.sum()), of_images=len(flags), films=films, of_films=of_films,
        rate=exact_share(films, of_films), stated=stated,
    )  # fmt: skip
