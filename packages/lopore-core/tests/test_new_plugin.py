"""A written plugin installs, is found, and passes the conformance kit as it stands; nothing is ever overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from made.plugins import write_metadata

from lopore.cli.new_plugin import KINDS as OF_THE_COMMAND
from lopore.errors import ConfigError
from lopore.record.folder import ModelFolder
from lopore.scaffold import KINDS, write_plugin


def lopore(*arguments: str, path: str = "", beside: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line with the plugins of ``path``; of lopore's own only those named in ``beside``."""
    blocked = {"lopore-torch", "lopore-tf", "lopore-onnx", "lopore-enhance"} - set(beside.split(","))
    return subprocess.run(
        [sys.executable, "-m", "lopore", *arguments], capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, "PYTHONPATH": path, "LOPORE_BLOCK": ",".join(sorted(blocked))},
    )  # fmt: skip


def install(folder: Path) -> Path:
    """What an installer makes of the folder's pyproject: the path of the package with its metadata beside it."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    write_metadata(folder / "src", project)
    return folder / "src"


KEYS = {"trainer": "weld-trainer", **{kind: f"torch/weld-{kind}" for kind in ("backbone", "exporter", "loss")}}
BESIDE = {"backbone": "lopore-torch", "exporter": "lopore-torch,lopore-onnx", "predictor": "lopore-onnx"}
"""lopore's own packages that a kind is built on; every other one is left out."""

UNJUDGED = ("maps_agree_with_scores", "stops_at_a_loss_that_is_no_number")
"""Checks that have nothing to judge here: no written plugin segments, and one layer's loss stays finite."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_plugin_is_found_and_keeps_every_promise(
    kind: str, tmp_path: Path, model_folder: ModelFolder
) -> None:
    """An explainer is judged on a model that the written trainer made, a predictor on a file that is given to it."""
    for needed in filter(None, BESIDE.get(kind, "").split(",")):
        pytest.importorskip(needed.replace("-", "_"))
    if kind == "loss":
        pytest.importorskip("torch", reason="the written loss is computed by PyTorch")
    names = sorted({f"weld-{kind}", "weld-trainer"} if kind == "explainer" else {f"weld-{kind}"})
    for name in names:
        done = lopore("new-plugin", name, "--kind", name.removeprefix("weld-"), "--out", str(tmp_path))
        assert done.returncode == 0, done.stderr
    path = os.pathsep.join(str(install(tmp_path / name)) for name in names)
    listed = json.loads(lopore("plugins", "--json", path=path, beside=BESIDE.get(kind, "")).stdout)
    key = KEYS.get(kind, f"weld-{kind}")
    assert (
        listed[{"loss": "losses"}.get(kind, f"{kind}s")][key]["source"] == f"weld-{kind} 0.1.0"
        and not listed["problems"]
    )
    given = ("--model", str(model_folder.path)) if kind == "predictor" else ()
    checked = lopore("check-plugin", f"weld-{kind}", *given, path=path, beside=BESIDE.get(kind, ""))
    assert checked.returncode == 0, checked.stdout
    open_ones = {
        line.split()[2].strip(":").split("/")[-1] for line in checked.stdout.splitlines() if "not judged  " in line
    }
    assert open_ones <= set(UNJUDGED) and " 0 broken" in checked.stdout.splitlines()[-1], checked.stdout


MYPY = """
[mypy]
python_version = 3.11
strict = true
follow_imports = silent
explicit_package_bases = true
[mypy-torch.*,onnx.*,timm.*,cv2.*]
follow_imports = skip
[mypy-weld_backbone.*]
disallow_subclassing_any = false
"""
"""Strict, but for the insides of large libraries, whose types take a minute to read."""


def test_written_plugins_are_strictly_typed(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    for kind in KINDS:
        write_plugin(f"weld-{kind}", kind, tmp_path)
    (tmp_path / "mypy.ini").write_text(MYPY)
    folders = [str(tmp_path / f"weld-{kind}" / "src") for kind in KINDS]
    place = ("--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / "cache"))
    said, errors, status = api.run([*place, *folders])
    assert status == 0, said + errors


def test_its_own_three_line_test_passes(tmp_path: Path) -> None:
    write_plugin("weld-curve", "enhancer", tmp_path)
    folder = tmp_path / "weld-curve"
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        capture_output=True, text=True, timeout=120, check=False, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert " passed" in process.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_no_placeholder_is_left(kind: str, tmp_path: Path) -> None:
    files = write_plugin("weld-all", kind, tmp_path)
    expected = {"pyproject.toml", "README.md", "noxfile.py", "plugin.py", "py.typed", "test_conformance.py"}
    assert expected <= {path.name for path in files}
    project = tomllib.loads((tmp_path / "weld-all" / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0" and any(
        need.startswith("lopore-core") for need in project["dependencies"]
    )
    assert not [path for path in files if "$" in path.read_text() or "$" in path.name or path.suffix == ".txt"]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "weld-old").mkdir()
    (tmp_path / "weld-old" / "work.txt").write_text("mine")
    done = lopore("new-plugin", "weld-old", "--kind", "enhancer", "--out", str(tmp_path))
    assert done.returncode == 1 and "weld-old exists; choose another name" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in (tmp_path / "weld-old").iterdir()] == ["work.txt"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Weld", "is not small letters"), ("../weld", "is not small letters"), ("weld_x", "is not small letters"),
        ("lopore-torch", "is a package of lopore itself"), ("json", "module of Python itself"),
        ("class", "word or module of Python itself"),
    ],
)  # fmt: skip
def test_an_impossible_name_is_refused_and_nothing_is_written(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        write_plugin(name, "enhancer", tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_names_the_kinds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no plugin of kind 'theme' can be written; there are enhancer, backbone"):
        write_plugin("weld-x", "theme", tmp_path)
    assert OF_THE_COMMAND == KINDS
