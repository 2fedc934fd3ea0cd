"""Pretrained weights without torch: files are data, hostile ones are refused, grey takes over colour exactly."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lopore.atomic_files import sha256_of
from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError, ModelError
from lopore.models.pretrained import OFFLINE, fold_grey
from lopore_tf.architectures import ARCHITECTURES
from lopore_tf.backbones import build, statistics_in_force, template
from lopore_tf.network import split
from lopore_tf.pickles import LEGACY_MAGIC, read_state_dict
from lopore_tf.weights import published_statistics, read_tensors

SIDE = 64


class _Storage:
    """Stands for a storage when a pickle is written; the pickler names it by its persistent id."""

    def __init__(self, kind: str, key: str, count: int) -> None:
        self.kind, self.key, self.count = kind, key, count


class _Writer(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes what ``torch.save`` writes, globals by name, so that these tests need no torch."""

    def persistent_id(self, thing: Any) -> Any:
        return ("storage", _Global("torch", thing.kind), thing.key, "cpu", thing.count) if isinstance(
            thing, _Storage
        ) else None  # fmt: skip

    def save(self, thing: Any, save_persistent_id: bool = True) -> Any:
        if isinstance(thing, _Global):
            self.write(f"c{thing.module}\n{thing.name}\n".encode())
            return None
        if isinstance(thing, _Call):
            self.save(thing.function)
            self.save(thing.arguments)
            self.write(pickle.REDUCE)
            return None
        return super().save(thing, save_persistent_id)


