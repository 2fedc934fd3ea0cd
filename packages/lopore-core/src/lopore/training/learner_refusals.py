"""Refusals that every learner gives in the same words."""

from __future__ import annotations

import math
from pathlib import Path

from lopore.errors import ModelError, RunError


def check_loss(total: float, *, epoch: int, step: int, learning_rate: float) -> None:
    """RunError where ``total`` is NaN or infinite; ``epoch`` counts from 0, ``step`` is the number of steps done."""
    if not math.isfinite(total):
        raise RunError(
            f"the loss became {total} in epoch {epoch + 1} after {step} steps; lower "
            f"training.optimizer.learning_rate (now {learning_rate}), set clip_norm: 1.0, or precision: fp32"
        )


def unfit_state(folder: Path, error: Exception) -> ModelError:
    """The error to raise where the saved state in ``folder`` cannot be loaded because of ``error``."""
    text = " ".join(str(error).split())[:160]
    return ModelError(f"{folder} does not fit this run ({text}); resume with the config it was started with")
