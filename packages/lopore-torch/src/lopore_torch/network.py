"""Networks that take raw integer pixels: normalisation inside, logits out, probabilities beside."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from lopore.contracts import PixelBatch, Task, gives_maps
from lopore.errors import ConfigError


class Normalise(nn.Module):
    """(N, H, W, C) uint8 or uint16 to (N, planes, H, W) float: ``pixel * scale + shift`` per plane.

    A plane of scale 0 and shift 1 is constant: it carries what a pretrained stem subtracts beyond one grey mean, so
    that zero padding stands for each colour's own mean (see ``lopore.models.pretrained.fold_grey``).
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, planes: int) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(planes, 1, 1))
        self.register_buffer("shift", torch.zeros(planes, 1, 1))

    @torch.no_grad()
    def set(self, mean: Sequence[float], std: Sequence[float], depth: int) -> None:
        """mean, std: per channel of pixels scaled to 0..1; planes beyond them become constant."""
        top = float(2**depth - 1)
        self.scale.zero_()
        self.shift.fill_(1.0)
        for plane, (m, s) in enumerate(zip(mean, std, strict=True)):
            self.scale[plane] = 1.0 / (top * s)
            self.shift[plane] = -m / s

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.permute(0, 3, 1, 2).to(self.scale.dtype) * self.scale + self.shift


COLOURS = 3
"""Planes that a learned 1 x 1 convolution makes of one grey plane (``grey_input: convolution``)."""


class _Normalised(nn.Module):
    """A network behind ``Normalise``; with ``colour`` a 1 x 1 convolution makes three planes of the one before it."""

    colour: nn.Conv2d | None

    def __init__(self, body: nn.Module, planes: int, *, colour: bool = False) -> None:
        super().__init__()
        self.normalise = Normalise(planes)
        self.body = body
        self.colour = nn.Conv2d(planes, COLOURS, 1) if colour else None
        if self.colour is not None:  # three equal channels, until pretrained weights say otherwise
            nn.init.ones_(self.colour.weight)
            nn.init.zeros_(cast(Tensor, self.colour.bias))

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits of raw pixels (N, H, W, C)."""
        return self.logits_of(self.normalise(pixels))

    def logits_of(self, planes: Tensor) -> Tensor:
        """Logits of normalised planes (N, planes, H, W)."""
        return cast(Tensor, self.body(self._coloured(planes)))

    def _coloured(self, planes: Tensor) -> Tensor:
        return planes if self.colour is None else cast(Tensor, self.colour(planes))

    def inputs(self, pixels: Tensor) -> Tensor:
        """What ``body`` sees of raw pixels."""
        return self._coloured(self.normalise(pixels))


class Classifier(_Normalised):
    """A timm network, logits (N, outputs); ``features`` and ``head`` are its two halves."""

    def features(self, pixels: Tensor) -> Tensor:
        """What the declared explanation layer gives, (N, channels, h, w) for convolutional networks."""
        return cast(Tensor, self.body.forward_features(self.inputs(pixels)))  # type: ignore[operator]

    def head(self, features: Tensor) -> Tensor:
        """Logits (N, outputs) of ``features``."""
        return cast(Tensor, self.body.forward_head(features))  # type: ignore[operator]

    @property
    def gives_penultimate(self) -> bool:
        """Whether the body tells what its last layer reads, as every timm network does."""
        return "pre_logits" in inspect.signature(self.body.forward_head).parameters  # type: ignore[arg-type]

    def penultimate(self, features: Sequence[Tensor]) -> Tensor:
        """What the last linear layer reads, (N, D), of what ``encode`` gave."""
        return cast(Tensor, self.body.forward_head(features[0], pre_logits=True))  # type: ignore[operator]

    def encode(self, pixels: Tensor) -> list[Tensor]:
        """What the backbone makes of raw pixels; ``decode`` makes logits of it."""
        return [self.features(pixels)]

    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """Logits (N, outputs)."""
        return self.head(features[0])


class Segmenter(_Normalised):
    """A U-Net, logits (N, outputs, H, W); class 0 is the background."""

    @property
    def gives_penultimate(self) -> bool:
        """Whether the body's encoder can be asked by itself."""
        return callable(getattr(self.body, "encoder", None))

    def penultimate(self, features: Sequence[Tensor]) -> Tensor:
        """The mean over the places of the coarsest features that ``encode`` gave, (N, D)."""
        return features[-1].mean(dim=(2, 3))

    def encode(self, pixels: Tensor) -> list[Tensor]:
        """The encoder's features at each scale; ``decode`` makes logits of them."""
        return list(self.body.encoder(self.inputs(pixels)))  # type: ignore[operator]

    def decode(self, features: Sequence[Tensor]) -> Tensor:
        """Logits (N, outputs, H, W)."""
        return cast(Tensor, self.body.segmentation_head(self.body.decoder(list(features))))  # type: ignore[operator]


Network = Classifier | Segmenter


def to_maps(logits: Tensor) -> Tensor:
    """Probability of each class at each pixel, background left out: (N, K + 1, H, W) to (N, K, H, W)."""
    return logits.softmax(dim=1)[:, 1:]


def to_scores(logits: Tensor, task: Task) -> Tensor:
    """Probabilities (N, K) of logits; binary gives [1 - p, p], segmentation the largest over the pixels.

    The probability of one logit z is the softmax of [0, z]: the same number as a sigmoid, which ONNX Runtime cuts off
    to 0 below z = -18, so that small scores would lose their order.
    """
    if gives_maps(task):
        return to_maps(logits).amax(dim=(2, 3))
    if task == "binary":
        return torch.cat([torch.zeros_like(logits), logits], dim=1).softmax(dim=1)
    if task == "multiclass":
        return logits.softmax(dim=1)
    return torch.stack([torch.zeros_like(logits), logits], dim=2).softmax(dim=2)[:, :, 1]


def class_logits(logits: Tensor) -> Tensor:
    """One logit a class, (N, K): a single binary logit z stands for [-z, z]."""
    return torch.cat([-logits, logits], dim=1) if logits.shape[1] == 1 else logits


def to_tensor(pixels: PixelBatch, device: torch.device) -> Tensor:
    """Pixels on the device as they are; memory that is read-only is copied, since torch could write to it."""
    array = np.ascontiguousarray(pixels)
    tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def known_name(name: str) -> None:
    """ConfigError naming near names where timm has no such network."""
    import difflib

    import timm

    if timm.is_model(name):
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=4, cutoff=0.5)
    hint = f"near names are {', '.join(near)}" if near else "`lopore plugins` lists names"
    raise ConfigError(f"timm has no network '{name}'; {hint}")
