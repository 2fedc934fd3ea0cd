"""The whole network as one graph for export: pixels in, probabilities and heat maps out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lopore.contracts import Task
from lopore.record.score_calibration import ScoreCalibration

from . import cam
from .network import Classifier, Network, Segmenter, class_logits, to_maps, to_scores
from .score_calibration import Calibrate

SCORES, CAM, CAM_PLUS, MAPS, FEATURES = "scores", "cam", "cam_plus", "maps", "features"
"""What exported files call their outputs. Features stand last: what the last linear layer reads, (N, D)."""


class ScoresOnly(nn.Module):
    """pixels -> scores (N, K)."""

    def __init__(self, network: Network, task: Task, calibration: ScoreCalibration | None = None) -> None:
        super().__init__()
        self.network, self.task, self.calibrate = network, task, Calibrate(calibration)

    def forward(self, pixels: Tensor) -> Tensor:
        return to_scores(self.calibrate(self.network(pixels)), self.task)


class ScoresAndFeatures(ScoresOnly):
    """pixels -> scores (N, K), features (N, D)."""

    network: Classifier

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        found = self.network.features(pixels)
        scores = to_scores(self.calibrate(self.network.head(found)), self.task)
        return scores, self.network.penultimate([found])


class ScoresAndMaps(nn.Module):
    """pixels -> scores (N, K), maps (N, K, H, W) and, where the network gives them, features: a segmentation model."""

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        if not self.network.gives_penultimate:
            maps = to_maps(self.network(pixels))
            return maps.amax(dim=(2, 3)), maps
        scales = self.network.encode(pixels)
        maps = to_maps(self.network.decode(scales))
        return maps.amax(dim=(2, 3)), maps, self.network.penultimate(scales)


class ScoresAndCams(nn.Module):
    """pixels -> scores (N, K), cam (N, K, h, w), cam_plus (N, K, h, w) and, where the network gives them, features:
    exact, without autograd at run time."""

    def __init__(
        self, network: Classifier, task: Task, gradients: nn.Module, calibration: ScoreCalibration | None = None
    ) -> None:
        super().__init__()
        self.network, self.task, self.gradients = network, task, gradients
        self.calibrate = Calibrate(calibration)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        features = self.network.features(pixels)
        scores = to_scores(self.calibrate(self.network.head(features)), self.task)
        slopes = self.gradients(features.mean(dim=(2, 3)))
        answer = scores, cam.grad_cam(features, slopes), cam.grad_cam_plus_plus(features, slopes)
        return (*answer, self.network.penultimate([features])) if self.network.gives_penultimate else answer


class ConstantGradients(nn.Module):
    """Gradients of a linear head: its weights, whatever the features."""

    slopes: Tensor

    def __init__(self, slopes: Tensor) -> None:
        super().__init__()
        self.register_buffer("slopes", slopes)

    def forward(self, pooled: Tensor) -> Tensor:
        return self.slopes.unsqueeze(0)


def gradient_module(network: Classifier, channels: int) -> nn.Module:
    """A module that gives ``cam.head_gradients`` for all classes without autograd.

    channels: of the features. A linear head gives a constant; another head's gradient is traced into plain operations.
    """
    probe = torch.rand(3, channels, generator=torch.Generator().manual_seed(0)) * 4.0
    count = class_logits(network.head(probe[:, :, None, None])).shape[1]
    slopes = cam.head_gradients(network, probe, range(count))
    if torch.allclose(slopes[0], slopes[1], rtol=1e-5, atol=1e-7) and torch.allclose(
        slopes[0], slopes[2], rtol=1e-5, atol=1e-7
    ):
        return ConstantGradients(slopes[0])
    return _traced(network, probe, count)


def _traced(network: Classifier, probe: Tensor, count: int) -> nn.Module:
    from torch._decomp import core_aten_decompositions
    from torch.fx.experimental.proxy_tensor import make_fx

    def gradients(pooled: Tensor) -> Tensor:
        return cam.head_gradients(network, pooled, range(count))

    table: Any = core_aten_decompositions()
    table[torch.ops.aten.convolution_backward.default] = _pointwise_backward
    trace = make_fx(gradients, decomposition_table=table, tracing_mode="symbolic", _allow_non_fake_inputs=True)
    traced: nn.Module = trace(probe)
    return traced


def _pointwise_backward(
    gradient: Tensor, inputs: Tensor, weight: Tensor, bias_sizes: Any, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int, mask: Any,
) -> tuple[Tensor, None, None]:  # fmt: skip
    """Gradient of a 1 x 1 convolution for its input, which is a 1 x 1 convolution again and so exists in ONNX."""
    if weight.shape[2:] != (1, 1) or groups != 1 or transposed:
        raise NotImplementedError("only pointwise convolutions stand in the heads whose gradient is traced")
    back = torch.ops.aten.convolution.default(
        gradient, weight.transpose(0, 1), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1
    )
    return back, None, None


def export_graph(
    network: Network, task: Task, features: int | None, calibration: ScoreCalibration | None = None
) -> tuple[nn.Module, list[str]]:
    """The module to export and its outputs' names; ``features``: their channels where Grad-CAM is exact, else None."""
    last = [FEATURES] if network.gives_penultimate else []
    if isinstance(network, Segmenter):
        return ScoresAndMaps(network), [SCORES, MAPS, *last]
    if features is None:
        kind = ScoresAndFeatures if last else ScoresOnly
        return kind(network, task, calibration), [SCORES, *last]
    gradients = gradient_module(network, features)
    return ScoresAndCams(network, task, gradients, calibration), [SCORES, CAM, CAM_PLUS, *last]
