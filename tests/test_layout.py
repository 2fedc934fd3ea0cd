"""The house keeps its order: imports go down the list of rooms only, and never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "packages" / "lopore-core" / "src" / "lopore"
PLUGIN_PACKAGES = sorted(
    package
    for package in (ROOT / "packages").glob("*/src/*")
    if package.name != "lopore" and (package / "__init__.py").is_file()
)

FLOORS = (
    ("__main__",),
    ("cli",),
    ("api",),
    ("testing", "scaffold"),
    ("training",),
    ("offered",),
    ("tracking",),
    ("export",),
    ("evaluation",),
    ("metrics",),
    ("audit",),
    ("indications",),
    ("inference",),
    ("models",),
    ("data",),
    ("augmentation",),
    ("preprocessing",),
    ("plugins",),
    ("reading",),
    ("synthesis",),
    ("config",),
    ("html_page",),
    ("hookspecs",),
    ("contracts",),
    ("record",),
    ("validation", "training_settings", "atomic_files", "progress", "affine", "arrays", "cores", "messages", "errors"),
)
"""From the top of the house to its ground: a room imports from its own floor and from those below."""

Graph = Mapping[str, frozenset[str]]


def modules_of(package: Path) -> dict[str, Path]:
    """Dotted name below the package -> file; templates of the scaffold are text, not part of the house."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[0] == "scaffold" and len(parts) > 2:
            continue
        found[".".join(parts).removesuffix(".__init__").removesuffix("__init__")] = path
    return found


def _base(module: str, is_package: bool, node: ast.ImportFrom, package: str) -> str | None:
    if node.level:
        parts = module.split(".") if module else []
        parts = parts if is_package else parts[:-1]
        return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])
    if node.module == package:
        return ""
    return node.module.removeprefix(f"{package}.") if (node.module or "").startswith(f"{package}.") else None


def _imported(module: str, path: Path, package: str, names: Mapping[str, Path]) -> Iterator[str]:
    """Late imports and imports for types count as any other."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(f"{package}.") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, path.name == "__init__.py", node, package)
            for alias in node.names if base is not None else ():
                inner = f"{base}.{alias.name}" if base else alias.name
                yield inner if inner in names else str(base)


def graph_of(package: Path) -> Graph:
    names = modules_of(package)
    return {
        module: frozenset(found for found in _imported(module, path, package.name, names) if found in names and found)
        - {module}
        for module, path in names.items()
        if module  # the package's own page re-exports the public names, from wherever they live
    }


def circle(graph: Graph) -> list[str]:
    """The modules of one circle, in order; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def arrows_up(graph: Graph) -> list[str]:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    return [
        f"{module} imports {target}"
        for module, targets in sorted(graph.items())
        for target in sorted(targets)
        if floor[target.split(".")[0]] < floor[module.split(".")[0]]
    ]


def test_every_room_of_core_has_its_floor() -> None:
    floors = {room for rooms in FLOORS for room in rooms}
    assert {module.split(".")[0] for module in modules_of(CORE) if module} <= floors


def test_core_imports_go_down() -> None:
    assert arrows_up(graph_of(CORE)) == []


@pytest.mark.parametrize("package", [CORE, *PLUGIN_PACKAGES], ids=lambda package: package.name)
def test_no_package_imports_in_a_circle(package: Path) -> None:
    assert circle(graph_of(package)) == []


@pytest.mark.parametrize("package", PLUGIN_PACKAGES, ids=lambda package: package.name)
def test_no_plugin_imports_another(package: Path) -> None:
    others = {other.name for other in PLUGIN_PACKAGES if other != package}
    for module, path in modules_of(package).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {name.split(".")[0] for name in names} & others, f"{package.name}.{module}"


def _planted(folder: Path, files: Mapping[str, str]) -> Path:
    package = folder / "lopore"
    for name, text in files.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


def test_a_planted_circle_is_found_though_it_hides_in_a_function_and_behind_type_checking(tmp_path: Path) -> None:
    package = _planted(
        tmp_path,
        {
            "__init__.py": "",
            "data/__init__.py": "",
            "data/split.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .leaks import x\n",
            "data/leaks.py": "def late():\n    from lopore.data.split import y\n",
        },
    )
    assert set(circle(graph_of(package))) == {"data.split", "data.leaks"}


def test_a_planted_arrow_up_is_found(tmp_path: Path) -> None:
    package = _planted(
        tmp_path,
        {
            "__init__.py": "",
            "record/__init__.py": "",
            "record/model.py": "def late():\n    from lopore.data import split\n",
            "data/__init__.py": "",
            "data/split.py": "",
        },
    )
    assert arrows_up(graph_of(package)) == ["record.model imports data.split"]


LONG_FILES = {
    "packages/lopore-torch/src/lopore_torch/learner.py": "one class, which is the protocol of a learner",
}
"""Files over 300 lines, and why each is one."""


def sources() -> list[Path]:
    return sorted(path for path in (ROOT / "packages").glob("*/src/**/*.py"))


def test_a_file_over_300_lines_says_why_and_none_has_400() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in sources()}
    assert {path for path, count in lines.items() if count > 300} == set(LONG_FILES)
    assert max(lines.values()) < 400


def test_no_function_is_over_40_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > 40
    ]
    assert long == []
