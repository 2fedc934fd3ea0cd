"""Fixtures for every package: the real images that some tests want, and a small real model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("lopore", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("lopore")
pytest.register_assert_rewrite("made")
from made import once  # noqa: E402  # after the line that makes its assertions speak
from made.models import publish  # noqa: E402
from made.postgres import ABSENT, TOOLS, PostgresServer  # noqa: E402

from lopore.record.folder import ModelFolder  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that several processes end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _place_of_the_test_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    """pytest-xdist gives each of its processes a folder in the run's own."""
    own = tmp_path_factory.getbasetemp()
    run = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    once.settle(run)
    # One state for all processes: a model that another one made here would count as one from elsewhere. Gone with it.
    os.environ["LOPORE_STATE"] = str(run / "state")
    # Most tests begin without a model; those of lopore-weld take this away.
    os.environ.setdefault("LOPORE_BLOCK", "lopore-weld")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real radiographs; tests that need it are skipped where it is absent.

    The variable ``LOPORE_TEST_DATA`` names it; without it the folder ``shared/data`` beside the checkout is taken.
    """
    folder = Path(os.environ.get("LOPORE_TEST_DATA") or Path(__file__).resolve().parent.parent / "shared" / "data")
    if not (folder / "README.md").is_file():
        pytest.skip("no real radiographs: LOPORE_TEST_DATA names no folder with them")
    return folder


@pytest.fixture(scope="session")
def fault_cases(shared_data: Path) -> Path:
    """Folder of small inputs that went wrong, beside the real radiographs."""
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip("no folder `cases` beside the real radiographs")
    return folder


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A database server of its own for the tests of a file, which may kill it."""
    if not TOOLS:
        pytest.skip(ABSENT)
    pytest.importorskip("pg8000")
    one = PostgresServer()
    yield one
    one.remove()


@pytest.fixture
def model_folder(tmp_path: Path) -> ModelFolder:
    """``bright``, which calls bright images pores, in models/final of tmp_path."""
    return publish(tmp_path / "models" / "final" / "bright" / "1")
