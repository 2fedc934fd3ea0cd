"""What every explainer promises for each format that it reads; judged on a small model that was really trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import HeatMaps, PixelBatch
from lopore.contracts import Explainer, Session
from lopore.record.folder import ModelFolder

from .check import NotJudged, require
from .images import images_for
from .process import leaves_all
from .workshop import Workshop

FEW = 2
MapCheck = Callable[[Explainer, str, Workshop], None]


def checks() -> Iterator[MapCheck]:
    """The promises of an explainer for each format that it reads."""
    yield from (
        maps_have_one_plane_an_image,
        maps_are_finite_and_not_negative,
        one_image_does_not_change_another,
        repeatable,
        fits_answers_for_any_session,
        leaves_the_process_as_it_was,
        leaves_the_session_as_it_was,
    )


def _images(folder: ModelFolder, count: int = FEW) -> PixelBatch:
    return images_for(folder.record.preprocessing, count)


def _explained(explainer: Explainer, format: str, workshop: Workshop) -> tuple[Session, ModelFolder, list[HeatMaps]]:
    """A session that fits, its model, and the maps of each class on the same images."""
    session, folder = _fitting(explainer, format, workshop)
    pixels, classes = _images(folder), range(len(folder.record.classes))
    maps = workshop.maps(
        explainer.key, format, lambda: [explainer.explain(session, pixels, index) for index in classes]
    )
    return session, folder, maps


def _fitting(explainer: Explainer, format: str, workshop: Workshop) -> tuple[Session, ModelFolder]:
    session, folder = workshop.session(workshop.any_format() if format == "*" else format)
    fits: Any = explainer.fits(session)
    require(isinstance(fits, bool), f"fits gave {type(fits).__name__}, not True or False")
    if not fits:
        raise NotJudged(f"it does not fit the model at hand ({folder.record.backbone}); give one with models=[FOLDER]")
    return session, folder


def maps_have_one_plane_an_image(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """Maps are (N, h, w) float32 for every class."""
    for maps in _explained(explainer, format, workshop)[2]:
        require(isinstance(maps, np.ndarray), f"explain gave {type(maps).__name__}, not an array")
        shaped = maps.ndim == 3 and len(maps) == FEW and maps.size > 0 and maps.dtype == np.float32
        require(shaped, f"maps are {maps.dtype} {maps.shape} for {FEW} images; (N, h, w) float32 is asked")


def maps_are_finite_and_not_negative(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """No value is negative, infinite or NaN."""
    for maps in _explained(explainer, format, workshop)[2]:
        require(bool(np.isfinite(maps).all()), "a map holds values that are no numbers")
        require(bool((maps >= 0).all()), f"a map goes down to {maps.min():.3g}; none is under 0")


def one_image_does_not_change_another(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """An image's map is the same alone and among others, so nothing is stretched over a batch."""
    session, folder, maps = _explained(explainer, format, workshop)
    for index, together in enumerate(maps):
        alone = np.concatenate([explainer.explain(session, _images(folder)[at : at + 1], index) for at in range(FEW)])
        off = float(np.abs(alone.astype(np.float64) - together).max())
        require(off <= 1e-3 * max(float(together.max()), 1e-6), f"alone and in a batch maps differ by {off:.1e}")


def repeatable(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """The same image and class give the same map; what draws at random seeds itself."""
    session, folder, maps = _explained(explainer, format, workshop)
    for index, first in enumerate(maps):
        again = explainer.explain(session, _images(folder), index)
        off = float(np.abs(np.asarray(again, np.float64) - first).max())
        require(off <= 1e-3 * max(float(first.max()), 1e-6), f"two maps of the same images differ by {off:.1e}")


class _Stranger:
    """A session of somebody else's predictor: nothing but what the contract promises."""

    def predict(self, batch: PixelBatch) -> NDArray[np.float32]:
        return np.full((len(batch), 2), 0.5, np.float32)

    def close(self) -> None: ...


def fits_answers_for_any_session(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """``fits`` says True or False of a session that another package opened, and never fails."""
    answer: Any = explainer.fits(_Stranger())
    require(isinstance(answer, bool), f"fits gave {type(answer).__name__} for a stranger's session, not True or False")


def leaves_the_process_as_it_was(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """Random states, directory, locale, environment, library settings and threads are the same afterwards."""
    session, folder = _fitting(explainer, format, workshop)
    leaves_all(lambda: explainer.explain(session, _images(folder), 0))


def leaves_the_session_as_it_was(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """Predictions, and the pixels given, are the same after explaining: mode, weights and hooks are put back."""
    session, folder = _fitting(explainer, format, workshop)
    batch = _images(folder)
    before = session.predict(batch)
    for index in range(len(folder.record.classes)):
        explainer.explain(session, batch, index)
    after = session.predict(_images(folder))
    off = float(np.abs(before.astype(np.float64) - after).max())
    require(off <= 1e-6, f"scores differ by {off:.1e} after explaining")
    require(
        np.array_equal(batch, _images(folder)),
        "explain changed the pixels that it was given",
    )
