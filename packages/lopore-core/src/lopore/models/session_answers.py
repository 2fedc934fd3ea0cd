"""What every session checks of the values that its network gave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ModelError


def finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a network answered, of any shape; ModelError where a value is NaN or infinite."""
    if not np.isfinite(values).all():
        raise ModelError(
            "the network gave values that are no numbers; its weights are broken, retrain or copy the model anew"
        )
    return values
