"""What waits for a model: whole requests share batches, keep their order, and are counted by their images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made.models import SIDE, publish

from lopore.arrays import PixelBatch
from lopore.inference.predict import score_images
from lopore.models.opening import OpenModel, open_model
from lopore.record.folder import ModelFolder
from lopore_serve.batching import BusyError, ModelWorker
from lopore_serve.measures import Measures


@pytest.fixture
def model(tmp_path: Path) -> Iterator[OpenModel]:
    opened = open_model(ModelFolder.read(publish(tmp_path / "bright").path), device="cpu")
    yield opened
    opened.session.close()


def noise(count: int) -> PixelBatch:
    grey = np.random.default_rng(count).integers(0, 256, (count, 1, 1, 1), np.uint8)
    return np.broadcast_to(grey, (count, SIDE, SIDE, 1)).copy()


def test_requests_of_many_images_are_answered_in_their_order_and_never_torn(model: OpenModel) -> None:
    measures = Measures()
    worker = ModelWorker(model, 200, measures)
    images, sizes = noise(100), (1, 20, 20, 8, 32, 1, 18)
    ends = np.cumsum(sizes)
    with worker.lock:  # so that all of them wait
        futures = [
            worker.submit(list(images[end - size : end]), distances=bool(size % 2))
            for size, end in zip(sizes, ends, strict=True)
        ]
    found = [[answer.scores for answer in future.result(30)] for future in futures]
    worker.stop()
    assert [len(one) for one in found] == list(sizes)
    np.testing.assert_allclose(np.concatenate(found), score_images_of(images, model), atol=1e-6)
    assert b'lopore_images_total{model="bright"} 100.0' in measures.text()
    assert b'lopore_waiting_images{model="bright"} 0.0' in measures.text()


def score_images_of(images: PixelBatch, model: OpenModel) -> np.ndarray:
    again = open_model(model.folder, device="cpu")
    return np.asarray(score_images(again, list(images)))


def test_the_queue_counts_images_and_refuses_at_once(model: OpenModel) -> None:
    worker = ModelWorker(model, 40, Measures())
    with worker.lock:
        held = worker.submit(list(noise(8)))
        while not held.running():  # it is with the session, no longer in the queue
            pass
        waiting = [worker.submit(list(noise(20))), worker.submit(list(noise(20)))]
        with pytest.raises(BusyError, match="40 images wait for bright"):
            worker.submit(list(noise(1)))
    assert [len(one.result(30)) for one in waiting] == [20, 20]
    worker.stop()
    with pytest.raises(BusyError, match="stopping"):
        worker.submit(list(noise(1)))
