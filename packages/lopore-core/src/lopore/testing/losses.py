"""What every loss term promises, for each task that it names, one function a promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Task
from lopore.contracts import LossRequest, LossTerm, Params

from .check import require
from .parameters import bounds_are_stated_and_hold, defaults_are_valid, variations
from .process import leaves_all
from .tensors import Floats, gradient, numbers, tensor

CLASSES, IMAGES, SIDE = 3, 6, 8
FAR = 60.0
"""A logit whose probability is 1 in single precision."""
NEAR = 1e-4
"""How far losses of the same image may lie apart, as a share of 1 + the loss: single precision adds up in any order."""


def checks_for(term: LossTerm) -> Iterator[Callable[[LossTerm], None]]:
    """The promises that this descriptor makes."""
    yield from (
        defaults_are_valid,
        bounds_are_stated_and_hold,
        gives_one_number_an_image,
        finite_for_sure_logits,
        truth_costs_less_than_its_opposite,
        gradient_leads_to_the_truth,
        images_count_apart,
        repeatable,
        leaves_the_process_as_it_was,
    )
    if "segmentation" in term.tasks:
        yield unknown_pixels_have_no_weight
    if term.weighs_classes:
        yield a_class_weight_counts_where_the_class_is


@dataclass(frozen=True)
class _Case:
    """Logits and targets of one task, in the layout of one framework, as arrays."""

    term: LossTerm
    task: Task
    logits: NDArray[np.float32]
    targets: NDArray[Any]
    known: NDArray[np.bool_] | None

    def function(self, weights: tuple[float, ...] | None = None, params: Params | None = None) -> Any:
        classes = 2 if self.task == "binary" else CLASSES
        return self.term.build(LossRequest(
            task=self.task, classes=classes, params=params or self.term.params(), class_weights=weights
        ))  # fmt: skip

    def losses(self, logits: NDArray[np.float32] | None = None, rows: Any = slice(None), **asked: Any) -> Floats:
        given = self.logits if logits is None else logits
        return numbers(self._called(self.function(**asked), tensor(self.term.framework, given[rows]), rows))

    def slopes(self, known: NDArray[np.bool_] | None = None) -> Floats:
        function = self.function()
        return gradient(
            self.term.framework, lambda logits: self._called(function, logits, slice(None), known), self.logits
        )

    def _called(self, function: Any, logits: Any, rows: Any, known: NDArray[np.bool_] | None = None) -> Any:
        make = partial(tensor, self.term.framework)
        there = self.known if known is None else known
        targets = self.targets if there is None else np.where(there, self.targets, 0)
        return function(logits, make(targets[rows]), None if there is None else make(there[rows]))

    def sure(self, size: float) -> NDArray[np.float32]:
        """Logits of this size for what the targets say, against what they do not."""
        if self.task in ("binary", "multilabel"):
            return (size * (2.0 * self.targets.reshape(self.logits.shape) - 1.0)).astype(np.float32)
        count = CLASSES if self.task == "multiclass" else CLASSES + 1
        one_hot = np.eye(count)[self.targets] * 2.0 - 1.0
        axes = (0, 3, 1, 2) if self.task == "segmentation" and self.term.framework == "torch" else range(one_hot.ndim)
        return np.ascontiguousarray(size * one_hot.transpose(*axes), np.float32)


def _cases(term: LossTerm) -> Iterator[_Case]:
    for task in term.tasks:
        rng = np.random.default_rng(5)
        known: NDArray[np.bool_] | None = None
        if task == "segmentation":
            targets: NDArray[Any] = np.zeros((IMAGES, SIDE, SIDE), np.int64)
            for number in range(IMAGES):
                targets[number, 2:6, 1 + number % 3 : 6] = 1 + number % CLASSES
            known = np.ones(targets.shape, bool)
        elif task == "multilabel":
            targets = np.eye(CLASSES, dtype=np.float32)[np.arange(IMAGES) % CLASSES]
            targets[0] = 1.0
        else:
            targets = np.arange(IMAGES, dtype=np.int64) % (2 if task == "binary" else CLASSES)
        shape = {"binary": (IMAGES, 1), "segmentation": (IMAGES, SIDE, SIDE, CLASSES + 1)}.get(task, (IMAGES, CLASSES))
        logits = rng.normal(0, 2, shape).astype(np.float32)
        if task == "segmentation" and term.framework == "torch":
            logits = np.ascontiguousarray(logits.transpose(0, 3, 1, 2))
        yield _Case(term, task, logits, targets, known)


def _near(one: Floats, other: Floats) -> bool:
    return bool((np.abs(one - other) <= NEAR * (1 + np.abs(other))).all())


def gives_one_number_an_image(term: LossTerm) -> None:
    """(N,) finite losses for defaults, bounds and choices, with and without class weights."""
    for case in _cases(term):
        weights = tuple(float(number + 1) for number in range(2 if case.task == "binary" else CLASSES))
        for said, params in variations(term.params):
            for given in (None, weights):
                found = case.losses(weights=given, params=params)
                require(found.shape == (IMAGES,), f"{case.task} at {said}: {found.shape} for {IMAGES} images")
                require(bool(np.isfinite(found).all()), f"{case.task} at {said}: a loss is no number")


def finite_for_sure_logits(term: LossTerm) -> None:
    """Logits of 60 either way, right or wrong, give finite losses and slopes: a late epoch has them."""
    for case in _cases(term):
        for size in (FAR, -FAR):
            sure = _Case(term, case.task, case.sure(size), case.targets, case.known)
            for what, found in (("loss", sure.losses()), ("slope", sure.slopes())):
                require(bool(np.isfinite(found).all()), f"{case.task}: a {what} at logits of {size:g} is no number")


def truth_costs_less_than_its_opposite(term: LossTerm) -> None:
    """Sure logits of the truth cost less than undecided ones, and these less than their opposite, image by image."""
    for case in _cases(term):
        right, even, wrong = (case.losses(case.sure(size)) for size in (8.0, 0.0, -8.0))
        require(
            bool((right < even).all() and (even < wrong).all()),
            f"{case.task}: right {right}, even {even}, wrong {wrong}",
        )


def gradient_leads_to_the_truth(term: LossTerm) -> None:
    """From undecided logits a small step down the slope, as training takes it, makes each image's loss smaller."""
    for case in _cases(term):
        even = _Case(term, case.task, case.sure(0.0), case.targets, case.known)
        slopes = even.slopes()
        largest = np.abs(slopes).max()
        require(bool(largest > 0), f"{case.task}: the slope is nought everywhere, so nothing is learned")
        after = even.losses((-0.05 * slopes / largest).astype(np.float32))
        require(bool((after < even.losses()).all()), f"{case.task}: a step down the slope makes a loss larger")


