"""AdamW and SGD by PyTorch's formulas, so that twins in the two frameworks walk the same path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.training_settings import Optimizer

from .start import tf

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Those of PyTorch."""


@dataclass(frozen=True)
class Group:
    """Keras variables with a factor on the learning rate and a decay of their own."""

    variables: tuple[Any, ...]
    factor: float
    decay: float


class Updater:
    """Moves the variables of all groups by their gradients; ``updates`` counts how often.

    What changes from step to step is computed in double precision outside the graph, by ``numbers``. Make it within the
    scope of the strategy that it serves.
    """

    def __init__(self, config: Optimizer, groups: Sequence[Group]) -> None:
        self.config, self.groups, self.updates = config, tuple(groups), 0
        moments = ("m", "v") if config.name == "adamw" else ("momentum",)
        self.slots = {
            f"{kind}/{variable.path}": tf.Variable(tf.zeros(variable.shape), trainable=False)
            for kind in moments
            for variable in self.variables
        }

    @property
    def variables(self) -> list[Any]:
        return [variable for group in self.groups for variable in group.variables]

    def numbers(self, factor: float) -> NDArray[np.float32]:
        """(groups, 3) for the next update: step length, epsilon and decay. factor: that of the schedule.

        AdamW (Loshchilov and Hutter, ICLR 2019): TensorFlow adds epsilon to the root of the raw second moment, PyTorch
        to that of the corrected one; both corrections are therefore put into step length and epsilon.
        """
        rows = []
        for group in self.groups:
            rate = self.config.learning_rate * group.factor * factor
            if self.config.name == "sgd":
                rows.append((rate, 0.0, group.decay))
                continue
            first, second = (1.0 - beta ** (self.updates + 1) for beta in BETAS)
            root = math.sqrt(second)
            rows.append((rate * root / first, EPSILON * root, 1.0 - rate * group.decay))
        return np.asarray(rows, np.float32).reshape(-1, 3)

    def still(self) -> NDArray[np.float32]:
        """Numbers of an update that moves nothing but the moments."""
        decay = 0.0 if self.config.name == "sgd" else 1.0
        return np.tile(np.array([0.0, 1.0, decay], np.float32), (len(self.groups), 1))

    def apply(self, gradients: Sequence[Any], numbers: Any) -> None:
        """Within a graph: one update of this device's copies. gradients: in the order of ``variables``."""
        left = iter(gradients)
        move = self._sgd if self.config.name == "sgd" else self._adamw
        for row, group in enumerate(self.groups):
            for variable in group.variables:
                move(variable, next(left), numbers[row], decays=group.decay > 0)

    def _adamw(self, variable: Any, gradient: Any, row: Any, *, decays: bool) -> None:
        here = variable.value.handle
        if decays:
            tf.raw_ops.AssignVariableOp(resource=here, value=tf.convert_to_tensor(variable.value) * row[2])
        nought = tf.zeros((), tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=here, m=self._slot("m", variable), v=self._slot("v", variable), beta1_power=nought, beta2_power=nought,
            lr=row[0], beta1=BETAS[0], beta2=BETAS[1], epsilon=row[1], grad=gradient,
        )  # fmt: skip

    def _sgd(self, variable: Any, gradient: Any, row: Any, *, decays: bool) -> None:
        if decays:
            gradient = gradient + row[2] * tf.convert_to_tensor(variable.value)
        tf.raw_ops.ResourceApplyMomentum(
            var=variable.value.handle, accum=self._slot("momentum", variable), lr=row[0], grad=gradient,
            momentum=self.config.momentum, use_nesterov=self.config.momentum > 0,
        )  # fmt: skip

    def _slot(self, kind: str, variable: Any) -> Any:
        return self.slots[f"{kind}/{variable.path}"].handle

    def state(self) -> dict[str, NDArray[Any]]:
        """Moments by name, and the count of updates."""
        return {"updates": np.array(self.updates), **{name: slot.numpy() for name, slot in self.slots.items()}}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """KeyError or ValueError where ``state`` is of another optimiser or network."""
        for name, slot in self.slots.items():
            slot.assign(state[name])
        self.updates = int(state["updates"])


def clipped(gradients: Sequence[Any], longest: float) -> list[Any]:
    """Gradients, shortened where together they are longer than ``longest``; as ``torch.nn.utils.clip_grad_norm_``."""
    length = tf.linalg.global_norm(gradients)
    share = tf.minimum(1.0, longest / (length + 1e-6))
    return [gradient * share for gradient in gradients]
