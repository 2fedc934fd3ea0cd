from __future__ import annotations

import subprocess
import sys

from lopore.registry import Registry
from lopore_torch import plugin

LIST_ALL = """
import sys
import lopore_torch.plugin as p
count = sum(len(list(getattr(p, name)())) for name in dir(p) if name.startswith("lopore_"))
heavy = {"torch", "timm", "onnx", "torchvision", "segmentation_models_pytorch"} & set(sys.modules)
assert count > 15 and not heavy, (count, heavy)
"""


def test_listing_everything_wakes_no_framework() -> None:
    subprocess.run([sys.executable, "-c", LIST_ALL], check=True, timeout=60)


def test_the_plugin_registers_without_problems() -> None:
    registry = Registry.from_plugins({"lopore-torch": plugin})
    assert not registry.problems
    assert {"torch/resnet18", "torch/tf_efficientnet_lite0", "torch/unet-resnet18"} <= set(registry.backbones)
    assert {"torch/onnx", "torch/pt"} == set(registry.exporters)


def test_the_processor_is_always_a_device() -> None:
    (trainer,) = plugin.lopore_trainers()
    assert "cpu" in trainer.devices()
    assert trainer.place() == (0, 1)