def images_count_apart(term: LossTerm) -> None:
    """An image's loss is the same alone, among others and in any order, so shares of a batch add up."""
    for case in _cases(term):
        together, order = case.losses(), np.random.default_rng(1).permutation(IMAGES)
        require(_near(case.losses(rows=order), together[order]), f"{case.task}: another order gives other losses")
        alone = np.concatenate([case.losses(rows=slice(n, n + 1)) for n in range(IMAGES)])
        require(_near(alone, together), f"{case.task}: an image alone has another loss than among others")


def repeatable(term: LossTerm) -> None:
    """Equal logits and targets give equal losses."""
    for case in _cases(term):
        require(bool((case.losses() == case.losses()).all()), f"{case.task}: two calls differ")


def leaves_the_process_as_it_was(term: LossTerm) -> None:
    """Random states, directory, locale, library settings and threads are the same afterwards."""
    leaves_all(lambda: [case.losses() for case in _cases(term)])


def unknown_pixels_have_no_weight(term: LossTerm) -> None:
    """Where ``known`` is False neither logits nor targets change a loss, the slope is nought, and an image of which
    nothing is known has a finite loss."""
    for case in (one for one in _cases(term) if one.task == "segmentation"):
        known = np.ones(case.targets.shape, bool)
        known[:, :4] = False
        hidden = _Case(term, case.task, case.logits, case.targets, known)
        part = (slice(None), slice(None), slice(0, 4)) if term.framework == "torch" else (slice(None), slice(0, 4))
        other = case.logits.copy()
        other[part] += 7.0 * np.random.default_rng(2).normal(size=other[part].shape).astype(np.float32)
        require(_near(hidden.losses(other), hidden.losses()), "logits of unknown pixels change the loss")
        require(bool(np.abs(hidden.slopes()[part]).max() == 0), "unknown pixels have a slope")
        nothing = _Case(term, case.task, case.logits, case.targets, np.zeros(known.shape, bool))
        require(bool(np.isfinite(nothing.losses()).all()), "an image of which nothing is known has no finite loss")


def a_class_weight_counts_where_the_class_is(term: LossTerm) -> None:
    """A class that weighs more makes the losses of images that show it larger and leaves those of others as they are;
    weights of 1 change nothing."""
    for case in _cases(term):
        count = 2 if case.task == "binary" else CLASSES
        plain = case.losses()
        require(_near(case.losses(weights=(1.0,) * count), plain), f"{case.task}: weights of 1 change the losses")
        heavy = case.losses(weights=(*(1.0,) * (count - 1), 3.0))
        shows = _shows(case, count - 1)
        require(
            bool((heavy[shows] > plain[shows]).all()), f"{case.task}: a weight of 3 makes no loss of its class larger"
        )
        require(
            _near(heavy[~shows], plain[~shows]), f"{case.task}: a weight changes losses of images without the class"
        )


def _shows(case: _Case, column: int) -> NDArray[np.bool_]:
    """(N,) whether an image shows the class of this number."""
    if case.task == "multilabel":
        return np.asarray(case.targets[:, column] > 0)
    if case.task == "segmentation":
        return np.asarray((case.targets == column + 1).any(axis=(1, 2)))
    return np.asarray(case.targets == column)
