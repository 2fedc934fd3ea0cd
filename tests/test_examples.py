"""Four outside plugins as third parties would ship them: real wheels on the path, public names alone, real commands."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import lopore
from lopore.record.folder import ModelFolder

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
PUBLIC = {"lopore", "lopore.contracts", "lopore.hookspecs", "lopore.errors", "lopore.testing"}
BESIDE = {"lopore-haarnet": {"lopore_torch.network": {"Classifier"}}}
"""What an example needs of lopore beyond the public modules, name by name."""
OFFERS = {
    "lopore-grating": ("enhancers", "remove-grating"),
    "lopore-haarnet": ("backbones", "torch/haarnet-s"),
    "lopore-openvino": ("predictors", "openvino"),
    "lopore-rise": ("explainers", "rise"),
}
SLOW = ("--deselect", "examples/lopore-rise/tests/test_conformance.py")
"""RISE trains a network for it there; here ``check-plugin`` judges it on a small model."""
each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)


def project_of(example: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((example / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One wheel an example, by the build backend that its pyproject names."""
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("wheels")
    code = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    for example in EXAMPLES:
        subprocess.run([sys.executable, "-c", code, str(target)], cwd=example, check=True, timeout=60)
    return sorted(target.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the path with every wheel unpacked in it, metadata and all, as an installer leaves them."""
    target = tmp_path_factory.mktemp("installed")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
    return target


def run(installed: Path, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A Python that sees the examples; lopore-tf stays out, for no example needs it and it starts slowly."""
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=280, check=False, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed), "LOPORE_BLOCK": "lopore-tf"},
    )  # fmt: skip


