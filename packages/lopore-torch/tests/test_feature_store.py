"""A frozen backbone sees each image once; what is learned is what it would learn without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.films import batches
from made.learning import request, same

from lopore.contracts import Batch
from lopore_torch.learner import TorchLearner

KINDS: list[dict[str, Any]] = [
    {"backbone": "mobilenetv3_small_100", "side": 32},
    {
        "backbone": "unet-mobilenetv3_small_100", "side": 64, "task": "segmentation", "classes": ("pore",),
        "network_outputs": 2, "network_segmentation": True,
    },
]  # fmt: skip


def epoch(kind: dict[str, Any], order: int, *, numbered: bool = True) -> list[Batch]:
    """Twelve images in batches of four, in an order of its own."""
    whole = batches(12, 12, 1, side=kind["side"])[0]
    targets = np.asarray(whole.targets)
    if kind.get("task") == "segmentation":
        targets = (whole.pixels[..., 0] > np.median(whole.pixels)).astype(np.int64)
    rows = np.random.default_rng(order).permutation(12)
    parts = [rows[at : at + 4] for at in range(0, 12, 4)]
    return [Batch(whole.pixels[part], targets[part], numbers=part if numbered else None) for part in parts]


def learner_of(kind: dict[str, Any]) -> TorchLearner:
    return TorchLearner(request(**kind, freeze="backbone", epochs=3, steps_per_epoch=3))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["backbone"])
def test_features_are_computed_once_and_training_ends_as_without_them(kind: dict[str, Any]) -> None:
    kept, anew, plain = learner_of(kind), learner_of(kind), learner_of(kind)
    assert kept.store is not None
    assert anew.store is not None
    anew.store.limit = 0
    for number in range(3):
        loss = kept.fit_epoch(number, epoch(kind, number)).loss
        assert loss == anew.fit_epoch(number, epoch(kind, number)).loss
        # A batch is summed in another order than one image; a unit of ReLU near 0 then takes the other branch.
        assert loss == pytest.approx(plain.fit_epoch(number, epoch(kind, number, numbered=False)).loss, rel=1e-2)
    assert kept.store.computed == 12
    assert anew.store.computed == 36
    shown = [replace(batch, targets=None) for batch in epoch(kind, 9)]
    np.testing.assert_array_equal(kept.predict(shown), anew.predict(shown))
    assert kept.store.computed == 12, "validation takes the same features"


def test_a_resumed_run_keeps_the_same_features_bit_by_bit(tmp_path: Path) -> None:
    kind = KINDS[0]
    whole, first = learner_of(kind), learner_of(kind)
    for learner in (whole, first):
        learner.fit_epoch(0, epoch(kind, 0))
    first.save(tmp_path)
    whole.fit_epoch(1, epoch(kind, 1))
    second = learner_of(kind)
    second.restore(tmp_path)
    second.fit_epoch(1, epoch(kind, 1))
    assert same(whole.network.state_dict(), second.network.state_dict())


def test_images_beyond_the_limit_are_computed_each_time() -> None:
    kind = KINDS[0]
    learner = learner_of(kind)
    assert learner.store is not None
    learner.store.limit = 0
    learner.fit_epoch(0, epoch(kind, 0))
    learner.fit_epoch(1, epoch(kind, 1))
    assert learner.store.computed == 24


def test_changed_images_and_trained_backbones_are_never_kept() -> None:
    kind = KINDS[0]
    learner = learner_of(kind)
    learner.fit_epoch(0, epoch(kind, 0, numbered=False))
    assert learner.store is not None
    assert learner.store.computed == 0
    assert TorchLearner(request(**kind, freeze="half")).store is None


def test_what_a_learned_convolution_from_grey_moves_is_computed_anew_though_the_backbone_keeps_its_weights() -> None:
    learner = TorchLearner(request(**KINDS[0], freeze="backbone", network_grey_input="convolution"))
    before = {name: value.clone() for name, value in learner.network.state_dict().items()}
    learner.fit_epoch(0, epoch(KINDS[0], 0))
    after = learner.network.state_dict()
    moved = {name for name, value in before.items() if not value.equal(after[name])}
    assert learner.store is None
    assert {"colour.weight", "colour.bias"} < moved
    assert all(name.startswith(("colour.", "body.classifier.")) for name in moved), moved
