"""Small files that want much are stopped: files from elsewhere open and run in a process of their own, with limits.

Each bomb is sealed and carries a sound record, as a hostile author would write it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from made.models import SIDE, onnx_model, publish, publish_areas, record_for
from onnx import helper, numpy_helper

from lopore.contracts import MapSession
from lopore.errors import ConfigError, ModelError
from lopore.inference.explain import explainers_for, raw_maps
from lopore.models.child_session import ChildSession
from lopore.models.opening import OpenModel, open_model
from lopore.models.process_limits import usage_of
from lopore.record.folder import ModelFolder
from lopore.record.onnx_file import write_record

Node = onnx.NodeProto
GIB = 1 << 30


def sound_end(extra: str) -> list[Node]:
    """Scores that hang on a tensor ``extra`` (N or 1, 1), which may not be left out as unused."""
    return [
        helper.make_node("GlobalAveragePool", ["planes"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["grey"]),
        helper.make_node("Mul", [extra, "zero"], ["nothing"]),
        helper.make_node("Add", ["grey", "nothing"], ["bright"]),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], ["scores"], axis=1),
    ]


def bomb(nodes: Sequence[Node], **constants: Any) -> onnx.ModelProto:
    """A network of two scores, at whose side ``nodes`` make the tensor ``huge``."""
    weights = {
        "zero": np.zeros((1, 1), np.float32), "one": np.ones((1, 1), np.float32), "flat": np.array([1, 1], np.int64),
        **{name: np.asarray(value) for name, value in constants.items()},
    }  # fmt: skip
    end = [
        helper.make_node("ReduceMean", ["huge"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "flat"], ["extra"]),
    ]
    return onnx_model([*nodes, *end, *sound_end("extra")], weights, {"scores": (2,)})


def filled(name: str, shape: str) -> Node:
    one = numpy_helper.from_array(np.ones(1, np.float32))
    return helper.make_node("ConstantOfShape", [shape], [name], value=one)


def doubling(times: int) -> list[Node]:
    names = ["planes", *(f"twice{number}" for number in range(times - 1)), "huge"]
    return [helper.make_node("Concat", [one, one], [two], axis=0) for one, two in pairwise(names)]


def many_nodes() -> onnx.ModelProto:
    names = ["planes", *(f"n{number}" for number in range(300_000)), "huge"]
    return bomb([helper.make_node("Relu", [a], [b]) for a, b in pairwise(names)])


BOMBS: dict[str, Callable[[], onnx.ModelProto]] = {
    "a constant of 20 GB": lambda: bomb([filled("huge", "shape")], shape=np.array([5_000_000_000], np.int64)),
    "constants that are convolved for minutes while loading": lambda: bomb(
        [filled("a", "left"), filled("b", "right"), helper.make_node("Conv", ["a", "b"], ["huge"])],
        left=np.array([1, 64, 1024, 1024], np.int64), right=np.array([64, 64, 31, 31], np.int64),
    ),
    "one convolution of minutes at the first run": lambda: bomb(
        [
            helper.make_node("Resize", ["planes", "", "", "wide"], ["big"], mode="nearest"),
            filled("b", "right"),
            helper.make_node("Conv", ["big", "b"], ["huge"]),
        ],
        wide=np.array([1, 1, 2048, 2048], np.int64), right=np.array([64, 1, 127, 127], np.int64),
    ),
    "pixels that are spread to 20 GB": lambda: bomb(
        [helper.make_node("Expand", ["planes", "shape"], ["huge"])],
        shape=np.array([20_000_000, 1, SIDE, SIDE], np.int64),
    ),
    "pixels that are repeated": lambda: bomb(
        [helper.make_node("Tile", ["planes", "times"], ["huge"])], times=np.array([3_000_000, 1, 1, 1], np.int64)
    ),
    "a range of five thousand million numbers": lambda: bomb(
        [helper.make_node("Range", ["start", "end", "step"], ["huge"])],
        start=np.float32(0), end=np.float32(5e9), step=np.float32(1),
    ),
    "thirty doublings": lambda: bomb(doubling(30)),
    "a product of two large matrices": lambda: bomb(
        [filled("a", "side"), filled("b", "side"), helper.make_node("MatMul", ["a", "b"], ["ab"]),
         helper.make_node("MatMul", ["ab", "b"], ["huge"])],
        side=np.array([9000, 9000], np.int64),
    ),
    "an image padded to a wall": lambda: bomb(
        [helper.make_node("Pad", ["planes", "pads"], ["huge"])],
        pads=np.array([0, 0, 40_000, 40_000, 0, 0, 40_000, 40_000], np.int64),
    ),
    "three hundred thousand operators": many_nodes,
}  # fmt: skip


def from_elsewhere(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    monkeypatch.setenv("LOPORE_STATE", str(folder.path.parent / "another user"))
    return ModelFolder.read(folder.path)


class Watch:
    """The most memory that any child of this test took, in bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import lopore.models.child_session as module

        self.most = 0

        def noted(pid: int) -> Any:
            usage = usage_of(pid)
            self.most = max(self.most, usage.peak)
            return usage

        monkeypatch.setattr(module, "usage_of", noted)


