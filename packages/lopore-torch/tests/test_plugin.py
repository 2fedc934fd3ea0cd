from __future__ import annotations

from made.modules import awake_after

from lopore.plugins.registry import Registry
from lopore_torch import plugin


def test_listing_everything_wakes_no_framework() -> None:
    code = """
import lopore_torch.plugin as p
assert sum(len(list(getattr(p, name)())) for name in dir(p) if name.startswith("lopore_")) > 15
"""
    assert not awake_after(code, "torch", "timm", "onnx", "torchvision", "segmentation_models_pytorch")


def test_the_plugin_registers_without_problems() -> None:
    registry = Registry.from_plugins({"lopore-torch": plugin})
    assert not registry.problems
    assert {"torch/resnet18", "torch/tf_efficientnet_lite0", "torch/unet-resnet18"} <= set(registry.backbones)
    assert {"torch/onnx", "torch/pt"} == set(registry.exporters)


def test_the_processor_is_always_a_device() -> None:
    (trainer,) = plugin.lopore_trainers()
    assert "cpu" in trainer.devices()
    assert trainer.process_rank() == (0, 1)
