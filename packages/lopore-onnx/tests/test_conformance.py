"""The conformance kit on the predictor and explainers of this package; a small model is trained where one can be."""

from __future__ import annotations

from importlib.util import find_spec

import lopore_onnx.plugin
from lopore.plugins.registry import discover
from lopore.testing.check import Check
from lopore.testing.kit import parametrize_checks

TRAINED = [discover().backbone("torch", "test_resnet")] if find_spec("lopore_torch") else []


@parametrize_checks(lopore_onnx.plugin, networks=TRAINED)
def test_conforms(check: Check) -> None:
    check()
