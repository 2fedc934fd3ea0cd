from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made.learning import image_loss as loss_of
from torch.nn import functional

from lopore.contracts import IGNORE
from lopore.errors import ConfigError
from lopore.training_settings import Loss

image_loss = partial(loss_of, "torch")
LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)) * 3
TARGETS = torch.tensor([0, 1, 2, 2, 1, 0])


def test_cross_entropy_and_its_smoothing_are_torchs() -> None:
    for smoothing in (0.0, 0.2):
        ours = image_loss(Loss(label_smoothing=smoothing), "multiclass", None)(LOGITS, TARGETS)
        torch.testing.assert_close(
            ours, functional.cross_entropy(LOGITS, TARGETS, label_smoothing=smoothing, reduction="none")
        )


def test_binary_loss_is_bce_on_the_one_logit() -> None:
    ours = image_loss(Loss(), "binary", None)(LOGITS[:, :1], TARGETS % 2)
    torch.testing.assert_close(
        ours, functional.binary_cross_entropy_with_logits(LOGITS[:, 0], (TARGETS % 2).float(), reduction="none")
    )


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_focal_loss_without_focus_is_cross_entropy_and_with_it_easy_images_count_less(task: str) -> None:
    logits = LOGITS[:, :1] if task == "binary" else LOGITS
    targets = (
        functional.one_hot(TARGETS, 3).float() if task == "multilabel" else TARGETS % (2 if task == "binary" else 3)
    )
    plain = image_loss(Loss(), task, None)(logits, targets)  # type: ignore[arg-type]
    unfocused = image_loss(Loss(name="focal", parameters={"focal": {"gamma": 0}}), task, None)(logits, targets)  # type: ignore[arg-type]
    focused = image_loss(Loss(name="focal", parameters={"focal": {"gamma": 2}}), task, None)(logits, targets)  # type: ignore[arg-type]
    torch.testing.assert_close(plain, unfocused)
    assert bool((focused < plain).all())


def test_focal_loss_is_the_papers_formula() -> None:
    p = LOGITS[:, 0].sigmoid()
    truth = TARGETS % 2
    p_true = torch.where(truth == 1, p, 1 - p)
    ours = image_loss(Loss(name="focal", parameters={"focal": {"gamma": 2}}), "binary", None)(LOGITS[:, :1], truth)
    torch.testing.assert_close(ours, -((1 - p_true) ** 2) * p_true.log())


def test_a_class_weight_scales_the_loss_of_its_images() -> None:
    weights = (1.0, 2.0, 5.0)
    plain = image_loss(Loss(), "multiclass", None)(LOGITS, TARGETS)
    torch.testing.assert_close(
        image_loss(Loss(), "multiclass", weights)(LOGITS, TARGETS), plain * torch.tensor(weights)[TARGETS]
    )
    both = image_loss(Loss(), "binary", weights[:2])(LOGITS[:, :1], TARGETS % 2)
    torch.testing.assert_close(
        both, image_loss(Loss(), "binary", None)(LOGITS[:, :1], TARGETS % 2) * torch.tensor(weights)[TARGETS % 2]
    )


def test_a_weight_of_several_labels_counts_where_an_image_has_the_label() -> None:
    truth = (torch.arange(LOGITS.numel()).reshape(LOGITS.shape) % 3 == 0).long()
    weights = (1.0, 2.0, 5.0)
    expected = functional.binary_cross_entropy_with_logits(
        LOGITS, truth.to(LOGITS.dtype), pos_weight=torch.tensor(weights), reduction="none"
    ).mean(dim=1)
    torch.testing.assert_close(image_loss(Loss(), "multilabel", weights)(LOGITS, truth), expected)


@given(cut=st.integers(0, 6), name=st.sampled_from(["cross-entropy", "focal"]), smoothing=st.floats(0, 0.5))
@settings(max_examples=25, deadline=None)
def test_the_losses_of_two_shares_add_up_to_those_of_the_whole_batch(cut: int, name: str, smoothing: float) -> None:
    loss = image_loss(Loss(name=name, label_smoothing=smoothing), "multiclass", None)  # type: ignore[arg-type]
    whole = loss(LOGITS, TARGETS).sum()
    parts = loss(LOGITS[:cut], TARGETS[:cut]).sum() + loss(LOGITS[cut:], TARGETS[cut:]).sum()
    torch.testing.assert_close(whole, parts)


