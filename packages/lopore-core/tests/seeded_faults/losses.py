"""Losses with one promise broken."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lopore.contracts import LossTerm

from .sound import LOSS, Loose, Unbounded, sigmoid_losses


def _after(change: Any) -> LossTerm:
    """The sound loss, whose losses are then changed: ``(losses, logits, targets, known, request) -> losses``."""

    def build(request: Any) -> Any:
        sound = sigmoid_losses(request)
        return lambda logits, targets, known: change(sound(logits, targets, known), logits, targets, known, request)

    return replace(LOSS, build=build)


def _logarithm(losses: Any, logits: Any, targets: Any, known: Any, request: Any) -> Any:
    with np.errstate(divide="ignore"):
        return -np.log(1 - losses.clip(0, 1)) if request.task == "binary" else losses


def _moves(losses: Any, *_: Any) -> Any:
    os.chdir(Path.cwd().parent)
    return losses


def _of_all(request: Any) -> Any:
    """Unknown pixels count as background."""
    sound = sigmoid_losses(request)
    return lambda logits, targets, known: sound(logits, targets, None if known is None else np.ones_like(known))


def _unweighted(request: Any) -> Any:
    return sigmoid_losses(replace(request, class_weights=None))


def _noise(losses: Any, *_: Any) -> Any:
    return losses + np.random.default_rng().uniform(0, 0.1, losses.shape)


LOSS_FAULTS: dict[str, tuple[LossTerm, set[str]]] = {
    "unknown parameters are accepted": (replace(LOSS, params=Loose), {"defaults_are_valid"}),
    "a number has no bounds": (replace(LOSS, params=Unbounded), {"bounds_are_stated_and_hold"}),
    "one number for the batch": (
        _after(lambda losses, *_: losses.mean()),
        {
            "gives_one_number_an_image", "images_count_apart", "a_class_weight_counts_where_the_class_is",
            "gradient_leads_to_the_truth",
        },
    ),
    "a logarithm without a floor": (
        _after(_logarithm), {"finite_for_sure_logits", "gives_one_number_an_image"}
    ),
    "the sign is turned about": (
        _after(lambda losses, *_: 3 - losses),
        {"truth_costs_less_than_its_opposite", "a_class_weight_counts_where_the_class_is"},
    ),
    "it does not depend on the logits": (
        _after(lambda losses, logits, *_: np.ones(len(logits))),
        {
            "truth_costs_less_than_its_opposite", "gradient_leads_to_the_truth",
            "a_class_weight_counts_where_the_class_is",
        },
    ),
    "divided by the batch": (
        _after(lambda losses, logits, *_: losses / len(logits)), {"images_count_apart"}
    ),
    "noise without a seed": (
        _after(_noise),
        {
            "repeatable", "images_count_apart", "a_class_weight_counts_where_the_class_is",
            "unknown_pixels_have_no_weight", "gradient_leads_to_the_truth",
        },
    ),
    "the directory is changed": (_after(_moves), {"leaves_the_process_as_it_was"}),
    "unknown pixels are background": (replace(LOSS, build=_of_all), {"unknown_pixels_have_no_weight"}),
    "class weights are passed over": (replace(LOSS, build=_unweighted), {"a_class_weight_counts_where_the_class_is"}),
}  # fmt: skip
