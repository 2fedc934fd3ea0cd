"""Twins: the same weights give the same answers in PyTorch and in TensorFlow, on noise and on real films."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from made.commands import lopore
from made.films import films, write_films

from lopore.atomic_files import sha256_of
from lopore.contracts import NetworkRequest
from lopore.models.opening import open_model
from lopore.models.pretrained import OFFLINE
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelFile, ModelRecord
from lopore_tf import backbones as in_tf
from lopore_tf.architectures import ARCHITECTURES
from lopore_tf.naming import load_state
from lopore_tf.network import split

torch = pytest.importorskip("torch")
in_torch = pytest.importorskip("lopore_torch.backbones")

TOLERANCE = 1e-4
REACH = 8.0
"""Largest logit of the networks below: as sure as trained ones are."""
COUNTER = "num_batches_tracked"


def asked(backbone: str, channels: int, depth: int, size: tuple[int, int], **changes: Any) -> NetworkRequest:
    return NetworkRequest(backbone=backbone, outputs=3, channels=channels, size=size, depth=depth, **changes)


def images(request: NetworkRequest) -> Any:
    """Four images, each of its own brightness, with blots and grain."""
    rng, (height, width) = np.random.default_rng(0), request.size
    blots = (
        rng.uniform(0, 1, (4, 5, 5, request.channels)).repeat(-(-height // 5), axis=1).repeat(-(-width // 5), axis=2)
    )
    values = 0.6 * blots[:, :height, :width] + 0.3 * rng.uniform(0, 1, (4, 1, 1, 1))
    values += 0.1 * rng.uniform(0, 1, values.shape)
    return np.rint(values * (2**request.depth - 1)).astype(np.uint8 if request.depth == 8 else np.uint16)


@torch.no_grad()
def liven(network: Any, pixels: Any) -> None:
    """Gains, biases and statistics as training leaves them, and logits that reach ``REACH`` on these pixels."""
    draw = torch.Generator().manual_seed(1)
    for module in network.body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5, generator=draw)
            module.bias.normal_(0, 0.2, generator=draw)
            module.momentum = 0.5
        elif isinstance(module, torch.nn.Conv2d) and module.bias is not None:
            module.bias.normal_(0, 0.1, generator=draw)
    for _ in range(2):  # three quarters of the way to the statistics of the images, which differ between channels
        network.train()(torch.from_numpy(pixels))
    network.eval()
    set_head(network, pixels)


@torch.no_grad()
def set_head(network: Any, pixels: Any) -> None:
    """A head that tells the pixels apart and reaches ``REACH``."""
    head = network.body.get_classifier()
    head.weight.normal_(0, 1, generator=torch.Generator().manual_seed(2))
    head.bias.copy_(torch.linspace(-1, 1, len(head.bias)))
    head.weight *= REACH / network(torch.from_numpy(pixels)).abs().max()


def torch_network(request: NetworkRequest) -> Any:
    """timm's network behind normalisation, the same weights every time."""
    torch.manual_seed(0)
    return in_torch.build(request)


def twin_of(network: Any, request: NetworkRequest) -> Any:
    model = in_tf.build(request)
    state = {key.removeprefix("body."): value.numpy() for key, value in network.state_dict().items()}
    load_state(model, state, source="timm", classifier=ARCHITECTURES[request.backbone].classifier)
    return model


CASES = [
    *((name, 3, 8, (65, 80), "folded") for name in ARCHITECTURES),
    *((name, 1, 16, (96, 64), "folded") for name in ("resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_100")),
    ("resnet18", 1, 8, (65, 80), "convolution"),
]


@pytest.mark.parametrize(("backbone", "channels", "depth", "size", "grey_input"), CASES)
def test_a_twin_has_the_features_and_logits_of_timms_network(
    backbone: str,
    channels: int,
    depth: int,
    size: tuple[int, int],
    grey_input: str,
    record_property: Callable[[str, object], None],
) -> None:
    request = asked(backbone, channels, depth, size, grey_input=grey_input)
    pixels, network = images(request), torch_network(request)
    liven(network, pixels)
    model = twin_of(network, request)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels)).numpy()
        maps = network.features(torch.from_numpy(pixels)).permute(0, 2, 3, 1).numpy()
    got = model(pixels, training=False).numpy()
    difference = float(np.abs(got - expected).max())
    record_property("largest difference of a logit", difference)
    print(f"{backbone} {channels} x {depth} bit: max |dlogit| {difference:.1e} of {np.abs(expected).max():.1f}")
    moved = np.ptp(expected, axis=0).min()
    assert moved > 100 * difference, "answers that hardly depend on the pixels prove nothing"
    assert difference < TOLERANCE
    np.testing.assert_allclose(split(model)[0](pixels, training=False), maps, atol=1e-5 * np.abs(maps).max())
    assert in_tf.statistics_in_force(model, channels, depth) == in_torch.statistics_in_force(network, channels, depth)


