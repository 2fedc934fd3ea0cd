"""The promises that lopore's contract asks for, on a small file whose answers are known."""

from __future__ import annotations

import tempfile
from pathlib import Path

import lopore_openvino.plugin
from lopore_openvino_models import make_model

from lopore.testing import Check, parametrize_checks

FOLDER = Path(tempfile.mkdtemp(prefix="lopore-openvino-"))


@parametrize_checks(lopore_openvino.plugin, models=[lambda: make_model(FOLDER / "sound").path])
def test_conforms(check: Check) -> None:
    check()