class _Global:
    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Call:
    def __init__(self, function: _Global, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments


def program(thing: Any) -> bytes:
    stream = io.BytesIO()
    _Writer(stream, protocol=2).dump(thing)
    return stream.getvalue()


def tensor(
    count: int = 6, shape: tuple[int, ...] = (2, 3), strides: tuple[int, ...] = (3, 1), *, kind: str = "FloatStorage",
    offset: int = 0, key: str = "0",
) -> _Call:  # fmt: skip
    hooks = _Call(_Global("collections", "OrderedDict"))
    function = _Global("torch._utils", "_rebuild_tensor_v2")
    return _Call(function, _Storage(kind, key, count), offset, shape, strides, False, hooks)


def archive(path: Path, thing: Any, members: dict[str, bytes] | None = None, how: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", how) as file:
        file.writestr("made/data.pkl", thing if isinstance(thing, bytes) else program(thing))
        for name, content in (members or {"data/0": np.arange(6, dtype="<f4").tobytes()}).items():
            file.writestr(f"made/{name}", content)
    return path


def test_a_plain_archive_gives_its_tensors(tmp_path: Path) -> None:
    got = read_state_dict(archive(tmp_path / "a.pth", {"state_dict": {"w": tensor(), "t": tensor(strides=(1, 2))}}))
    np.testing.assert_array_equal(got["w"], np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(got["t"], np.arange(6).reshape(3, 2).T)


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "a call of another function": lambda p: archive(p, {"w": _Call(_Global("os", "system"), "echo harm > harmed")}),
    "a call through builtins": lambda p: archive(p, {"w": _Call(_Global("builtins", "eval"), "open('harmed','w')")}),
    "a call as a state dict": lambda p: archive(p, _Call(_Global("posix", "system"), "touch harmed")),
    "an object with a state": lambda p: archive(p, b"\x80\x02cos\nsystem\n}b."),
    "an instance by INST": lambda p: archive(p, b"(S'touch harmed'\nios\nsystem\n."),
    "an instance by NEWOBJ": lambda p: archive(p, b"\x80\x02csubprocess\nPopen\n]X\x02\x00\x00\x00ida\x85\x81."),
    "an extension": lambda p: archive(p, b"\x80\x02\x82\x01."),
    "a persistent id by PERSID": lambda p: archive(p, b"Pharm\n."),
    "an ordered dictionary of what it is given": lambda p: archive(
        p, {"w": _Call(_Global("collections", "OrderedDict"), [[1, 2]])}
    ),
    "a storage of another kind": lambda p: archive(p, {"w": tensor(kind="UntypedStorage")}),
    "a tensor beyond its storage": lambda p: archive(p, {"w": tensor(offset=1)}),
    "a tensor before its storage": lambda p: archive(p, {"w": tensor(offset=-1)}),
    "a tensor of strides without end": lambda p: archive(p, {"w": tensor(shape=(1 << 30, 1 << 30), strides=(0, 0))}),
    "a storage larger than the file": lambda p: archive(p, {"w": tensor(count=1 << 31)}),
    "a storage that is missing": lambda p: archive(p, {"w": tensor(key="../../../etc/passwd")}),
    "a storage of another length": lambda p: archive(p, {"w": tensor(count=5, shape=(5,), strides=(1,))}),
    "things beside tensors": lambda p: archive(p, {"w": tensor(), "note": "hello"}),
    "no state dict": lambda p: archive(p, [1, 2]),
    "an empty state dict": lambda p: archive(p, {}),
    "a compressed bomb": lambda p: archive(p, {"w": tensor()}, {"data/0": bytes(1 << 20)}, how=zipfile.ZIP_DEFLATED),
    "big-endian numbers": lambda p: archive(p, {"w": tensor()}, {"data/0": bytes(24), "byteorder": b"big"}),
    "an unfinished pickle": lambda p: archive(p, program({"w": tensor()})[:-1]),
    "a pickle of nothing": lambda p: archive(p, b""),
    "an empty stack": lambda p: archive(p, b"\x80\x02."),
    "a mark for a state dict": lambda p: archive(p, b"\x80\x02(."),
    "a memo that was not kept": lambda p: archive(p, b"\x80\x02h\x07."),
    "a string of two gigabytes": lambda p: archive(p, b"\x80\x02X\xff\xff\xff\x7fabc."),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_file_that_is_more_than_tensors_is_refused_and_does_nothing(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = HOSTILE[what](tmp_path / "hostile.pth")
    with pytest.raises(ModelError, match="it was not opened") as caught:
        read_state_dict(path)
    assert "\n" not in str(caught.value)
    assert [left.name for left in tmp_path.iterdir()] == ["hostile.pth"]


def legacy(thing: Any, storages: dict[str, bytes]) -> bytes:
    start = [pickle.dumps(part, protocol=2) for part in (LEGACY_MAGIC, 1001, {"little_endian": True})]
    runs = b"".join((len(run) // 4).to_bytes(8, "little") + run for run in storages.values())
    return b"".join(start) + program(thing) + pickle.dumps(list(storages), protocol=2) + runs


def test_a_file_of_the_older_format_gives_its_tensors_and_nothing_else(tmp_path: Path) -> None:
    path, numbers = tmp_path / "old.pth", np.arange(6, dtype="<f4")
    path.write_bytes(legacy({"w": tensor()}, {"0": numbers.tobytes()}))
    np.testing.assert_array_equal(read_state_dict(path)["w"], numbers.reshape(2, 3))
    for thing, runs in (
        ({"w": _Call(_Global("os", "system"), "touch harmed")}, {"0": numbers.tobytes()}),
        ({"w": tensor()}, {"0": numbers[:3].tobytes()}),
        ({"w": tensor()}, {"1": numbers.tobytes()}),
        ({"w": tensor()}, {}),
    ):
        path.write_bytes(legacy(thing, runs))
        with pytest.raises(ModelError, match="it was not opened"):
            read_state_dict(path)
    deep = b"\x80\x02](" + b")" + b"\x85" * 1_000_000 + b"e."
    start = [pickle.dumps(part, protocol=2) for part in (LEGACY_MAGIC, 1001, {"little_endian": True})]
    path.write_bytes(b"".join(start) + program({"w": tensor()}) + deep)
    with pytest.raises(ModelError, match="no tensor of the state dict uses"):
        read_state_dict(path)
    path.write_bytes(pickle.dumps({"w": 1}))
    with pytest.raises(ModelError, match="does not begin as files of torch"):
        read_state_dict(path)


@given(at=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 400))
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_read_or_refused_but_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    for content in (archive(path, {"w": tensor()}).read_bytes(), legacy({"w": tensor()}, {"0": bytes(24)})):
        damaged = bytearray(content)
        damaged[at % len(damaged)] = value
        path.write_bytes(damaged[: len(damaged) - cut % len(damaged) if cut > 200 else None])
        try:
            read_state_dict(path)
        except ModelError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("older", [False, True])
def test_what_torch_saves_is_read_as_torch_reads_it(older: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    base = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    state = OrderedDict(
        a=base, row=base[1], column=base[:, 2], turned=base.t(), half=base.half(), brain=base.bfloat16()[1:],
        count=torch.tensor(7), none=torch.zeros(0, 3), whole=torch.arange(5), yes=torch.tensor([True, False]),
    )  # fmt: skip
    state._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "t.pth", _use_new_zipfile_serialization=not older)
    got = read_state_dict(tmp_path / "t.pth")
    assert list(got) == list(state)
    for name, value in state.items():
        expected = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        assert got[name].dtype == expected.dtype
        np.testing.assert_array_equal(got[name], expected)


def asked(backbone: str, channels: int = 1, **changes: object) -> NetworkRequest:
    settings = {"backbone": backbone, "outputs": 2, "channels": channels, "size": (SIDE, SIDE), **changes}
    return NetworkRequest(**settings)  # type: ignore[arg-type]


def noise(channels: int, depth: int = 8) -> Any:
    values = np.random.default_rng(0).integers(0, 2**depth, (2, SIDE, SIDE, 1))
    return np.repeat(values, channels, axis=3).astype(np.uint8 if depth == 8 else np.uint16)


def lively(name: str) -> dict[str, np.ndarray[Any, Any]]:
    """Weights of timm's names and shapes that keep the signal alive through all layers."""
    rng, state = np.random.default_rng(1), {}
    for key, shape in template(name).items():
        if len(shape) == 4:
            value = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        elif key.endswith(("running_var", "weight")):
            value = rng.uniform(0.5, 1.5, shape)
        else:
            value = rng.normal(0, 0.1, shape)
        state[key] = value.astype(np.float32)
    return state


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.numpy import save_file

    path = tmp_path_factory.mktemp("weights") / "mobilenetv3_small_100.safetensors"
    save_file(lively("mobilenetv3_small_100"), path)
    return path


@pytest.mark.parametrize("depth", [8, 16])
def test_a_grey_network_answers_as_the_colour_network_on_repeated_grey(weights_file: Path, depth: int) -> None:
    source = {"pretrained": str(weights_file), "pretrained_sha256": sha256_of(weights_file), "depth": depth}
    grey = build(asked("mobilenetv3_small_100", **source))
    colour = build(asked("mobilenetv3_small_100", channels=3, **source))
    one, three = (
        split(model)[0](noise(channels, depth), training=False).numpy() for model, channels in ((grey, 1), (colour, 3))
    )
    assert np.abs(three).max() > 0.1
    np.testing.assert_allclose(one, three, atol=1e-5 * np.abs(three).max())
    assert statistics_in_force(grey, 1, depth) == ([pytest.approx(0.449)], [pytest.approx(0.226)])


def test_folding_keeps_one_plane_where_the_colours_share_their_mean() -> None:
    stem = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    folded, mean, std = fold_grey(stem, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert (mean, std) == (0.5, 0.5)
    np.testing.assert_allclose(folded, stem.sum(axis=1, keepdims=True), atol=1e-6)
    assert fold_grey(stem, (0.4, 0.5, 0.6), (0.2, 0.2, 0.2))[0].shape == (4, 2, 3, 3)


@pytest.mark.parametrize("name", sorted(OFFLINE))
def test_offline_weights_are_those_that_torch_reads(name: str) -> None:
    pytest.importorskip(OFFLINE[name].module)
    torch_weights = pytest.importorskip("lopore_torch.weights")
    from lopore_tf.backbones import template
    from lopore_tf.weights import find_pretrained

    ours = find_pretrained(asked(name, pretrained="offline"), name, template(name))
    theirs = torch_weights.find_pretrained(asked(name, pretrained="offline"), name)
    assert ours is not None
    assert (ours.mean, ours.std) == (theirs.mean, theirs.std)
    for key, value in ours.state.items():
        np.testing.assert_array_equal(value, theirs.state[key].numpy())
    assert set(theirs.state) - set(ours.state) == {key for key in theirs.state if key.endswith("num_batches_tracked")}


def test_a_file_under_foreign_names_is_paired_by_its_order(tmp_path: Path) -> None:
    name = "mobilenetv3_small_100"
    torch = pytest.importorskip("torch")
    state = lively(name)
    path = tmp_path / "foreign.pth"
    torch.save({f"module.{number}": torch.from_numpy(value) for number, value in enumerate(state.values())}, path)
    model = build(asked(name, channels=3, pretrained=str(path), pretrained_sha256=sha256_of(path)))
    kernel = model.get_layer("blocks.2.0.conv_dw").kernel.numpy()
    np.testing.assert_array_equal(kernel[:, :, :, 0], state["blocks.2.0.conv_dw.weight"][:, 0].transpose(1, 2, 0))
    with pytest.raises(ModelError, match="does not hold the"):
        build(asked("resnet18", pretrained=str(path), pretrained_sha256=sha256_of(path)))


def test_files_need_their_sum_and_must_be_what_they_say(weights_file: Path, tmp_path: Path) -> None:
    name = "mobilenetv3_small_100"
    with pytest.raises(ConfigError, match="pretrained_sha256"):
        build(asked(name, pretrained=str(weights_file)))
    with pytest.raises(ModelError, match="expected 000000"):
        build(asked(name, pretrained=str(weights_file), pretrained_sha256="0" * 64))
    with pytest.raises(ModelError, match="is no file"):
        build(asked(name, pretrained=str(tmp_path / "absent.pth"), pretrained_sha256="0" * 64))
    with pytest.raises(ConfigError, match="no offline weights for 'resnet18'"):
        build(asked("resnet18", pretrained="offline"))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(weights_file.read_bytes()[:1000])
    with pytest.raises(ModelError, match="no safetensors file"):
        read_tensors(broken)


def test_published_statistics_come_from_the_weights_own_config(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"architecture": "x", "pretrained_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.1] * 3}}))
    assert published_statistics(path) == ((0.5, 0.4, 0.3), (0.1, 0.1, 0.1))
    for text in ("{}", "[1]", "{", '{"mean": [1], "std": [1]}', '{"mean": [0.5, 0.5, 0.5], "std": [0, 1, 1]}'):
        path.write_text(text)
        with pytest.raises(ModelError):
            published_statistics(path)


HUB = """
import sys
from lopore.contracts import NetworkRequest
from lopore.errors import ModelError
from lopore_tf.backbones import build, statistics_in_force

for name in sys.argv[1:]:
    try:
        model = build(NetworkRequest(backbone=name, outputs=1, channels=1, size=(32, 32), pretrained="hub"))
        print(*statistics_in_force(model, 1, 8)[0], "torch" in sys.modules)
    except ModelError as error:
        print(error)
"""


def test_the_hub_client_gives_weights_without_torch(weights_file: Path, tmp_path: Path) -> None:
    """The client's own store, filled beforehand, stands for the network; statistics are the repository's."""
    name = "mobilenetv3_small_100"
    store = tmp_path / "hub" / f"models--{ARCHITECTURES[name].hub.replace('/', '--')}"
    snapshot = store / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text("0" * 40)
    (snapshot / "model.safetensors").write_bytes(weights_file.read_bytes())
    (snapshot / "config.json").write_text(json.dumps({"pretrained_cfg": {"mean": [0.25] * 3, "std": [0.5] * 3}}))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")}
    command = [sys.executable, "-c", HUB, name, "resnet18"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found, absent = done.stdout.splitlines()
    assert found.split() == ["0.25", "False"]
    assert "did not come from timm/resnet18.a1_in1k" in absent
    assert "'offline', 'none' or a file" in absent


def test_architectures_state_what_timm_publishes() -> None:
    timm = pytest.importorskip("timm")
    for name, architecture in ARCHITECTURES.items():
        config = timm.models.get_pretrained_cfg(name)
        assert (config.mean, config.std) == (architecture.mean, architecture.std), name
        assert (config.first_conv, config.classifier) == (architecture.stem, architecture.classifier), name
        assert config.hf_hub_id == architecture.hub, name
