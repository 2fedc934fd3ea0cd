"""The conformance kit on the predictor and explainers of this package; a small model is trained where one can be."""

from __future__ import annotations

import lopore_onnx.plugin
from lopore.testing.check import Check
from lopore.testing.kit import parametrize_checks


@parametrize_checks(lopore_onnx.plugin)
def test_conforms(check: Check) -> None:
    check()