@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_is_stopped_and_named_in_one_line(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lone = tmp_path / "bomb.onnx"
    onnx.save(BOMBS[what](), lone)
    write_record(lone, record_for())
    watch = Watch(monkeypatch)
    with pytest.raises(ModelError) as caught:
        open_model(ModelFolder.read(lone))
    assert "\n" not in str(caught.value)
    assert 0 < watch.most < GIB, f"{watch.most / GIB:.2f} GiB"  # a sound run takes 0.07


def both(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> tuple[OpenModel, OpenModel]:
    """The same model opened as one's own, and as one from elsewhere."""
    own = open_model(ModelFolder.read(folder.path))
    return own, open_model(from_elsewhere(folder, monkeypatch))


def test_a_model_from_elsewhere_answers_and_explains_as_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, foreign = both(publish(tmp_path / "bright"), monkeypatch)
    assert isinstance(foreign.session, ChildSession)
    assert not isinstance(own.session, ChildSession)
    batch = np.random.default_rng(0).integers(0, 256, (7, SIDE, SIDE, 1), np.uint8)
    for size in (1, 2, 7):
        np.testing.assert_array_equal(foreign.session.predict(batch[:size]), own.session.predict(batch[:size]))
    assert list(explainers_for(foreign)) == list(explainers_for(own)) == ["grad-cam", "occlusion"]
    for name, explainer in explainers_for(own).items():
        np.testing.assert_array_equal(raw_maps(foreign, explainer, batch, 1), raw_maps(own, explainer, batch, 1), name)
    with pytest.raises(ModelError, match=r"takes pixels|cannot run on pixels"):
        foreign.session.predict(batch[:, :8])
    foreign.session.close()
    with pytest.raises(ModelError, match="the session was closed; open the model again"):
        foreign.session.predict(batch)


def test_a_segmentation_model_from_elsewhere_gives_its_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, foreign = both(publish_areas(tmp_path / "areas"), monkeypatch)
    assert isinstance(foreign.session, MapSession)
    batch = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), np.uint8)
    np.testing.assert_array_equal(foreign.session.segment(batch), own.session.segment(batch))  # type: ignore[attr-defined]


def test_a_model_from_elsewhere_that_runs_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds for one operator, too, which ONNX Runtime cannot interrupt."""
    model = bomb(
        [filled("b", "right"), helper.make_node("Resize", ["planes", "", "", "wide"], ["big"], mode="nearest"),
         helper.make_node("Conv", ["big", "b"], ["huge"])],
        wide=np.array([1, 1, 512, 512], np.int64), right=np.array([8, 1, 63, 63], np.int64),
    )  # fmt: skip
    folder = publish(tmp_path / "slow", model)
    monkeypatch.setenv("LOPORE_OPEN_SECONDS", "600")
    foreign = open_model(from_elsewhere(folder, monkeypatch))
    monkeypatch.setattr(foreign.session, "_clock", 0.05)
    with pytest.raises(ModelError, match=r"comes from elsewhere and takes longer than 0\.05 s; it was stopped"):
        foreign.session.predict(np.zeros((1, SIDE, SIDE, 1), np.uint8))


def test_an_export_of_a_model_from_elsewhere_does_not_make_it_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = publish(tmp_path / "bright")
    assert ModelFolder.read(folder.path).made_here
    foreign = from_elsewhere(folder, monkeypatch)
    assert not foreign.made_here
    foreign.with_files([])
    assert not ModelFolder.read(folder.path).made_here


@pytest.mark.parametrize("text", ["much", "-1", "0", "nan"])
def test_a_limit_that_is_no_number_is_told(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOPORE_MODEL_MEMORY", text)
    folder = publish(tmp_path / "bright")
    with pytest.raises(ConfigError, match=r"LOPORE_MODEL_MEMORY='.*' is no number of MiB"):
        open_model(from_elsewhere(folder, monkeypatch))
