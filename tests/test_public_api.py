"""The public API changes only on purpose: the code, docs/public-api.txt and CHANGELOG.md say the same."""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from made.modules import awake_after, module_at

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = ROOT / "CHANGELOG.md"


@pytest.fixture(scope="module")
def api() -> Any:
    """tools/public_api.py."""
    return module_at(ROOT / "tools" / "public_api.py")


def test_the_code_offers_what_the_snapshot_says(api: Any) -> None:
    kept = api.SNAPSHOT.read_text(encoding="utf-8")
    assert api.snapshot() == kept, 'run `python tools/public_api.py --say "what changed and why"` if it is meant'


def test_the_topmost_section_of_the_changelog_names_the_snapshot(api: Any) -> None:
    fingerprint = api.fingerprint(api.SNAPSHOT.read_text(encoding="utf-8"))
    named = api.named_in(CHANGELOG.read_text(encoding="utf-8"))
    assert named == fingerprint, f"CHANGELOG.md, topmost section: - Public API `{fingerprint}`: what changed and why"


@dataclass(frozen=True)
class Thing:
    """A public class that changes below."""

    name: str
    size: int = 3

    def grow(self, by: int = 1) -> int:
        return self.size + by


def module_with(**names: Any) -> types.ModuleType:
    module = types.ModuleType(__name__)
    module.__dict__.update(names, __all__=sorted(names))
    return module


def other(**changes: Any) -> type:
    """``Thing`` with one member another."""
    members = {"__annotations__": {"name": "str", "size": "int"}, "size": 3, "grow": Thing.grow} | changes
    made = dataclass(frozen=True)(type("Thing", (), members))
    made.__module__ = "lopore.somewhere"
    return made


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 4},
        {"__annotations__": {"size": "int", "name": "str"}, "name": ""},
        {"__annotations__": {"name": "str", "size": "float"}},
        {"grow": lambda self, by=2: self.size + by},
        {"shrink": lambda self: self.size - 1},
        {"grow": None},
    ],
    ids=["default", "order", "type", "signature", "method added", "method gone"],
)
def test_a_changed_member_changes_the_snapshot(api: Any, changed: dict[str, Any]) -> None:
    before = api.snapshot([module_with(Thing=other())])
    assert "size: int = 3" in before
    assert "def grow(self, by: int = 1) -> int" in before
    assert api.snapshot([module_with(Thing=other(**changed))]) != before


def test_a_new_or_a_lost_name_changes_the_snapshot(api: Any) -> None:
    before = api.snapshot([module_with(Thing=other())])
    assert api.snapshot([module_with(Thing=other(), Thong=other())]) != before
    assert api.snapshot([module_with()]) != before


def test_a_new_snapshot_needs_a_line_in_the_topmost_section_and_gets_it_there(api: Any) -> None:
    log = "# Changelog\n\n## 0.2.0\n\n- lopore-core: x.\n\n## 0.1.0\n\n- Public API `0123456789ab`: first.\n"
    assert api.named_in(log) is None
    noted = api.noted(log, "- Public API `ba9876543210`: Session.close may be called twice.")
    assert api.named_in(noted) == "ba9876543210"
    assert re.search(r"x\.\n- Public API `ba9876543210`: .*\n\n## 0\.1\.0", noted)
    assert api.named_in(log.replace("- lopore-core: x.", "- Public API `ba9876543210`:")) is None


def public_names() -> Iterator[tuple[str, str]]:
    for module in ("lopore", "lopore.contracts", "lopore.errors", "lopore.hookspecs", "lopore.testing"):
        for name in import_module(module).__all__:
            yield module, name


def test_every_public_name_is_there_and_said_to_be_so() -> None:
    for module, name in public_names():
        value = getattr(import_module(module), name)
        assert name in dir(import_module(module))
        if isinstance(value, type) and value.__module__.startswith("lopore"):
            assert value.__doc__, f"{module}.{name} has no docstring"
    lopore = import_module("lopore")
    assert set(lopore._HOME_OF) == set(lopore.__all__)
    with pytest.raises(AttributeError):
        _ = lopore.no_such_name


def test_contracts_and_errors_hide_no_name_without_an_underscore() -> None:
    for name in ("lopore.contracts", "lopore.errors", "lopore.hookspecs"):
        module = import_module(name)
        body = ast.parse(inspect.getsource(module)).body
        defined = {item.name for item in body if isinstance(item, (ast.ClassDef, ast.FunctionDef))}
        defined |= {ast.unparse(item.target) for item in body if isinstance(item, ast.AnnAssign)}
        defined |= {ast.unparse(item.targets[0]) for item in body if isinstance(item, ast.Assign)}
        assert {key for key in defined if not key.startswith("_")} <= set(module.__all__)


def test_importing_lopore_wakes_neither_numpy_nor_anything_heavier() -> None:
    heavy = ("numpy", "cv2", "pydantic", "torch", "tensorflow", "onnxruntime", "streamlit")
    assert not awake_after("import lopore, lopore.errors, lopore.hookspecs; dir(lopore)", *heavy)
