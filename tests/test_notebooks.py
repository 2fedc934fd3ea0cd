"""The example notebooks: no outputs, code that parses, public names only. `nox -s notebooks` executes them."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import lopore

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text(encoding="utf-8"))["cells"])


def python_of(cell: dict[str, Any]) -> str:
    """The Python of a code cell: lines for the shell left out, cells of another magic empty."""
    text = "".join(cell["source"])
    if text.startswith("%%"):
        return ""
    return "\n".join(line for line in text.split("\n") if not line.startswith(("!", "%")))


@every_notebook
def test_no_output_and_no_count_is_kept(path: Path) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    assert (data["nbformat"], data["metadata"]["kernelspec"]["name"]) == (4, "python3")
    code = [cell for cell in data["cells"] if cell["cell_type"] == "code"]
    assert code and not [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None]
    assert data["cells"][0]["cell_type"] == "markdown"


@every_notebook
def test_the_code_parses_and_takes_public_names_of_lopore_alone(path: Path) -> None:
    for cell in cells(path):
        if cell["cell_type"] != "code":
            continue
        for node in ast.walk(ast.parse(python_of(cell))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lopore":
                assert node.attr in lopore.__all__, node.attr
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("lopore."), ast.unparse(node)


def test_there_are_two_and_a_session_executes_them() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["first-model", "many-runs"]
    assert "def notebooks(" in (ROOT / "noxfile.py").read_text(encoding="utf-8")
