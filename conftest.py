"""Fixtures for every package: the real images that some tests want, and a small real model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.register_assert_rewrite("made")
from made import once  # noqa: E402  # after the line that makes its assertions speak
from made.models import publish  # noqa: E402

from lopore.record.folder import ModelFolder  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that several processes end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _place_of_the_test_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    """pytest-xdist gives each of its processes a folder in the run's own."""
    own = tmp_path_factory.getbasetemp()
    once.settle(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


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
