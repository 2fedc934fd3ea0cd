"""The conformance kit on this package; of the backbones two small ones, a U-Net and the family stand for all."""

from __future__ import annotations

import lopore_torch.plugin
from lopore.testing import Check, parametrize_checks

SMALL = r"^(?!backbone/)|^backbone/torch/(resnet18|mobilenetv3_small_100|unet-mobilenetv3_small_100|timm)/"


@parametrize_checks(lopore_torch.plugin, only=SMALL)
def test_conforms(check: Check) -> None:
    check()
