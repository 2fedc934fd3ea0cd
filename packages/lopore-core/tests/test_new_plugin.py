"""A written plugin installs, is found, and passes the conformance kit as it stands; nothing is ever overwritten."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lopore.cli.new_plugin import KINDS as OF_THE_COMMAND
from lopore.errors import ConfigError
from lopore.scaffold import KINDS, write_plugin


def lopore(*arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lopore", *arguments], capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, "PYTHONPATH": path, "LOPORE_BLOCK": "lopore-torch,lopore-tf,lopore-onnx,lopore-enhance"},
    )  # fmt: skip


def install(folder: Path) -> Path:
    """What an installer makes of the folder's pyproject: the path of the package with its metadata beside it."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    module = project["name"].replace("-", "_")
    info = folder / "src" / f"{module}-{project['version']}.dist-info"
    info.mkdir()
    name, version = project["name"], project["version"]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = [f"{key} = {value}" for key, value in project["entry-points"]["lopore"].items()]
    (info / "entry_points.txt").write_text("[lopore]\n" + "\n".join(points) + "\n")
    return folder / "src"


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_plugin_is_found_and_keeps_every_promise(kind: str, tmp_path: Path) -> None:
    """Alone, but for the trainer that was written too: an explainer is judged on a model of its making."""
    for name in {f"weld-{kind}", "weld-trainer"}:
        done = lopore("new-plugin", name, "--kind", name.removeprefix("weld-"), "--out", str(tmp_path))
        assert done.returncode == 0, done.stderr
    path = os.pathsep.join(str(install(tmp_path / name)) for name in sorted({f"weld-{kind}", "weld-trainer"}))
    listed = json.loads(lopore("plugins", "--json", path=path).stdout)
    assert listed[f"{kind}s"][f"weld-{kind}"]["source"] == f"weld-{kind} 0.1.0" and not listed["problems"]
    checked = lopore("check-plugin", f"weld-{kind}", path=path)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.splitlines()[-1].endswith(" kept, 0 broken, 0 not judged"), checked.stdout


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
    assert {"pyproject.toml", "README.md", "plugin.py", "py.typed", "test_conformance.py"} <= {f.name for f in files}
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
    with pytest.raises(ConfigError, match="no plugin of kind 'backbone' can be written; there are enhancer, explainer"):
        write_plugin("weld-x", "backbone", tmp_path)
    assert OF_THE_COMMAND == KINDS