def said(installed: Path, *words: str) -> str:
    done = run(installed, "-m", "lopore", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@each
def test_each_is_a_distribution_of_its_own(example: Path, wheels: list[Path]) -> None:
    project, module = project_of(example), example.name.replace("-", "_")
    assert project["name"] == example.name and project["license"]
    assert any(need.startswith("lopore-core>=") for need in project["dependencies"])
    assert list(project["entry-points"]["lopore"].values()) == [f"{module}.plugin"]
    (wheel,) = [path for path in wheels if path.name.startswith(f"{module}-")]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tracked = {f"{module}/{path.name}" for path in (example / "src" / module).iterdir() if path.is_file()}
    assert tracked <= set(names) and f"{module}/py.typed" in names
    assert not [name for name in names if name.startswith("tests")]
    readme = (example / "README.md").read_text(encoding="utf-8")
    assert "lopore check-plugin " + example.name in readme and project["license"] in readme


def imports_of(example: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of every absolute import in an example's package and tests; name is empty for ``import x``."""
    for path in [*example.glob("src/*/*.py"), *example.glob("tests/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield from ((node.module or "", alias.name) for alias in node.names)


@each
def test_each_is_built_on_public_names_alone(example: Path) -> None:
    allowed = BESIDE.get(example.name, {})
    used = {
        pair for pair in imports_of(example) if re.match(r"lopore(_(app|core|enhance|onnx|tf|torch))?(\.|$)", pair[0])
    }
    private = {
        f"{module}.{name}"
        for module, name in used
        if (module not in PUBLIC and name not in allowed.get(module, ())) or name.startswith("_")
    }
    assert not private
    assert {name for module, name in used if module == "lopore"} <= set(lopore.__all__)
    assert {module for module, _ in used} >= set(allowed)


@each
def test_each_states_what_else_it_imports(example: Path) -> None:
    """Every import beyond Python and lopore is a requirement of its pyproject."""
    project = project_of(example)
    needs = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    stated = {re.split(r"[<>=\[ ]", need)[0].lower() for need in needs}
    homes = {"cv2": "opencv-python-headless", "yaml": "pyyaml", "lopore": "lopore-core"}
    own = {example.name.replace("-", "_"), *(path.stem for path in example.glob("tests/*.py"))}
    used = {module.split(".")[0] for module, _ in imports_of(example)} - own - set(sys.stdlib_module_names)
    assert {homes.get(module, module.replace("_", "-")) for module in used} <= stated


def test_all_four_are_found_beside_lopores_own(installed: Path) -> None:
    assert {path.name for path in EXAMPLES} == set(OFFERS)
    listed = json.loads(said(installed, "plugins", "--json"))
    for name, (kind, key) in OFFERS.items():
        assert listed[kind][key]["source"] == f"{name} 0.1.0"
    assert not [problem for problem in listed["problems"] if any(name in str(problem) for name in OFFERS)]


def test_check_plugin_judges_an_outside_plugin_on_a_model_that_is_given(
    installed: Path, model_folder: ModelFolder
) -> None:
    """The other three have the kit among their own tests, which run below."""
    done = run(installed, "-m", "lopore", "check-plugin", "lopore-rise", "--model", str(model_folder.path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" 0 broken, 0 not judged"), done.stdout


@pytest.mark.slow
def test_their_own_tests_pass(installed: Path) -> None:
    """Conformance of lopore-haarnet, and its training by a config, are among them."""
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *SLOW, "examples")
    done = run(installed, *words, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert re.search(r"\d+ passed", done.stdout)


def write_film(path: Path, film: np.ndarray) -> Path:
    path.write_bytes(cv2.imencode(".png", film)[1].tobytes())
    return path


def test_lopore_enhances_with_the_outside_enhancer(installed: Path, tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:200, 0:220]
    clean = 120 + 30 * np.exp(-(((rows - 100) / 40.0) ** 2)) + np.random.default_rng(0).normal(0, 2, rows.shape)
    line = 9 * np.cos(2 * np.pi * columns / 6.3)
    path = write_film(tmp_path / "film.png", np.rint(clean + line).astype(np.uint8))
    said(installed, "enhance", "--chain", "remove-grating(threshold=8)", "--out", str(tmp_path / "out"), str(path))
    written = cv2.imdecode(np.fromfile(next((tmp_path / "out").rglob("*.png")), np.uint8), cv2.IMREAD_UNCHANGED)
    rest = ((written - clean) * line).sum() / (line * line).sum()
    assert abs(rest) < 0.1


def test_lopore_predicts_with_the_outside_runtime_because_it_is_there(
    installed: Path, model_folder: ModelFolder, tmp_path: Path
) -> None:
    films = [write_film(tmp_path / f"{value}.png", np.full((40, 40), value, np.uint8)) for value in (40, 120, 250)]
    scores = {}
    for runtime in ("openvino", "onnxruntime"):
        words = ("--runtime", runtime, "--model", str(model_folder.path), *map(str, films))
        lines = said(installed, "predict", "--json", *words).splitlines()
        scores[runtime] = [json.loads(line)["scores"]["pore"] for line in lines]
    assert np.allclose(scores["openvino"], scores["onnxruntime"], atol=1e-5)
    code = f"from lopore import *; print(open_model(locate_model({str(model_folder.path)!r})).predictor.name)"
    assert run(installed, "-c", code).stdout.strip() == "openvino"


def test_lopore_explains_with_outside_maps_over_an_outside_runtime(
    installed: Path, model_folder: ModelFolder, tmp_path: Path
) -> None:
    """RISE, and lopore-onnx's Grad-CAM, both on a session of lopore-openvino, lie on the one bright place."""
    film = np.zeros((64, 64), np.uint8)
    film[8:24, 36:52] = 255
    path = write_film(tmp_path / "film.png", film)
    for explainer in ("rise", "grad-cam"):
        out = tmp_path / explainer
        words = ("--explainer", explainer, "--class", "pore", "--raw", "--out", str(out), str(path))
        said(installed, "explain", "--model", str(model_folder.path), "--runtime", "openvino", *words)
        heat = np.load(next(out.rglob("*.npy")))
        row, column = np.unravel_index(np.nanargmax(heat), heat.shape)
        assert 8 <= row < 24 and 36 <= column < 52, explainer
