from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lopore.atomic_files import sha256_of
from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError, ModelError
from lopore.models.pretrained import OFFLINE
from lopore_torch import plugin
from lopore_torch.backbones import build, cam_support, statistics_in_force
from lopore_torch.network import Classifier, to_scores

BACKBONES = ["resnet18", "tf_efficientnet_lite0", "mobilenetv2_100", "mobilenetv3_small_100"]


def asked(backbone: str = "resnet18", channels: int = 1, **changes: object) -> NetworkRequest:
    settings = {"backbone": backbone, "outputs": 2, "channels": channels, "size": (64, 64), **changes}
    return NetworkRequest(**settings)  # type: ignore[arg-type]


def noise(channels: int, depth: int = 8, side: int = 64) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 2**depth, (2, side, side, 1))
    return torch.from_numpy(np.repeat(values, channels, axis=3).astype(np.uint8 if depth == 8 else np.uint16))


@pytest.fixture(scope="session")
def resnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights under timm's names with lively statistics; timm's mean and std for them differ between the colours."""
    import timm

    torch.manual_seed(1)
    model = timm.create_model("resnet18").train()
    model(torch.randn(8, 3, 64, 64))
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(model.state_dict(), path)
    return path


@pytest.mark.parametrize("depth", [8, 16])
def test_a_grey_network_answers_as_the_colour_network_on_repeated_grey(resnet_file: Path, depth: int) -> None:
    source = {"pretrained": str(resnet_file), "pretrained_sha256": sha256_of(resnet_file), "depth": depth}
    grey, colour = build(asked(**source)).eval(), build(asked(channels=3, **source)).eval()
    assert isinstance(grey, Classifier)
    assert isinstance(colour, Classifier)
    with torch.no_grad():
        one, three = grey.features(noise(1, depth)), colour.features(noise(3, depth))
    assert three.abs().max() > 0.1
    torch.testing.assert_close(one, three, rtol=0, atol=1e-5 * float(three.abs().max()))


@pytest.mark.parametrize("name", sorted(OFFLINE))
def test_offline_weights_bring_their_own_mean_and_answer_alike_in_grey_and_colour(name: str) -> None:
    pytest.importorskip(OFFLINE[name].module)
    grey = build(asked(name, pretrained="offline")).eval()
    colour = build(asked(name, channels=3, pretrained="offline")).eval()
    assert statistics_in_force(grey, 1, 8) == ([0.5], [0.5])
    assert isinstance(grey, Classifier)
    assert isinstance(colour, Classifier)
    with torch.no_grad():
        one, three = grey.features(noise(1)), colour.features(noise(3))
    torch.testing.assert_close(one, three, rtol=0, atol=1e-5 * float(three.abs().max()))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("segmentation", [False, True])
def test_a_learned_convolution_begins_as_three_equal_channels(
    resnet_file: Path, depth: int, segmentation: bool
) -> None:
    source = {"pretrained": str(resnet_file), "pretrained_sha256": sha256_of(resnet_file), "depth": depth}
    name = "unet-resnet18" if segmentation else "resnet18"
    grey = build(asked(name, grey_input="convolution", segmentation=segmentation, **source)).eval()
    colour = build(asked(name, channels=3, segmentation=segmentation, **source)).eval()
    assert grey.colour is not None and grey.colour.weight.requires_grad and colour.colour is None
    with torch.no_grad():
        for one, three in zip(grey.encode(noise(1, depth)), colour.encode(noise(3, depth)), strict=True):
            torch.testing.assert_close(one, three, rtol=0, atol=1e-5 * float(three.abs().max()))
    (mean,), (std,) = statistics_in_force(grey, 1, depth)
    assert (mean, std) == pytest.approx((0.449, 0.226), abs=1e-3)  # ImageNet's, averaged over the colours


@pytest.mark.parametrize("name", ["unet-small", "unet-resnet18"])
def test_a_learned_convolution_is_for_networks_of_three_colours(name: str) -> None:
    request = asked(name, grey_input="convolution", segmentation=True)
    if name == "unet-small":
        with pytest.raises(ConfigError, match="unet-small takes one channel as it is, so leave grey_input out"):
            build(request)
    else:
        assert build(request).colour is not None


def test_a_request_that_names_mean_and_std_overrides_those_of_the_weights(resnet_file: Path) -> None:
    source = {"pretrained": str(resnet_file), "pretrained_sha256": sha256_of(resnet_file)}
    network = build(asked(**source, mean=(0.3,), std=(0.2,)))
    assert statistics_in_force(network, 1, 8) == ([pytest.approx(0.3)], [pytest.approx(0.2)])


def test_normalisation_happens_inside_and_follows_the_depth() -> None:
    network = build(asked(depth=16, mean=(0.4,), std=(0.1,)))
    got = network.normalise(torch.full((1, 2, 2, 1), 65535, dtype=torch.int32).to(torch.uint16))
    torch.testing.assert_close(got, torch.full((1, 1, 2, 2), 6.0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_declared_layer_gives_the_features_that_the_maps_read(backbone: str) -> None:
    declared = next(b for b in plugin.lopore_backbones() if b.name == backbone)
    network = build(asked(backbone)).eval()
    assert isinstance(network, Classifier)
    seen: list[torch.Tensor] = []
    handle = network.get_submodule(declared.explanation_layer).register_forward_hook(lambda m, i, o: seen.append(o))
    with torch.no_grad():
        features = network.features(noise(1))
    handle.remove()
    torch.testing.assert_close(seen[0], features)
    assert declared.exact_cam
    assert cam_support(network, (64, 64), 1) == (True, "")


def test_any_timm_name_has_a_descriptor_and_a_transformer_says_why_it_has_no_map() -> None:
    family = next(b.family for b in plugin.lopore_backbones() if b.family)
    assert family("no_such_network") is None
    found = family("vit_tiny_patch16_224")
    assert found is not None
    assert found.key == "torch/vit_tiny_patch16_224"
    network = found.build(asked(found.name))
    exact, reason = cam_support(network, (64, 64), 1)
    assert not exact
    assert "3-dimensional" in reason


def test_an_unknown_backbone_is_answered_with_near_names() -> None:
    with pytest.raises(ConfigError, match="resnet18"):
        build(asked("resnet81"))


def test_weights_from_a_file_need_the_right_sum_and_the_right_tensors(resnet_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pretrained_sha256"):
        build(asked(pretrained=str(resnet_file)))
    with pytest.raises(ModelError, match="sha256"):
        build(asked(pretrained=str(resnet_file), pretrained_sha256="0" * 64))
    with pytest.raises(ModelError, match="no file"):
        build(asked(pretrained=str(tmp_path / "absent.pth"), pretrained_sha256="0" * 64))
    with pytest.raises(ModelError, match="does not hold"):
        build(asked("mobilenetv2_100", pretrained=str(resnet_file), pretrained_sha256=sha256_of(resnet_file)))


class Alarm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('pathlib').Path('ran').touch()",)


def test_a_weights_file_never_runs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.pth").write_bytes(pickle.dumps(Alarm()))
    with pytest.raises(ModelError, match="plain torch tensors"):
        build(asked(pretrained="bad.pth", pretrained_sha256=sha256_of(Path("bad.pth"))))
    assert not Path("ran").exists()


def test_offline_is_refused_for_networks_without_such_weights() -> None:
    with pytest.raises(ConfigError, match="tf_efficientnet_lite0"):
        build(asked(pretrained="offline"))


@pytest.mark.parametrize(("task", "outputs"), [("binary", 1), ("multiclass", 3), ("multilabel", 3)])
def test_scores_are_probabilities_whatever_the_task(task: str, outputs: int) -> None:
    scores = to_scores(torch.linspace(-200, 200, 4 * outputs).view(4, outputs), task)  # type: ignore[arg-type]
    assert scores.shape == (4, max(2, outputs))
    assert bool(((scores >= 0) & (scores <= 1)).all())
    if task != "multilabel":
        torch.testing.assert_close(scores.sum(dim=1), torch.ones(4))


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_100", "mobilenetv2_100"])
def test_an_untrained_head_is_undecided_whatever_the_network(name: str) -> None:
    request = NetworkRequest(backbone=name, outputs=1, channels=1, size=(64, 64))
    torch.manual_seed(0)
    network = build(request).eval()
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 1), np.uint8))
    with torch.inference_mode():
        assert network(pixels).abs().max() < 1.0


class PowerMean(nn.Module):
    """A network of one convolution without borders, whose head takes the cubic mean of each feature."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 1)

    def forward_features(self, planes: Tensor) -> Tensor:
        return self.conv(planes)

    def forward_head(self, features: Tensor) -> Tensor:
        return self.fc(features.clamp_min(1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3))


@pytest.mark.parametrize("depth", [8, 16])
def test_a_head_that_takes_another_mean_is_found_out_at_either_depth(depth: int) -> None:
    """Noise of 8 bits is all but black to a network of 16, and all means of one value are alike."""
    torch.manual_seed(0)
    network = Classifier(PowerMean(), 1)
    network.normalise.set([0.5], [0.25], depth)
    exact, reason = cam_support(network, (32, 32), 1, depth)
    assert (exact, reason) == (False, "its head does more than pool features by their mean")