def test_a_wrong_padding_or_epsilon_would_show() -> None:
    """The test above has teeth: TensorFlow's padding, or an epsilon of Keras, moves logits far beyond its tolerance."""
    from dataclasses import replace
    from functools import partial

    from lopore_tf.architectures import inverted, tables

    name = "mobilenetv3_small_100"
    request = asked(name, 3, 8, (64, 64))
    pixels, network = images(request), torch_network(request)
    liven(network, pixels)
    state = {key.removeprefix("body."): value.numpy() for key, value in network.state_dict().items()}
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels)).numpy()
    for wrong in ({"padding": "tensorflow"}, {"epsilon": 1e-3}, {"activation": "relu6"}):
        table = replace(tables.MOBILENETV3_SMALL, style=replace(tables.MOBILENETV3_SMALL.style, **wrong))
        features = partial(inverted.inverted_features, network=table)
        architecture = replace(ARCHITECTURES[name], features=features, style=table.style)
        model = in_tf.assemble(request, architecture, in_tf.normalisation((0.5,) * 3, (0.25,) * 3, 8))
        load_state(model, state, source="timm", classifier="classifier")
        assert np.abs(model(pixels, training=False).numpy() - expected).max() > 10 * TOLERANCE, wrong


def real_pictures(shared_data: Path, size: int, count: int) -> Any:
    from lopore.preprocessing.pipeline import preprocess, read_for
    from lopore.record.preprocessing import Preprocessing

    recipe = Preprocessing(size=(size, size))
    files = sorted((shared_data / "weld-radiographs").rglob("*.jpg")) + sorted(
        (shared_data / "weld-radiographs").rglob("*.png")
    )
    chosen = files[:: max(1, len(files) // count)][:count]
    assert len(chosen) == count
    return np.stack([preprocess(read_for(recipe, path), recipe)[0] for path in chosen])


@pytest.mark.parametrize("name", sorted(OFFLINE))
def test_offline_imagenet_weights_answer_alike_on_real_films(shared_data: Path, name: str) -> None:
    pytest.importorskip(OFFLINE[name].module)
    request = asked(name, 1, 8, (224, 224), pretrained="offline")
    pixels = real_pictures(shared_data, 224, 12)
    network, model = in_torch.build(request).eval(), in_tf.build(request)
    set_head(network, pixels)
    head = network.body.get_classifier()
    model.get_layer("head").set_weights([head.weight.detach().numpy().T, head.bias.detach().numpy()])
    with torch.inference_mode():
        expected = network(torch.from_numpy(pixels)).numpy()
    difference = float(np.abs(model(pixels, training=False).numpy() - expected).max())
    print(f"{name} offline, {len(pixels)} real films: max |dlogit| {difference:.1e}")
    assert np.ptp(expected, axis=0).min() > 0.1
    assert difference < TOLERANCE


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made films and, in models/final, the torch model that learned them."""
    folder = tmp_path_factory.mktemp("twins")
    manifest = write_films(folder, films(48), ("train", "train", "train", "val", "test"))
    config = {
        "name": "little", "trainer": "torch", "task": "binary", "seed": 1,
        "data": {"manifest": str(manifest), "positive": "pore", "workers": 1},
        "preprocessing": {"size": 64},
        "model": {"backbone": "resnet18", "dropout": 0.1, "grey_input": "convolution"},
        "training": {
            "epochs": 3, "batch_size": 8, "deterministic": True, "precision": "fp32",
            "optimizer": {"learning_rate": 1e-3},
        },
        "exports": [],
    }  # fmt: skip
    (folder / "little.yaml").write_text(yaml.safe_dump(config))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = lopore("train", "--config", "little.yaml")
    assert done.exit_code == 0, done.output
    return folder


def first_model(folder: Path, framework: str) -> ModelFolder:
    """The first model of a framework that was published."""
    found = [ModelFolder.read(path.parent) for path in folder.glob("models/final/little/*/lopore.json")]
    fitting = [model for model in found if model.record.framework == framework]
    return min(fitting, key=lambda model: model.record.created)


def assert_decides_alike(source: ModelFolder, twin: ModelFolder) -> None:
    """On films that neither the training nor the gate has seen."""
    pixels = np.random.default_rng(3).integers(0, 256, (5, 64, 64, 1)).astype(np.uint8)
    answers = []
    for model in (source, twin):
        session = open_model(model, device="cpu").session
        answers.append(session.predict(pixels))
        session.close()
    np.testing.assert_allclose(answers[0], answers[1], atol=TOLERANCE)


def test_a_trained_model_goes_to_tensorflow_and_back_unchanged(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    source = first_model(trained, "torch")
    done = lopore("convert", source.title, "--to", "tf", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    twin = first_model(trained, "tf")
    assert told["model"] == twin.title == f"little/{source.record.version}-tf"
    assert told["max_dp"] <= TOLERANCE
    assert told["flipped"] == 0
    assert told["cam"] is not None
    kept = ("task", "classes", "positive", "preprocessing", "threshold", "tta_views", "metrics", "metrics_split",
            "leaks", "data_fingerprint", "split_fingerprint", "training_grey", "seed", "licence")  # fmt: skip
    for field in kept:
        assert getattr(twin.record, field) == getattr(source.record, field), field
    assert twin.record.formats == ("keras",)
    assert twin.record.explanation.layer == "features"
    origin = twin.record.architecture["converted_from"]
    assert (origin["model"], origin["framework"]) == (source.title, "torch")
    assert origin["sha256"] == sha256_of(source.file_for("pth"))
    assert (twin.path / "metrics.json").read_bytes() == (source.path / "metrics.json").read_bytes()

    done = lopore("convert", twin.title, "--to", "torch", "--version", "back", "--images", trained / "films")
    assert done.exit_code == 0, done.output
    back = ModelFolder.read(trained / "models" / "final" / "little" / "back")
    first, last = (torch.load(model.verify("pth"), weights_only=True) for model in (source, back))
    assert set(first) == set(last)
    for name, value in first.items():
        assert value.dtype == last[name].dtype
        if not name.endswith(COUNTER):
            assert torch.equal(value, last[name]), name
    assert_decides_alike(source, twin)
    text = lopore("show", twin.title).output
    assert f"converted from {source.title} (torch)" in text


def disguised(folder: Path, source: ModelFolder, **changes: Any) -> ModelFolder:
    """The source's weights under a record that says something else."""
    folder.mkdir(parents=True)
    path = source.file_for("pth")
    (folder / path.name).write_bytes(path.read_bytes())
    files = (ModelFile(path=path.name, sha256=sha256_of(path), format="pth"),)
    record = ModelRecord.model_validate({**dict(source.record), "files": files, **changes})
    (folder / "lopore.json").write_text(record.to_json())
    return ModelFolder.read(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backbone": "convnext_tiny"}, "has no twin in TensorFlow; twins: resnet18"),
        ({"backbone": "resnet50"}, "do not fit"),
        ({"backbone": "unet-resnet18", "task": "segmentation"}, "is a U-Net"),
    ],
)
def test_what_has_no_twin_is_refused_in_one_line_and_leaves_nothing(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
) -> None:
    from lopore.errors import LoporeError
    from lopore.export.convert import convert_model

    interchange = pytest.importorskip("lopore_torch.interchange")
    monkeypatch.chdir(tmp_path)
    source = first_model(trained, "torch")
    outputs = {"outputs": len(source.record.classes) + 1} if "task" in changes else {}
    facts = {**source.record.architecture, "backbone": changes["backbone"], **outputs}
    model = disguised(
        tmp_path / "models" / "final" / "little" / "1", source, architecture=facts, version="1", **changes
    )
    if changes["backbone"] != "resnet50":  # its weights are not at hand: what was given before stands for them
        monkeypatch.setattr(interchange, "load_network", lambda folder: in_torch.rebuild(source.record, torch.load(
            source.file_for("pth"), weights_only=True)))  # fmt: skip
    with pytest.raises(LoporeError, match=said) as caught:
        convert_model(model, "tf", np.zeros((1, 64, 64, 1), np.uint8))
    assert "\n" not in str(caught.value)
    assert [path.name for path in (tmp_path / "models" / "final" / "little").iterdir()] == ["1"]
