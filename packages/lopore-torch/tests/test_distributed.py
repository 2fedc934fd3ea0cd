from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from two_processes import BACKBONES, learn, observe

# MobileNetV3's last maps are 2 x 2 here: batch normalisation over one image divides by next to nothing and so
# magnifies the rounding of a sum that two processes add up in another order.
WEIGHT_TOLERANCE = {"resnet18": 1e-5, "mobilenetv3_small_100": 1e-3}
SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes saw, by backbone."""
    folder = tmp_path_factory.mktemp("processes")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(SCRIPT)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*command, str(folder)], env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "FutureWarning" not in done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("backbone", BACKBONES)
def test_two_processes_have_the_loss_the_weights_and_the_scores_of_one(
    backbone: str, told: list[dict[str, Any]]
) -> None:
    first, second = told[0][backbone], told[1][backbone]
    alone = observe(*learn(backbone, 0, 1))
    assert first == second
    np.testing.assert_allclose(first["losses"], alone["losses"], atol=1e-5)
    np.testing.assert_allclose(first["weight"], alone["weight"], atol=WEIGHT_TOLERANCE[backbone])
    np.testing.assert_allclose(first["scores"], alone["scores"], atol=1e-4)


def test_two_processes_agree_on_precision_and_layout(told: list[dict[str, Any]]) -> None:
    assert told[0]["plan"] == told[1]["plan"]
    assert told[0]["plan"][0] in ("fp32", "bf16")
