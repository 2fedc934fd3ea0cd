"""A U-Net of half a million weights, from scratch: for marks of some pixels on films of which few are masked."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError

from .network import Segmenter

SMALL = "small"
WIDTHS = (16, 32, 64, 128)
FOLD = 2
"""Pixels a side that become channels of one: a quarter of the work, and no grey value is lost."""
STRIDE = FOLD * 2 ** (len(WIDTHS) - 1)
RARE = 0.02
"""Share of marked pixels that the untrained network expects, so that the first steps do not unlearn a half."""


def build_small_unet(request: NetworkRequest, planes: int) -> Segmenter:
    """The network of a request, untrained; ConfigError for sizes that are no multiple of ``STRIDE``."""
    if any(length % STRIDE for length in request.size):
        raise ConfigError(
            f"unet-small takes sizes that are multiples of {STRIDE}, not {request.size}; change preprocessing.size"
        )
    return Segmenter(SmallUNet(planes, request.outputs), planes)


def refuse_pretrained(request: NetworkRequest) -> None:
    """ConfigError where weights are asked for: there are none."""
    if request.pretrained != "none":
        raise ConfigError(
            f"unet-small has no pretrained weights (model.pretrained is {request.pretrained!r:.60}); set it to none"
        )


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
    )  # fmt: skip


class _Encoder(nn.ModuleList):
    def forward(self, x: Tensor) -> list[Tensor]:
        """Features at each scale, the finest first."""
        x = functional.pixel_unshuffle(x, FOLD)
        scales: list[Tensor] = []
        for depth, block in enumerate(self):
            x = block(functional.max_pool2d(x, 2) if depth else x)
            scales.append(x)
        return scales


class _Decoder(nn.ModuleList):
    def forward(self, scales: list[Tensor]) -> Tensor:
        *beside, x = scales
        for block in self:
            x = block(torch.cat([functional.interpolate(x, scale_factor=2.0, mode="nearest"), beside.pop()], dim=1))
        return x


class _Head(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(super().forward(x), FOLD)


class SmallUNet(nn.Module):
    """U-Net (Ronneberger et al., MICCAI 2015) with padded convolutions, batch normalisation and nearest upsampling,
    between a space-to-depth and a depth-to-space step (Shi et al., CVPR 2016).

    (N, planes, H, W) to logits (N, outputs, H, W); H and W are multiples of ``STRIDE``.
    """

    def __init__(self, planes: int, outputs: int) -> None:
        super().__init__()
        inputs = (planes * FOLD**2, *WIDTHS)
        self.encoder = _Encoder(_block(a, b) for a, b in zip(inputs, WIDTHS, strict=False))
        pairs = zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        self.decoder = _Decoder(_block(below + beside, beside) for below, beside in pairs)
        self.segmentation_head = _Head(WIDTHS[0], outputs * FOLD**2, 1)
        self._expect_background(outputs)

    @torch.no_grad()
    def _expect_background(self, outputs: int) -> None:
        shares = torch.full((outputs,), RARE / max(1, outputs - 1))
        shares[0] = 1.0 - RARE
        assert self.segmentation_head.bias is not None
        self.segmentation_head.bias.copy_(shares.log().repeat_interleave(FOLD**2))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of planes."""
        logits: Tensor = self.segmentation_head(self.decoder(self.encoder(x)))
        return logits
