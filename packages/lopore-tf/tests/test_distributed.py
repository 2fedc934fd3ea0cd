from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from two_devices import OPTIMIZERS

from lopore.config.experiment import TrainConfig
from lopore_tf import distributed

SCRIPT = Path(__file__).with_name("two_devices.py")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What one CPU device and two virtual ones saw, by optimiser."""
    folder = tmp_path_factory.mktemp("devices")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)], env=environment, capture_output=True, text=True, timeout=280,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads((folder / "told.json").read_text()))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_devices_have_the_loss_the_weights_and_the_scores_of_one(
    optimizer: str, told: dict[str, list[dict[str, Any]]]
) -> None:
    one, two = told[optimizer]
    assert (one["devices"], two["devices"]) == (1, 2)
    np.testing.assert_allclose(two["losses"], one["losses"], atol=1e-5)
    for name, values in one["weights"].items():
        np.testing.assert_allclose(two["weights"][name], values, atol=1e-4, err_msg=name)
    np.testing.assert_allclose(two["scores"], one["scores"], atol=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_state_saved_on_two_devices_comes_back_on_both(optimizer: str, told: dict[str, list[dict[str, Any]]]) -> None:
    for seen in told[optimizer]:
        assert seen["restored"] == seen["scores"]


@pytest.mark.parametrize(
    ("name", "taken"), [("auto", 1), ("all", 2), ("cuda", 1), ("cuda:1", 1), ("cuda:0,cuda:1", 2), ("cpu", 1)]
)  # fmt: skip
def test_a_device_name_of_a_config_takes_the_gpus_it_says(
    name: str, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Device:
        def __init__(self, name: str) -> None:
            self.name = f"/device:{name}"

    there = {"GPU": [Device("GPU:0"), Device("GPU:1")], "CPU": [Device("CPU:0")]}
    monkeypatch.setattr(distributed.tf.config, "list_logical_devices", lambda kind: there[kind])
    assert TrainConfig(device=name).device == name
    found = distributed.choose_devices(name)
    assert len(found) == taken
    assert all(device.startswith("CPU" if name == "cpu" else "GPU") for device in found)
    assert distributed.choose_devices(distributed.config_names(found)) == found


def test_rows_dealt_to_devices_come_back_in_order() -> None:
    rows = np.arange(7, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(distributed.joined([rows[0::3], rows[1::3], rows[2::3]], 7), rows)
    np.testing.assert_array_equal(distributed.joined([rows[:1], rows[:1]], 1), rows[:1])
