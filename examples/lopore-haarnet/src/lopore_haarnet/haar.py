"""The wavelet stem: an image at a quarter of its sides without a lost bit of detail."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 2


class Haar(nn.Module):
    """One level of the Haar transform: (N, C, H, W) to (N, 4 C, H / 2, W / 2), orthonormal, so nothing is lost.

    Of each plane come its mean, its differences along columns, rows and the diagonal, in this order. Odd sides are
    extended by their last row or column. Source: Haar, Mathematische Annalen 69 (1910); Mallat, IEEE PAMI 11 (1989).
    """

    filters: Tensor

    def __init__(self, planes: int) -> None:
        super().__init__()
        low, high = torch.tensor([1.0, 1.0]), torch.tensor([1.0, -1.0])
        kinds = [torch.outer(rows, columns) / 2 for rows in (low, high) for columns in (low, high)]
        self.planes = planes
        self.register_buffer("filters", torch.stack(kinds)[:, None].repeat(planes, 1, 1, 1), persistent=False)

    def forward(self, planes: Tensor) -> Tensor:
        height, width = planes.shape[2], planes.shape[3]
        if height % 2 or width % 2:
            planes = functional.pad(planes, (0, width % 2, 0, height % 2), mode="replicate")
        return functional.conv2d(planes, self.filters, stride=2, groups=self.planes)


def stem(planes: int) -> nn.Sequential:
    """Two levels: (N, C, H, W) to (N, 16 C, H / 4, W / 4); the second is applied to every part of the first."""
    return nn.Sequential(*(Haar(planes * 4**level) for level in range(LEVELS)))
