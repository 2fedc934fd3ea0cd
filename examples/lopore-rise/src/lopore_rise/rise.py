"""RISE: the image under many random masks, and what the model says of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import HeatMaps, PixelBatch, Pixels, Session

MASKS = 1024
"""Half of them are the other half's opposites: each place is seen in exactly half of all."""
CELLS = 7
"""Cells of a mask across the image, as in the paper; each is seen or hidden with probability 1/2."""
SEED = 2018
BYTES = 32 << 20
"""What the masks and masked copies of one batch may take."""
LARGEST_BATCH = 64

Masks = NDArray[np.float32]


def explain(session: Session, batch: PixelBatch, class_index: int, *, masks: int = MASKS, seed: int = SEED) -> HeatMaps:
    """How much the class's probability rises where a place is seen.

    batch: (N, H, W, C) uint8 or uint16; not modified. masks: even; the cost of an image in predictions.
    Returns (N, H, W) float32, 0 to 1: mean probability of the masked copies that show the place, minus that of all
    copies, weighed by how far each shows it; 0 where seeing it does not help. Equal images, masks and seed give
    equal maps; a map's noise falls with the root of ``masks``. Memory is bounded by ``BYTES``, whatever the size.
    Source: Petsiuk, Das, Saenko: RISE, BMVC 2018, equation 6, with two changes: hidden places take the image's
    median grey, for black means thick metal on film; and the mean over all masks, the same everywhere, is taken off.
    """
    count, height, width = batch.shape[:3]
    greys = [np.median(image, axis=(0, 1)) for image in batch]
    sums = np.zeros((count, height, width), np.float64)
    seen = np.zeros((height, width), np.float64)
    total = np.zeros(count, np.float64)
    for shown in random_masks((height, width), masks, seed, _batch_size(batch)):
        seen += shown.sum(axis=0)
        for number, image in enumerate(batch):
            scores = session.predict(_masked(image, greys[number], shown))[:, class_index].astype(np.float64)
            sums[number] += np.tensordot(scores, shown, axes=1)
            total[number] += scores.sum()
    gained = sums / np.maximum(seen, 1e-6) - (total / masks)[:, None, None]
    return np.maximum(gained, 0).astype(np.float32)


def random_masks(size: tuple[int, int], count: int, seed: int, batch: int) -> Iterator[Masks]:
    """``count`` smooth masks in batches of at most ``batch``: (n, H, W) float32, 0 hidden to 1 seen, in opposite pairs.

    A grid of random cells, one wider than the image each way, is drawn large and laid over it at a random offset.
    """
    if count < 2 or count % 2:
        raise ValueError(f"{count} masks; an even number is drawn, for each has its opposite")
    rng = np.random.default_rng(seed)
    waiting: list[Masks] = []
    for _ in range(count // 2):
        mask = _smooth(rng.integers(0, 2, (CELLS + 2, CELLS + 2)), rng.random(2), size)
        for one in (mask, 1 - mask):
            waiting.append(one)
            if len(waiting) == batch:
                yield np.stack(waiting)
                waiting = []
    if waiting:
        yield np.stack(waiting)


def _smooth(cells: NDArray[np.int64], offset: NDArray[np.float64], size: tuple[int, int]) -> Masks:
    """Bilinear between the centres of cells; ``offset`` in cells, 0 to 1 each way."""
    mask = cells.astype(np.float32)
    for axis, side in enumerate(size):
        place = (np.arange(side) + 0.5) * CELLS / side + offset[axis]
        low = np.floor(place).astype(int)
        share = (place - low).astype(np.float32)
        share = share[:, None] if axis == 0 else share[None, :]
        mask = mask.take(low, axis) * (1 - share) + mask.take(low + 1, axis) * share
    return np.asarray(mask, np.float32)


def _batch_size(batch: PixelBatch) -> int:
    """Masks at once: each takes its own float32, a copy in work, and a masked image of every channel."""
    each = batch[0, :, :, 0].size * (8 + 6 * batch.shape[3])
    return int(np.clip(BYTES // each, 1, LARGEST_BATCH))


def _masked(image: Pixels, grey: NDArray[np.float64], shown: Masks) -> PixelBatch:
    """Copies of an image (H, W, C), one a mask, hidden places in ``grey`` (C,)."""
    base = grey.astype(np.float32)
    copies = (image.astype(np.float32) - base) * shown[..., None]
    copies += base
    return np.asarray(np.rint(copies, out=copies), image.dtype)
