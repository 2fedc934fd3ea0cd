"""One film with region after region painted over: the defect, its background, the border, what a heat map shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.data.class_names import is_sound
from lopore.inference.decisions import decide
from lopore.inference.explain import raw_maps
from lopore.inference.predict import Prepared, score_images
from lopore.preprocessing.resampling import resize

from .inpainting import Mask, grown, paint_over

if TYPE_CHECKING:
    from lopore.contracts import Explainer
    from lopore.models.opening import OpenModel

REGIONS: Mapping[str, str] = {
    "mark": "the defect itself",
    "hottest": "what the heat map points at beside the defect",
    "border": "the outer frame, where lead letters and film marks lie",
    "background": "everything but the defect and its neighbourhood",
    "elsewhere": "as much area as the defect has, at places chosen by chance",
}
_FRAME, _MARGIN, _HOT, _PLACES, _BATCH = 0.12, 0.03, 0.05, 4, 32


@dataclass(frozen=True)
class Probe:
    """One film with one region painted over. pixels: (h, w, C) as the network took it. score: of the called class.

    lost: share of the region's places at which the class is no longer called: 0 or 1, but for "elsewhere".
    """

    region: str
    pixels: Pixels
    score: float
    lost: float


@dataclass(frozen=True)
class Probed:
    """A film as it is and with each region painted over. called: the class whose score is followed."""

    called: str
    score: float
    marked_by: str
    probes: tuple[Probe, ...]


def probe(
    model: OpenModel, prepared: Prepared, *, mark: Mask | None = None, explainer: Explainer | None = None, seed: int = 0
) -> Probed | None:
    """Paint over each region of one film and score again; None where no class was called.

    mark: (h, w) bool over the network's input, from ``lopore.data.masks.mark_of``; None takes the hottest part of the
    heat map, where there is one. The class is the one that was called; the highest score of several.
    """
    record = model.record
    row = score_images(model, [prepared.pixels])[0]
    labels = decide(record, row).labels
    if not labels:
        return None
    column = max((record.classes.index(name) for name in labels), key=lambda index: float(row[index]))
    heat = _heat(model, prepared, explainer, column)
    marked_by = "mask" if mark is not None else "nothing"
    if mark is None and heat is not None and heat.max() > 0 and not is_sound(record.classes[column]):
        mark, marked_by = _hottest(heat, _HOT), "heat map"
    rng = np.random.default_rng(seed)
    regions = list(_regions(prepared.pixels.shape[:2], mark, heat, rng, trusted=marked_by != "heat map"))
    images = [paint_over(prepared.pixels, region, rng) for _, region in regions]
    scores = _scores(model, images)
    gone = [record.classes[column] not in decide(record, one).labels for one in scores]
    found = _merged([name for name, _ in regions], images, scores[:, column].tolist(), gone)
    return Probed(record.classes[column], float(row[column]), marked_by, found)


def _scores(model: OpenModel, images: Sequence[Pixels]) -> NDArray[np.float32]:
    parts = [score_images(model, images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, len(model.record.classes)), np.float32)


def _merged(
    names: Sequence[str], images: Sequence[Pixels], scores: Sequence[float], gone: Sequence[bool]
) -> tuple[Probe, ...]:
    """One probe a region; of several places the first is shown and the mean counts."""
    together: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        together.setdefault(name, []).append(number)
    return tuple(
        Probe(
            name,
            images[places[0]],
            score=float(np.mean([scores[index] for index in places])),
            lost=float(np.mean([gone[index] for index in places])),
        )
        for name, places in together.items()
    )


def _heat(model: OpenModel, prepared: Prepared, explainer: Explainer | None, column: int) -> NDArray[np.float32] | None:
    if explainer is None:
        return None
    return resize(raw_maps(model, explainer, prepared.pixels[None], column)[0], prepared.geometry.size)


def _hottest(heat: NDArray[np.float32], share: float, allowed: Mask | None = None) -> Mask:
    """The hottest pixels, ``share`` of the image at most, those without any heat left out."""
    values = heat if allowed is None else np.where(allowed, heat, 0.0)
    count = max(1, round(share * heat.size))
    floor = float(np.partition(values, values.size - count, axis=None)[values.size - count])
    return np.asarray((values >= floor) & (values > 0), np.bool_)


def _regions(
    size: tuple[int, int],
    mark: Mask | None,
    heat: NDArray[np.float32] | None,
    rng: np.random.Generator,
    *,
    trusted: bool,
) -> Iterator[tuple[str, Mask]]:
    """Named regions; "elsewhere" comes several times. Regions that would be empty are left out.

    trusted: the mark is known to be the defect; one guessed from heat may be a letter, so the border keeps it.
    """
    margin = max(2, round(_MARGIN * max(size)))
    near = grown(mark, margin) if mark is not None and mark.any() else np.zeros(size, np.bool_)
    if mark is not None and mark.any():
        yield "mark", grown(mark, 2)
    if heat is not None and trusted:
        hot = _hottest(heat, max(_HOT, float(near.mean())), ~near)
        if hot.any():
            yield "hottest", grown(hot, 2) & ~near
    yield "border", _frame(size) & ~near if trusted else _frame(size)
    if not near.any():
        return
    wide = grown(near, 2 * margin)
    if not wide.all():
        yield "background", ~wide
    for region in _moved(grown(np.asarray(mark), 2), near, rng):
        yield "elsewhere", region


def _frame(size: tuple[int, int]) -> Mask:
    frame = np.ones(size, np.bool_)
    down, across = (max(1, round(_FRAME * length)) for length in size)
    frame[down:-down, across:-across] = False
    return frame


def _moved(mark: Mask, near: Mask, rng: np.random.Generator) -> Iterator[Mask]:
    """The mark's shape at other places of the image, off the mark by most of its area."""
    rows, columns = np.nonzero(mark)
    shape = mark[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    room = mark.shape[0] - shape.shape[0], mark.shape[1] - shape.shape[1]
    found = 0
    for _ in range(20 * _PLACES):
        top, left = (int(rng.integers(0, free + 1)) for free in room)
        region = np.zeros_like(mark)
        region[top : top + shape.shape[0], left : left + shape.shape[1]] = shape
        clear = region & ~near
        if clear.sum() >= 0.8 * shape.sum():
            found += 1
            yield clear
        if found == _PLACES:
            return
