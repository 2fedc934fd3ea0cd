"""A model of several formats lets a person choose what runs it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from lopore.record.folder import ModelFolder
from lopore_app.models.opening import default_runtime, open_folder, runtimes


def test_the_formats_that_something_opens_are_offered_and_the_preferred_one_opens_first(
    model_folder: ModelFolder,
) -> None:
    assert list(runtimes(model_folder)) == ["onnx"]
    assert default_runtime(model_folder) is None  # nothing to choose
    weld = pytest.importorskip("lopore_weld")
    if find_spec("lopore_torch") is None:
        pytest.skip("a second runtime needs lopore-torch")
    folder = ModelFolder.read(Path(weld.__file__).parent / "model")
    assert list(runtimes(folder)) == ["onnx", "pth"]
    assert runtimes(folder)["pth"].startswith("torch")
    assert default_runtime(folder) == "onnx"
    for format in runtimes(folder):
        assert open_folder(folder, format).format == format
