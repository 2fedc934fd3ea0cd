"""The record's calibration as a module: logits in, calibrated logits out, in operations that every export has."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lopore.record.score_calibration import ScoreCalibration


class Calibrate(nn.Module):
    """(N, outputs) logits through ``LogitCurve`` of each output; without a calibration they stay as they are."""

    scale: Tensor
    shift: Tensor
    knots: Tensor
    gains: Tensor

    def __init__(self, calibration: ScoreCalibration | None) -> None:
        super().__init__()
        self.idle = calibration is None
        curves = calibration.curves if calibration is not None else ()
        most = max((len(curve.knots) for curve in curves), default=0)
        padded = [(*curve.knots, *[0.0] * (most - len(curve.knots))) for curve in curves]
        gains = [(*curve.gains, *[0.0] * (most - len(curve.gains))) for curve in curves]
        self.register_buffer("scale", torch.tensor([[curve.scale for curve in curves]]))
        self.register_buffer("shift", torch.tensor([[curve.shift for curve in curves]]))
        self.register_buffer("knots", torch.tensor(padded).reshape(len(curves), most).T.unsqueeze(1).contiguous())
        self.register_buffer("gains", torch.tensor(gains).reshape(len(curves), most).T.unsqueeze(1).contiguous())

    def forward(self, logits: Tensor) -> Tensor:
        if self.idle:
            return logits
        found = logits * self.scale + self.shift
        for number in range(len(self.knots)):  # a loop over an empty tensor stays in the graph, which torch cannot read
            found = found + (logits - self.knots[number]).relu() * self.gains[number]
        return found
