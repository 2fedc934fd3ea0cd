"""The promises that lopore's contract asks for, on a small file whose answers are known."""

from __future__ import annotations

import tempfile
from pathlib import Path

import lopore_openvino.plugin
from lopore_openvino_models import make_model

from lopore.testing import Check, parametrize_checks

HOME = tempfile.TemporaryDirectory(prefix="lopore-openvino-")  # goes when the process ends


@parametrize_checks(lopore_openvino.plugin, models=[lambda: make_model(Path(HOME.name) / "sound").path])
def test_conforms(check: Check) -> None:
    check()
