"""Packages of models: found by name after the user's own, blocked by name, and a broken one spoils no other."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from made.models import publish, record_for

from lopore.models import installed
from lopore.models.catalogue import find_models, locate_model
from lopore.record.folder import BrokenModel, ModelFolder


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package ``shipped_models`` with the model ``seam/1``, and no models of the user's own."""
    package = tmp_path / "site" / "shipped_models"
    publish(package / "model", record=record_for(name="seam"))
    (package / "__init__.py").write_text(
        "from pathlib import Path\nMODELS = Path(__file__).parent / 'model'\nNOTHING = 7\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delitem(sys.modules, "shipped_models", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    return package


def _offer(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    entries = [EntryPoint(f"entry{number}", value, installed.GROUP) for number, value in enumerate(values)]
    monkeypatch.setattr(installed, "entry_points", lambda group: entries)


def test_a_package_of_models_is_found_by_name(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _offer(monkeypatch, "shipped_models:MODELS")
    assert locate_model("seam").path == shipped / "model"
    assert [model.path for model in find_models()] == [shipped / "model"]


def test_a_model_of_the_users_own_goes_first(shipped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _offer(monkeypatch, "shipped_models:MODELS")
    own = publish(tmp_path / "models" / "final" / "seam" / "1", record=record_for(name="seam"))
    assert locate_model("seam").path.resolve() == own.path.resolve()
    assert len([model for model in find_models() if isinstance(model, ModelFolder)]) == 2


def test_a_broken_package_is_told_in_one_line_and_spoils_no_other(
    shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _offer(monkeypatch, "absent_models:MODELS", "shipped_models:NOTHING", "shipped_models:MODELS")
    broken = [item for item in find_models() if isinstance(item, BrokenModel)]
    assert [("cannot be imported" in item.reason, "no folder" in item.reason) for item in broken] == [
        (True, False), (False, True),
    ]  # fmt: skip
    assert all("\n" not in item.reason for item in broken)
    assert locate_model("seam").title.startswith("seam/")


def test_a_blocked_package_offers_nothing(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _offer(monkeypatch, "shipped_models:MODELS")
    monkeypatch.setenv("LOPORE_BLOCK", "entry0")
    assert list(find_models()) == []