@pytest.mark.parametrize("name", ["dice", "tversky", "cross-entropy", "focal"])
def test_a_loss_of_maps_is_near_nought_for_the_truth_and_large_for_its_opposite(name: str) -> None:
    logits, targets = _square()
    loss = image_loss(Loss(name=name), "segmentation", None)  # type: ignore[arg-type]
    assert float(loss(logits, targets).max()) < 1e-3
    assert float(loss(-logits, targets).min()) > 0.9


def test_dice_of_a_half_found_mark_is_the_formulas() -> None:
    logits, targets = _square()
    half = logits.clone()
    half[:, :, 8:12] = torch.tensor([20.0, -20.0]).reshape(1, 2, 1, 1)
    loss = image_loss(Loss(name="dice"), "segmentation", None)
    torch.testing.assert_close(loss(half, targets), torch.full((2,), 1 - (2 * 32 + 1) / (32 + 64 + 1)))


def test_tversky_asks_more_for_a_missed_pixel_than_for_a_false_one() -> None:
    logits, targets = _square()
    more, less = targets.clone(), targets.clone()
    less[:, 4:6, 4:12] = 0  # 16 of the pixels that are called are false
    more[:, 12:14, 4:12] = 1  # 16 pixels are missed
    loss = image_loss(Loss(name="tversky"), "segmentation", None)
    assert float(loss(logits, more).min()) > float(loss(logits, less).max())


def test_a_sum_of_losses_weighs_its_terms() -> None:
    logits, targets = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.ones(2, 8, 8).long()
    one, other = (image_loss(Loss(name=name), "segmentation", None)(logits, targets) for name in ("focal", "tversky"))
    both = image_loss(Loss(name={"focal": 2.0, "tversky": 0.5}), "segmentation", None)(logits, targets)
    torch.testing.assert_close(both, 2.0 * one + 0.5 * other)
    default = image_loss(Loss(), "segmentation", None)(logits, targets)
    named = image_loss(Loss(name={"cross-entropy": 1.0, "dice": 1.0}), "segmentation", None)(logits, targets)
    torch.testing.assert_close(default, named)


@pytest.mark.parametrize("name", ["dice", "tversky", "cross-entropy", "focal"])
def test_ignored_pixels_change_no_loss_whatever_the_network_says_there(name: str) -> None:
    logits, targets = _square()
    targets[:, :6] = IGNORE
    loss = image_loss(Loss(name=name), "segmentation", None)  # type: ignore[arg-type]
    wrong = logits.clone()
    wrong[:, :, :6] *= -1
    torch.testing.assert_close(loss(wrong, targets), loss(logits, targets))
    assert bool(torch.isfinite(loss(logits, torch.full_like(targets, IGNORE))).all())


def test_losses_that_compare_areas_are_refused_for_a_classifier() -> None:
    with pytest.raises(ConfigError, match=r"'dice' is for task segmentation, not for binary; .* cross-entropy, focal"):
        image_loss(Loss(name="dice"), "binary", None)


def _square() -> tuple[torch.Tensor, torch.Tensor]:
    """Sure logits (2, 2, 16, 16) of a square of 64 pixels, and its mask."""
    targets = torch.zeros(2, 16, 16, dtype=torch.int64)
    targets[:, 4:12, 4:12] = 1
    return functional.one_hot(targets, 2).permute(0, 3, 1, 2).float() * 40 - 20, targets


def test_a_segmentation_loss_weighs_foreground_classes_only() -> None:
    logits = torch.zeros(1, 3, 4, 4)
    targets = torch.zeros(1, 4, 4, dtype=torch.int64)
    weighted = image_loss(Loss(), "segmentation", (9.0, 9.0))(logits, targets)
    torch.testing.assert_close(weighted, image_loss(Loss(), "segmentation", None)(logits, targets))
