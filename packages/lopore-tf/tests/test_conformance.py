"""The conformance kit on this package; of the backbones three small ones stand for all, and a tiny one is trained."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from tf_films import SIDE, TINY

import lopore_tf.plugin
from lopore.contracts import Backbone
from lopore.export.parity_gate import written_files
from lopore.testing.check import Check
from lopore.testing.kit import parametrize_checks
from lopore.testing.learning import learn_masks

MAPS = r"/maps_agree_with_scores$"
SMALL = rf"^(?!backbone/|predictor/.*{MAPS})|^backbone/tf/(resnet18|mobilenetv3_small_100|unet-mobilenetv3_small_100)/"
_PLACE = tempfile.TemporaryDirectory()
NETWORK = Backbone(
    framework="tf", name=TINY, summary="Two stages of a network", default_size=SIDE, explanation_layer="features",
    build=lopore_tf.plugin._build, pretrained=(),
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("tiny_is_known")


@parametrize_checks(lopore_tf.plugin, only=SMALL, networks=[NETWORK])
def test_conforms(check: Check) -> None:
    check()


@cache
def segmentation_model() -> Path:
    """A U-Net in every format; the kit makes its own in the native one alone."""
    (trainer,) = lopore_tf.plugin.lopore_trainers()
    backbone = next(item for item in lopore_tf.plugin.lopore_backbones() if item.segmentation)
    home = Path(_PLACE.name) / "unet"
    home.mkdir()
    folder = learn_masks(trainer, backbone, home)[1]
    for exporter in lopore_tf.plugin.lopore_exporters():
        workshop = Path(_PLACE.name) / exporter.format
        workshop.mkdir()
        exporter.export(folder, workshop)
        files = written_files(folder.record, exporter, workshop)
        shutil.copytree(workshop, home, dirs_exist_ok=True)
        folder = folder.with_files(files)
    return home


@parametrize_checks(lopore_tf.plugin, only=MAPS, models=[segmentation_model])
def test_maps_of_every_format_conform(check: Check) -> None:
    check()
