from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.service import free_port
from two_devices import OPTIMIZERS
from two_workers import learn

from lopore.config.experiment import TrainConfig
from lopore.errors import ConfigError
from lopore_tf import distributed
from lopore_tf.cluster import process_rank

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


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes of one group saw, by optimiser."""
    folder = tmp_path_factory.mktemp("workers")
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    common = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    script, started = SCRIPT.with_name("two_workers.py"), []
    for index in range(2):
        group = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        started.append(subprocess.Popen([sys.executable, str(script), str(folder)], env=common | {"TF_CONFIG": group},
                                        text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))  # fmt: skip
    try:
        for one in started:
            errors = one.communicate(timeout=560)[1]
            assert one.returncode == 0, errors[-3000:]
    finally:
        for one in started:
            one.kill()  # TensorFlow takes SIGTERM for a notice
    return [dict(json.loads((folder / f"{index}.json").read_text())) for index in range(2)]


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("tiny_is_known")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_processes_have_the_loss_the_weights_and_the_scores_of_one(
    optimizer: str, workers: list[dict[str, Any]], tmp_path: Path
) -> None:
    first, second = (told[optimizer] for told in workers)
    alone = learn(tmp_path, optimizer, 0, 1)
    assert first == second and first["devices"] == 2 and first["restored"] == first["scores"]
    np.testing.assert_allclose(first["losses"], alone["losses"], atol=1e-5)
    tolerance = 1e-4 if optimizer == "sgd" else 4e-4  # AdamW divides by moments near 0, which magnifies rounding
    for name, values in alone["weights"].items():
        np.testing.assert_allclose(first["weights"][name], values, atol=tolerance, err_msg=name)
    np.testing.assert_allclose(first["scores"], alone["scores"], atol=1e-4)


@pytest.mark.parametrize(
    ("told", "rank"),
    [
        ("", (0, 1)),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}', (1, 2)),
        ('{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}', None),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', None),
        ("{", None),
    ],
)
def test_the_rank_is_that_of_tf_config(
    told: str, rank: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", told)
    if rank is not None:
        assert process_rank() == rank
        return
    with pytest.raises(ConfigError, match="is understood"):
        process_rank()


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
