"""The map lies on what the model looks at, is on the stated scale, repeats, and needs bounded memory."""

from __future__ import annotations

import tracemalloc

import lopore_rise.rise as rise
import numpy as np
import pytest
from lopore_rise.rise import explain, random_masks

from lopore.contracts import PixelBatch, Scores

SIDE = 64


class CornerSession:
    """Says how bright one square of the image is, and nothing else: the map of it is known."""

    largest = 0

    def predict(self, batch: PixelBatch) -> Scores:
        self.largest = max(self.largest, len(batch))
        bright = batch[:, 8:20, 40:52].mean(axis=(1, 2, 3)) / np.iinfo(batch.dtype).max
        return np.stack([1 - bright, bright], axis=1).astype(np.float32)

    def close(self) -> None:
        pass


def image(dtype: type = np.uint8, channels: int = 1) -> PixelBatch:
    shown = np.full((1, SIDE, SIDE, channels), np.iinfo(dtype).max // 5, dtype)
    shown[:, 8:20, 40:52] = np.iinfo(dtype).max
    return shown


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint16, 1), (np.uint8, 3)])
def test_the_map_lies_on_what_the_score_hangs_on(dtype: type, channels: int) -> None:
    (found,) = explain(CornerSession(), image(dtype, channels), 1)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 8 <= row < 20 and 40 <= column < 52
    assert found[8:20, 40:52].mean() > 8 * found[32:, :32].mean()


def test_the_scale_is_a_probability_gained() -> None:
    """Seeing the whole square lifts its score from 0.2 to 1: the map is that gain times how masks go together."""
    masks = np.concatenate(list(random_masks((SIDE, SIDE), rise.MASKS, rise.SEED, 64))).astype(np.float64)
    square = masks[:, 8:20, 40:52].mean(axis=(1, 2)) - 0.5
    expected = 0.8 * np.tensordot(square, masks - 0.5, axes=1) / (0.5 * len(masks))
    (found,) = explain(CornerSession(), image(), 1)
    assert np.allclose(found, np.maximum(expected, 0), atol=2e-3)
    (other,) = explain(CornerSession(), image(), 0)
    assert other[8:20, 40:52].max() == 0


def test_equal_seeds_give_equal_maps_and_more_masks_less_noise() -> None:
    session = CornerSession()
    assert np.array_equal(explain(session, image(), 1), explain(session, image(), 1))
    exact = explain(session, image(), 1, masks=16384, seed=5)
    noise = [
        np.mean([np.abs(explain(session, image(), 1, masks=masks, seed=seed) - exact).mean() for seed in range(3)])
        for masks in (128, 2048)
    ]
    assert noise[1] < 0.5 * noise[0]


def test_each_place_is_seen_in_half_of_the_masks() -> None:
    batches = list(random_masks((40, 56), 256, seed=1, batch=24))
    assert [len(batch) for batch in batches] == [24] * 10 + [16]
    shown = np.concatenate(batches)
    assert shown.min() >= 0 and shown.max() <= 1
    assert np.allclose(shown.mean(axis=0), 0.5, atol=1e-6)
    assert shown.std(axis=0).min() > 0.2
    with pytest.raises(ValueError, match="even number"):
        next(random_masks((8, 8), 3, seed=0, batch=1))


def test_memory_is_bounded_whatever_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rise, "BYTES", 4 << 20)
    session = CornerSession()
    large = np.zeros((1, 640, 640, 1), np.uint8)
    tracemalloc.start()
    explain(session, large, 1, masks=32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert session.largest == 1
    assert peak < 60 * large.size  # sums of this one image, a mask and its copy
