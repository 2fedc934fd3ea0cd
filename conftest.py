"""Fixtures for every package: the real images that some tests want, and a small real model."""

from __future__ import annotations

from pathlib import Path

import pytest
from made.models import publish

from lopore.model import ModelFolder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real radiographs beside the repository; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parent.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        pytest.skip("real radiographs are not here (../shared/data)")
    return folder


@pytest.fixture
def model_folder(tmp_path: Path) -> ModelFolder:
    """``bright``, which calls bright pictures pores, in models/final of tmp_path."""
    return publish(tmp_path / "models" / "final" / "bright" / "1")
