"""What lopore-tf offers, and that nobody pays for TensorFlow who only looks."""

from __future__ import annotations

import subprocess
import sys

from made.modules import awake_after

from lopore.plugins.registry import Registry
from lopore_tf import plugin
from lopore_tf.plugin import CLASSIFIERS, ENCODERS

LOOK = """
from lopore.plugins.registry import discover

registry = discover()
assert "tf/resnet18" in registry.backbones, registry.problems
assert callable(registry.backbones["tf/resnet18"].build) and callable(registry.trainers["tf"].import_weights)
"""
FOLLOW = """
import lopore_tf.start
try:
    import triton._C.libtriton
except ImportError:
    pass
print("alive")
"""


def test_it_registers_without_problems_and_offers_every_kind_but_enhancers() -> None:
    registry = Registry.from_plugins({"lopore-tf": plugin})
    assert registry.problems == ()
    unets = {f"unet-{name}" for name in ENCODERS}
    assert set(registry.backbones) == {f"tf/{name}" for name in (*CLASSIFIERS, *unets)}
    assert {backbone.name for backbone in registry.backbones.values() if backbone.segmentation} == unets
    assert set(registry.trainers) == {"tf"}
    assert {"tf/onnx", "tf/h5", "tf/saved_model"} <= set(registry.exporters)
    opened = {format for predictor in registry.predictors.values() for format in predictor.formats}
    assert {"keras", "h5", "saved_model"} <= opened
    assert {entry.name for entry in registry.explainers.values()} == {
        "grad-cam", "grad-cam++", "integrated-gradients", "saliency"
    }  # fmt: skip


def test_every_offered_network_has_an_architecture_and_its_offline_weights() -> None:
    from lopore.models.pretrained import OFFLINE
    from lopore_tf.architectures import ARCHITECTURES
    from lopore_tf.segmentation import TAPS

    assert set(ARCHITECTURES) == set(CLASSIFIERS)
    assert set(TAPS) == set(ENCODERS) <= set(CLASSIFIERS)
    offered = Registry.from_plugins({"lopore-tf": plugin}).backbones
    with_weights = {name for name, backbone in offered.items() if "offline" in backbone.pretrained}
    assert with_weights == {f"tf/{prefix}{name}" for prefix in ("", "unet-") for name in OFFLINE}


def test_discovery_wakes_no_framework() -> None:
    heavy = ("tensorflow", "keras", "h5py", "onnx", "tf2onnx", "safetensors", "torch", "timm")
    assert not awake_after(LOOK, *heavy)


def test_tensorflow_wakes_without_a_word_and_torchs_compiler_can_follow_it() -> None:
    """Triton registers LLVM's options a second time and ends the process, unless it is kept out."""
    done = subprocess.run([sys.executable, "-c", FOLLOW], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")
