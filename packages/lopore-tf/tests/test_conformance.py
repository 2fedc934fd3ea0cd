"""The conformance kit on this package; of the backbones two small ones stand for all."""

from __future__ import annotations

import lopore_tf.plugin
from lopore.testing import Check, parametrize_checks

SMALL = r"^(?!backbone/)|^backbone/tf/(resnet18|mobilenetv3_small_100)/"


@parametrize_checks(lopore_tf.plugin, only=SMALL)
def test_conforms(check: Check) -> None:
    check()
