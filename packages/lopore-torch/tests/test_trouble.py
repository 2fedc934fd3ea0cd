"""A device without memory and a disk without room are one line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made.films import batches
from made.learning import request
from made.limits import files_of_at_most

from lopore.atomic_files import atomic_folder
from lopore.errors import LoporeError, RunError
from lopore_torch.learner import TorchLearner

TINY = "test_resnet"


@pytest.mark.parametrize("what", ["save", "save_weights", "publish"])
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(tmp_path: Path, what: str) -> None:
    learner = TorchLearner(request(TINY, 32))
    part = atomic_folder(tmp_path / "part")
    with files_of_at_most(1000), pytest.raises(LoporeError, match="cannot be written") as caught, part as folder:
        getattr(learner, what)(folder)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:128] . DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory_for_a_batch_is_told_with_the_settings_that_help(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    learner = TorchLearner(request(TINY, 32, batch_size=4))

    def full(*_: Any) -> None:
        raise error

    monkeypatch.setattr(learner.network, "forward", full)
    with pytest.raises(
        RunError, match=r"batches of 4 images; lower training\.batch_size .*training\.accumulation_steps"
    ):
        learner.fit_epoch(0, batches(4, 4, side=32))


def test_what_a_device_cannot_do_deterministically_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = TorchLearner(request(TINY, 32))

    def undecided(*_: Any) -> None:
        torch.zeros(4).put_(torch.tensor([0]), torch.ones(1))

    monkeypatch.setattr(learner.network, "forward", undecided)
    with pytest.raises(RunError, match=r"^put_ has no .* set training\.deterministic: false") as caught:
        learner.fit_epoch(0, batches(4, 4, side=32))
    assert "\n" not in str(caught.value)


def test_one_image_a_batch_where_features_are_one_pixel_is_told_what_to_raise() -> None:
    learner = TorchLearner(request("resnet10t", 32, batch_size=1))
    with pytest.raises(RunError, match=r"raise training\.batch_size to 2, or preprocessing\.size"):
        learner.fit_epoch(0, batches(2, 1, side=32))


def test_other_errors_keep_their_own_name() -> None:
    learner = TorchLearner(request(TINY, 32))
    wrong = batches(4, 4, side=32)[0]
    with pytest.raises((RuntimeError, IndexError, ValueError)) as caught:
        learner.fit_epoch(0, [type(wrong)(np.repeat(wrong.pixels, 3, axis=3), wrong.targets)])
    assert not isinstance(caught.value, LoporeError)
