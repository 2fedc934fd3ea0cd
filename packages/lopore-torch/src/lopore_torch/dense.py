"""Many windows of one image from one pass: the features are computed once and shared, only the head is run for each.

A window's own run pads it with nothing at its border, a shared pass sees the film there: the two differ by that,
which is measured where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from lopore.errors import ModelError

from .network import Classifier, Network
from .segmentation import STRIDE

if TYPE_CHECKING:
    from lopore.record.preprocessing import Preprocessing


@torch.inference_mode()
def stride_of(network: Network, recipe: Preprocessing, device: torch.device) -> int:
    """Pixels of the input to one cell of the features, of a U-Net what its sizes are multiples of.

    Raises ModelError for a classifier whose features are no even grid over its input.
    """
    if not isinstance(network, Classifier):
        return STRIDE
    dtype = torch.uint8 if recipe.depth == 8 else torch.uint16
    features = network.features(torch.zeros((1, *recipe.size, recipe.channels), dtype=dtype, device=device))
    if features.ndim == 4:
        down, across = (length / cells for length, cells in zip(recipe.size, features.shape[2:], strict=True))
        if down == across and down.is_integer():
            return int(down)
    raise ModelError("this network's features are no even grid over its input; use mode windows, not dense")


def window_logits(
    network: Classifier,
    pixels: Tensor,
    stride: int,
    window: tuple[int, int],
    rows: Sequence[int],
    columns: Sequence[int],
) -> Tensor:
    """Logits (len(rows) * len(columns), outputs) of windows of one image (1, H, W, C); places are in pixels."""
    features = network.features(pixels)
    means = functional.avg_pool2d(features, (window[0] // stride, window[1] // stride), stride=1)
    down = torch.tensor([start // stride for start in rows], device=means.device)
    across = torch.tensor([start // stride for start in columns], device=means.device)
    chosen = means[0][:, down][:, :, across]
    return network.head(chosen.flatten(1).T[:, :, None, None].contiguous())
