"""One real service on the loopback for all tests of this package, and a client for it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from made.models import publish, publish_areas, record_for
from made.service import TOKEN, running


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with ``bright`` (classes) and ``areas`` (pixels), and one broken model."""
    models = tmp_path_factory.mktemp("service") / "models"
    publish(models / "bright" / "1")
    publish_areas(models / "areas" / "1")
    broken = publish(models / "broken" / "1", record=record_for(name="broken")).path / "model.onnx"
    broken.write_bytes(broken.read_bytes()[:-100])
    (models.parent / "token.txt").write_text(f"{TOKEN}\n")
    words = ("--token-file", str(models.parent / "token.txt"), "--max-upload-mb", "2", "--queue", "64")
    with running(models, *words) as (address, _):
        yield address


@pytest.fixture
def client(served: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as one:
        yield one
