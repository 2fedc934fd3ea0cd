"""Class activation maps that the exported graph computes itself, and occlusion for any session."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import HeatMaps, PixelBatch

OCCLUSION_CELLS = 14


def class_activation(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    """Grad-CAM of one class from the file's output ``cam``.

    batch: (N, H, W, C). Returns (N, h, w) float32, >= 0, in logits: what each place adds to the class's logit.
    """
    (maps,) = session.run(batch, ("cam",))
    return np.asarray(maps[:, class_index], np.float32)


def class_activation_plus(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    """Grad-CAM++ of one class from the file's output ``cam_plus``.

    batch: (N, H, W, C). Returns (N, h, w) float32, >= 0: features weighted as Chattopadhay et al. do; in no unit.
    """
    (maps,) = session.run(batch, ("cam_plus",))
    return np.asarray(maps[:, class_index], np.float32)


def occlusion(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    """How much the class's probability drops when each of 14 x 14 overlapping patches is covered with median grey.

    batch: (N, H, W, C). Returns (N, 14, 14) float32 in 0..1. Costs 196 predictions an image.
    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.
    """
    return np.stack([_occlude_one(session, image, class_index) for image in batch])


def _occlude_one(session: Any, image: NDArray[Any], class_index: int) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    half_height, half_width = max(1, height // OCCLUSION_CELLS), max(1, width // OCCLUSION_CELLS)
    grey = np.median(image, axis=(0, 1)).astype(image.dtype)
    base = float(session.predict(image[None])[0, class_index])
    rows = (np.arange(OCCLUSION_CELLS) + 0.5) * height / OCCLUSION_CELLS
    columns = (np.arange(OCCLUSION_CELLS) + 0.5) * width / OCCLUSION_CELLS
    out = np.empty((OCCLUSION_CELLS, OCCLUSION_CELLS), np.float32)
    for index, y in enumerate(rows):
        covered = np.repeat(image[None], OCCLUSION_CELLS, axis=0)
        for number, x in enumerate(columns):
            top, left = max(0, int(y - half_height)), max(0, int(x - half_width))
            covered[number, top : int(y + half_height), left : int(x + half_width)] = grey
        out[index] = base - session.predict(covered)[:, class_index]
    return np.maximum(out, 0.0)
