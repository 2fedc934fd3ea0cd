"""A converted model is published only whole and only if it gives its source's answers; what it is, it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from made.folders import checksums
from made.models import record_for
from made.plugins import install, on_path

from lopore.atomic_files import sha256_of
from lopore.contracts import PixelBatch
from lopore.errors import ConfigError, LoporeError, ModelError, ParityError, PluginError
from lopore.export.convert import convert_model
from lopore.models.catalogue import find_models
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelFile, ModelRecord

SIDE = 16

PLUGIN = '''
"""Frameworks of one dense layer in NumPy that keep it each in their own way, some of them badly."""

from __future__ import annotations

import numpy as np
from lopore.contracts import Backbone, Predictor, Trainer
from lopore.errors import ConfigError
from lopore.hookspecs import hookimpl

LOPORE_API = 1
GOOD = ("rows", "columns")
BAD = ("drift", "nan", "crash", "forget", "refuse")


class Session:
    def __init__(self, folder, format):
        with np.load(folder.file_for(format)) as data:
            self.layer = data["layer"].T if format == "npz-columns" else data["layer"]
            self.scale, self.shift = data["scale"], data["shift"]

    def predict(self, batch):
        x = (batch.astype(np.float64) * self.scale + self.shift).mean(axis=(1, 2))
        z = np.exp(x @ self.layer.T)
        return (z / z.sum(axis=1, keepdims=True)).astype(np.float32)

    def close(self): ...


def give(framework):
    def giving(folder):
        with np.load(folder.file_for(f"npz-{framework}")) as data:
            layer = data["layer"].T if framework == "columns" else data["layer"]
            return {"head.weight": layer, "normalise.scale": data["scale"], "normalise.shift": data["shift"]}

    return giving


def take(framework):
    def taking(record, weights, folder):
        layer = np.array(weights["head.weight"])
        if framework == "refuse":
            raise ConfigError(f"{record.backbone} has no twin here; choose another framework")
        if framework == "crash":
            raise RuntimeError("no licence key")
        if framework == "forget":
            return ["layer.npz"]
        if framework == "drift":
            layer = layer * 1.01
        if framework == "nan":
            layer = layer * np.nan
        kept = layer.T if framework == "columns" else layer
        np.savez(
            folder / "layer.npz", layer=kept, scale=weights["normalise.scale"], shift=weights["normalise.shift"]
        )
        (folder / "notes.txt").write_text(record.architecture["backbone"])
        return ["layer.npz"]

    return taking


@hookimpl
def lopore_trainers():
    for name in (*GOOD, *BAD):
        yield Trainer(
            framework=name, summary="test", tasks=("multiclass",), native_format=f"npz-{name}", devices=lambda: ["cpu"],
            learner=lambda request: None, export_weights=give(name), import_weights=take(name),
        )
    yield Trainer(
        framework="alone", summary="test", tasks=("multiclass",), native_format="npz-alone", devices=lambda: ["cpu"],
        learner=lambda request: None,
    )


@hookimpl
def lopore_predictors():
    for name in (*GOOD, *BAD):
        format = f"npz-{name}"
        yield Predictor(
            name=f"np-{name}", summary="test", formats=(format,),
            opens=lambda folder, device, threads, format=format: Session(folder, format),
        )


@hookimpl
def lopore_backbones():
    yield Backbone(
        framework="columns", name="layer", summary="test", default_size=16, explanation_layer="the layer",
        pretrained=(), build=lambda request: None,
    )
'''


@pytest.fixture
def layered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """``layer/1``, a model of the framework ``rows`` in models/final of the working directory, and its frameworks."""
    folder = tmp_path / "models" / "final" / "layer" / "1"
    folder.mkdir(parents=True)
    layer = np.array([[4.0], [-4.0]], np.float32)
    np.savez(folder / "layer.npz", layer=layer, scale=np.float32([1 / 64]), shift=np.float32([-2.0]))
    (folder / "metrics.json").write_text('{"kept": true}\n')
    (folder / "parity-onnx.json").write_text("{}\n")
    files = [
        ModelFile(path=name, sha256=sha256_of(folder / name), format="npz-rows" * (name == "layer.npz"))
        for name in ("layer.npz", "metrics.json", "parity-onnx.json")
    ]
    record = record_for(
        name="layer", version="1", framework="rows", backbone="layer", files=tuple(files), licence="ours",
        architecture={"backbone": "layer", "outputs": 2, "planes": 1, "device": "cpu"}, metrics_split="test",
    )  # fmt: skip
    (folder / "lopore.json").write_text(record.to_json())
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    install(tmp_path / "site", "lopore-layers", PLUGIN)
    with on_path(tmp_path / "site"):
        yield folder


def images() -> PixelBatch:
    """Five greys, one of them within 0.1 of undecided."""
    grey = np.array([20, 90, 128, 170, 240], np.uint8)[:, None, None, None]
    batch = np.broadcast_to(grey, (5, SIDE, SIDE, 1)).copy()
    batch[2, :4] = 130
    return batch


def test_a_twin_keeps_what_the_model_is_and_says_where_it_comes_from(layered: Path) -> None:
    source = ModelFolder.read(layered)
    before = checksums(layered)
    done = convert_model(source, "columns", images())
    assert checksums(layered) == before
    twin = done.folder
    assert twin == ModelFolder.read(layered.parent / "1-columns")
    assert (twin.record.framework, twin.record.backbone, twin.record.formats) == ("columns", "layer", ("npz-columns",))
    changed = {"version", "created", "framework", "architecture", "explanation", "files"}
    for field in set(ModelRecord.model_fields) - changed:
        assert getattr(twin.record, field) == getattr(source.record, field), field
    assert twin.record.explanation.layer == "the layer"
    facts = twin.record.architecture
    assert facts["normalisation"] == [[1 / 64], [-2.0]]
    assert facts["converted_from"] == {
        "model": "layer/1", "framework": "rows", "format": "npz-rows", "sha256": sha256_of(layered / "layer.npz")
    }  # fmt: skip
    artifacts = {file.path for file in twin.record.files}
    assert artifacts == {"layer.npz", "notes.txt", "metrics.json", "parity-npz-columns.json"}
    told = json.loads((twin.path / "parity-npz-columns.json").read_text())
    assert (told["images"], told["flipped"], told["tolerance"]) == (5, 0, 1e-4)
    assert told["export_sha256"] == sha256_of(twin.verify("npz-columns"))


def test_there_and_back_the_weights_are_the_same_bits(layered: Path) -> None:
    twin = convert_model(ModelFolder.read(layered), "columns", images()).folder
    back = convert_model(twin, "rows", images(), name="again", version="2").folder
    assert back.path == layered.parent.parent / "again" / "2"
    with np.load(back.file_for("npz-rows")) as ours, np.load(layered / "layer.npz") as first:
        assert all((ours[key] == first[key]).all() for key in first)


@pytest.mark.parametrize(
    ("to", "kind", "said"),
    [
        ("drift", ParityError, "nothing was published"),
        ("nan", ParityError, "no numbers"),
        ("crash", PluginError, "no licence key"),
        ("forget", PluginError, "wrote no npz-forget file"),
        ("refuse", ConfigError, "has no twin here"),
        ("rows", ConfigError, "is a rows model already"),
        ("alone", PluginError, "'alone' does not convert models"),
        ("jax", PluginError, "'jax' is not installed; there are .*columns"),
    ],
)
def test_what_is_not_equal_is_not_published(layered: Path, to: str, kind: type[LoporeError], said: str) -> None:
    before = checksums(layered.parent.parent)
    with pytest.raises(kind, match=said) as caught:
        convert_model(ModelFolder.read(layered), to, images())
    assert "\n" not in str(caught.value)
    assert checksums(layered.parent.parent) == before
    assert [path.name for path in layered.parent.iterdir()] == ["1"]


def test_an_altered_source_a_taken_name_and_a_wrong_name_are_refused(layered: Path) -> None:
    source = ModelFolder.read(layered)
    convert_model(source, "columns", images())
    with pytest.raises(LoporeError, match="1-columns already exists"):
        convert_model(source, "columns", images())
    for name, version in (("../up", "1"), ("layer", "v" * 65), ("", "x/y")):
        with pytest.raises(ConfigError, match="names no model"):
            convert_model(source, "columns", images(), name=name or "layer", version=version)
    with pytest.raises(ModelError, match="real images"):
        convert_model(source, "columns", images()[:0])
    (layered / "layer.npz").write_bytes((layered / "layer.npz").read_bytes() + b" ")
    with pytest.raises(ModelError, match="sha256 differs"):
        convert_model(source, "columns", images(), version="3")


def test_a_model_that_stands_elsewhere_gets_its_twin_among_the_models(layered: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "desk"
    layered.rename(elsewhere)
    done = convert_model(ModelFolder.read(elsewhere), "columns", images())
    assert done.folder.path.resolve() == tmp_path / "models" / "final" / "layer" / "1-columns"


def test_the_command_converts_and_tells_where(layered: Path, invoke: Callable[..., Result], tmp_path: Path) -> None:
    from lopore.reading.encode import write_radiograph

    for number, image in enumerate(images()):
        write_radiograph(image[..., 0], tmp_path / "films" / f"{number}.png")
    done = invoke("convert", "layer", "--to", "columns", "--images", tmp_path / "films")
    assert done.exit_code == 0, done.output
    assert "layer.npz: largest difference of a probability" in done.output
    assert "on 5 images, 0 decisions differ" in done.output
    told: dict[str, Any] = json.loads(
        invoke(
            "convert", "layer/1", "--to", "columns", "--version", "b", "--images", tmp_path / "films", "--json"
        ).stdout
    )
    assert (told["model"], told["source"], told["flipped"]) == ("layer/b", "layer/1", 0)
    assert "converted from layer/1 (rows)" in invoke("show", "layer/b").output
    assert {model.title for model in find_models() if isinstance(model, ModelFolder)} == {
        "layer/1", "layer/1-columns", "layer/b"
    }  # fmt: skip
    refused = invoke("convert", "layer/1", "--to", "drift", "--images", tmp_path / "films")
    assert refused.exit_code == 1
    assert "nothing was published" in refused.output
