"""``training.compile`` has the losses of the plain step, leaves no trace in what is saved, and says where it fails.

A network of one convolution: g++ needs over half a minute of processor time for timm's smallest.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from made.films import batches
from made.learning import request
from torch import Tensor, nn

from lopore.errors import RunError
from lopore.training_settings import Optimizer
from lopore_torch import learner as module
from lopore_torch.learner import PUBLISHED_FILE, WEIGHTS_FILE, TorchLearner
from lopore_torch.network import Classifier
from lopore_torch.state import STATE_FILE

NO_COMPILER = shutil.which(os.environ.get("CXX", "g++")) is None
SETTINGS: dict[str, Any] = {"ema_decay": 0.5, "steps_per_epoch": 2, "optimizer": Optimizer(learning_rate=0.01)}


class Tiny(nn.Module):
    """What ``Classifier`` asks of a timm network, in four layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.Linear(4, 1)
        self.pretrained_cfg = {"classifier": "fc"}

    def forward_features(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.bn(self.conv(x))).relu()

    def forward_head(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.fc(x.mean(dim=(2, 3))))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


@pytest.fixture(autouse=True)
def _tiny_network(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    monkeypatch.setattr(module, "build", lambda asked, planes: Classifier(Tiny(), asked.channels))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("inductor")))
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def learner(**changes: Any) -> TorchLearner:
    return TorchLearner(request("tiny", 32, **{**SETTINGS, **changes}))


@pytest.mark.skipif(NO_COMPILER, reason="torch.compile needs a C++ compiler for a CPU, and there is none")
def test_a_compiled_run_that_was_cut_and_resumed_has_the_losses_of_a_plain_one_and_saves_plain_weights(
    tmp_path: Path,
) -> None:
    plain, first = learner(), learner(compile=True)
    epochs = [batches(8, 4, seed=epoch, side=32) for epoch in range(2)]
    losses = [[one.fit_epoch(0, epochs[0]).loss for one in (plain, first)]]
    first.save(tmp_path)
    second = learner(compile=True)
    second.restore(tmp_path)
    losses.append([one.fit_epoch(1, epochs[1]).loss for one in (plain, second)])
    assert isinstance(second.runner, torch._dynamo.eval_frame.OptimizedModule)
    for without, compiled in losses:
        assert compiled == pytest.approx(without, abs=1e-5)
    second.save_weights(tmp_path)
    assert second.publish(tmp_path) == [PUBLISHED_FILE]
    state = torch.load(tmp_path / STATE_FILE, weights_only=True)
    files = [torch.load(tmp_path / name, weights_only=True) for name in (WEIGHTS_FILE, PUBLISHED_FILE)]
    names = plain.network.state_dict().keys()
    assert all(kept.keys() == names for kept in (state["network"], state["averaged"], *files))
    plain.load_weights(tmp_path)
    torch.testing.assert_close(
        torch.from_numpy(plain.predict(epochs[0])), torch.from_numpy(second.predict(epochs[0])), rtol=0, atol=1e-7
    )


def test_a_machine_without_a_compiler_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config as inductor
    from torch._inductor import cpp_builder

    monkeypatch.setattr(inductor.cpp, "cxx", ("/no/such/compiler",))
    monkeypatch.setattr(inductor, "fx_graph_cache", False)
    for search in (cpp_builder.get_cpp_compiler, cpp_builder.cpp_compiler_search):
        getattr(search, "cache_clear", lambda: None)()
    with pytest.raises(RunError, match=r"No working C\+\+ compiler .*set training\.compile: false") as caught:
        learner(compile=True).fit_epoch(0, batches(8, 4, side=32))
    assert "\n" not in str(caught.value)
