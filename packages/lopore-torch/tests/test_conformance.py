"""The conformance kit on every entry of this package; a few small backbones are also run, a tiny one is trained."""

from __future__ import annotations

import lopore_torch.plugin
from lopore.plugins.registry import KINDS, Registry, discover
from lopore.testing.check import Check
from lopore.testing.kit import iter_checks, parametrize_checks

SMALL = r"/(resnet18|mobilenetv3_small_100|unet-mobilenetv3_small_100|timm)/"
CHOSEN = rf"^(?!backbone/)|^backbone/torch{SMALL}|/(every_build_is_new|explanation_layer_exists)$"
TINY = discover().backbone("torch", "test_resnet")


@parametrize_checks(lopore_torch.plugin, only=CHOSEN, networks=[TINY])
def test_conforms(check: Check) -> None:
    check()


def test_no_entry_is_left_out() -> None:
    judged = {check.id for check in iter_checks(lopore_torch.plugin, only=CHOSEN)}
    registry = Registry.from_plugins({"lopore-torch": lopore_torch.plugin})
    for kind in KINDS:
        for key in getattr(registry, kind):
            one = "loss" if kind == "losses" else kind[:-1]
            assert any(name.startswith(f"{one}/{key}/") for name in judged), key
