"""Stronger and weaker marks: grey values spread about mid-grey, which ``local-contrast`` gives to sound metal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def signal_transform(library: Any, factor: tuple[float, float], probability: float) -> Any:
    """An albumentations transform that multiplies the distance from mid-grey by a log-uniform factor in a range."""

    class Signal(library.ImageOnlyTransform):  # type: ignore[misc]
        def get_params(self) -> dict[str, Any]:
            low, high = math.log(factor[0]), math.log(factor[1])
            return {"factor": math.exp(self.py_random.uniform(low, high))}

        def apply(self, img: NDArray[Any], factor: float = 1.0, **_: Any) -> NDArray[Any]:
            return spread_about_middle(img, factor)

        def get_transform_init_args_names(self) -> tuple[str, ...]:
            return ()

    return Signal(p=probability)


def spread_about_middle(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """uint8 about 128, or float32 in 0..1 about a half; clipped, same dtype."""
    if image.dtype == np.uint8:
        levels = np.arange(256, dtype=np.float64)
        table = np.rint(np.clip((levels - 128) * factor + 128, 0, 255)).astype(np.uint8)
        return np.asarray(table[image])
    return np.asarray(np.clip((image - np.float32(0.5)) * np.float32(factor) + np.float32(0.5), 0, 1))
