"""Network builders: any timm classifier and U-Nets over timm encoders, grey or colour, pretrained or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from lopore.contracts import ANOMALY, Backbone, NetworkRequest, outputs_of
from lopore.errors import ConfigError, ModelError, PluginError
from lopore.models.pretrained import (
    colours_of_grey,
    fold_grey,
    grey_statistics,
    refuse_convolution,
    statistics_in_request,
)
from lopore.plugins.registry import call_entry, discover
from lopore.training_settings import Anomaly

from .network import COLOURS, Classifier, Network, Segmenter, known_name
from .small_unet import SMALL, build_small_unet, refuse_pretrained
from .weights import find_pretrained, prefixes

if TYPE_CHECKING:
    from lopore.record.model import ModelRecord

UNET = "unet-"
HEAD_STD = 0.01


def build(request: NetworkRequest, planes: int | None = None) -> Network:
    """The network of a request, in training mode; ConfigError for an unknown name or impossible size.

    planes: of the input, where the weights that will follow have another number than the request's channels.

    Where another package offers the backbone, its own ``build`` makes the network, weights and normalisation included.
    """
    outside = discover().outside_backbone("torch", request.backbone)
    if outside is not None:
        return _built_outside(outside, request)
    name = request.backbone.removeprefix(UNET)
    segmentation = request.segmentation or name != request.backbone
    if segmentation and request.dropout:
        raise ConfigError(f"model.dropout {request.dropout:g} is for classifiers, a U-Net has none; set it to 0")
    if name == SMALL:
        refuse_pretrained(request)
    found = find_pretrained(request, name)
    mean, std = statistics_in_request(request, (found.mean, found.std) if found else None)
    if request.grey_input == "convolution":
        planes = 1
    elif found is not None and request.channels == 1:
        planes = 1 if max(mean) - min(mean) <= 1e-9 else 2
    planes = planes or request.channels
    network = assemble(name, request, planes, segmentation)
    if found is not None:
        mean, std = _take_over(network, found.state, mean, std, request, name)
    network.normalise.set(mean, std, request.depth)
    return network


def _built_outside(backbone: Backbone, request: NetworkRequest) -> Network:
    source = discover().backbones.sources[backbone.key]
    if request.anomaly is not None:
        raise ConfigError(f"backbone '{backbone.key}' of {source} tells no stages for task anomaly; take resnet18")
    refuse_convolution(request, backbone.key)
    network = call_entry("backbone", backbone.key, source, lambda: backbone.build(request))
    if not isinstance(network, Classifier | Segmenter):
        raise PluginError(
            f"backbone '{backbone.key}' of {source} built a {type(network).__name__}; it returns "
            "lopore_torch.network.Classifier(body, planes), which normalises raw pixels"
        )
    return network


def assemble(name: str, request: NetworkRequest, planes: int, segmentation: bool) -> Network:
    """An untrained network of ``planes`` input planes; weights and statistics are still to be set."""
    if request.anomaly is not None:
        from .anomaly_network import build_anomaly

        return build_anomaly(name, request, planes)
    if segmentation:
        from .segmentation import build_unet

        if name == SMALL:
            refuse_convolution(request, request.backbone)
            return build_small_unet(request, planes)
        return build_unet(name, request, planes)
    colour = request.grey_input == "convolution"
    return Classifier(create_timm(name, request, COLOURS if colour else planes), planes, colour=colour)


def create_timm(name: str, request: NetworkRequest, planes: int) -> nn.Module:
    """A timm classifier; where the network is tied to a size it is made for the request's."""
    import timm

    known_name(name)
    config = timm.models.get_pretrained_cfg(name)
    sized: dict[str, Any] = {"img_size": request.size} if config is not None and config.fixed_input_size else {}
    try:
        body: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=request.outputs, in_chans=planes, drop_rate=request.dropout, **sized
        )
        return _with_calm_head(body)
    except (TypeError, AssertionError, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"timm's '{name}' cannot be built for {request.size} px: {text}; choose another size"
        ) from None


@torch.no_grad()
def _with_calm_head(body: nn.Module) -> nn.Module:
    """The network with a head that starts near zero, so that the first answers are undecided.

    timm draws EfficientNet's head from +-1/sqrt(outputs), which is +-1 for one output: with a frozen backbone, ten
    epochs on 200 films did not undo that (by-film ROC AUC 0.78; 0.9 and more from a start near zero).
    """
    for module in _modules_at(body, _config_of(body, "classifier")):
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.normal_(module.weight, std=HEAD_STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return body


def _config_of(body: nn.Module, key: str) -> Any:
    config: Any = getattr(body, "pretrained_cfg", None) or {}
    return config.get(key)


def _modules_at(body: nn.Module, names: Any) -> list[nn.Module]:
    wanted = {prefix.removesuffix(".") for prefix in prefixes(names)}
    return [module for name, module in body.named_modules() if name in wanted]


def _take_over(
    network: Network,
    state: Mapping[str, Tensor],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    request: NetworkRequest,
    name: str,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Load pretrained weights but the head's, made fit for grey; returns the mean and std now in force."""
    adapted = dict(state)
    if network.colour is not None:
        weight, bias = colours_of_grey(mean, std)
        network.colour.load_state_dict(
            {"weight": torch.from_numpy(weight).reshape(-1, 1, 1, 1), "bias": torch.from_numpy(bias)}
        )
        (grey_mean, grey_std) = grey_statistics(mean, std)
        mean, std = (grey_mean,), (grey_std,)
    for stem in prefixes(_config(name).get("first_conv")):
        if network.colour is None and request.channels == 1 and f"{stem}weight" in adapted:
            folded, grey_mean, grey_std = fold_grey(adapted[f"{stem}weight"].numpy(), mean, std)
            adapted[f"{stem}weight"], mean, std = torch.from_numpy(folded), (grey_mean,), (grey_std,)
    target = encoder_of(network)
    heads = prefixes(_config(name).get("classifier"))
    adapted = {key: value for key, value in adapted.items() if not key.startswith(heads)}
    wanted = [key for key in target.state_dict() if not key.startswith(heads)]
    missing = [key for key in wanted if key not in adapted]
    if missing:
        raise ModelError(f"the weights lack {missing[0]} and {len(missing) - 1} more tensors of {name}; check the file")
    own = target.state_dict()
    wrong = [key for key in wanted if adapted[key].shape != own[key].shape]
    if wrong:
        raise ModelError(
            f"{wrong[0]} has shape {tuple(adapted[wrong[0]].shape)} in the weights of {name}; check the file"
        )
    target.load_state_dict({key: adapted[key] for key in wanted}, strict=False)
    return mean, std


def _config(name: str) -> Mapping[str, Any]:
    import timm

    config: Any = timm.models.get_pretrained_cfg(name)
    return dict(config.to_dict(remove_null=False)) if config is not None else {}


def encoder_of(network: Network) -> nn.Module:
    """The timm network inside: the classifier itself, or the U-Net's encoder."""
    if isinstance(network, Classifier):
        return network.body
    encoder = getattr(network.body.encoder, "model", network.body.encoder)
    assert isinstance(encoder, nn.Module)
    return encoder


def head_prefixes(network: Network) -> tuple[str, ...]:
    """Prefixes of the parameters that are learned anew for a task."""
    if not isinstance(network, Classifier):
        return ("body.decoder.", "body.segmentation_head.")
    return tuple(f"body.{prefix}" for prefix in prefixes(_config_of(network.body, "classifier")))


def statistics_in_force(network: Network, channels: int, depth: int) -> tuple[list[float], list[float]]:
    """mean and std per channel of pixels scaled to 0..1, read back from the network."""
    top = float(2**depth - 1)
    std = [1.0 / (top * float(value)) for value in network.normalise.scale.flatten()[:channels]]
    mean = [-float(shift) * s for shift, s in zip(network.normalise.shift.flatten()[:channels], std, strict=True)]
    return [round(value, 7) for value in mean], [round(value, 7) for value in std]


def rebuild(record: ModelRecord, state: Mapping[str, Tensor]) -> Network:
    """The network of a model record with its published weights, in eval mode; ModelError where they do not fit."""
    facts, size = record.architecture, record.preprocessing.size
    name = str(facts.get("backbone", record.backbone)).removeprefix("torch/")
    planes = state["normalise.scale"].shape[0] if isinstance(state.get("normalise.scale"), Tensor) else 0
    if not 1 <= planes <= 4:
        raise ModelError(
            f"{record.name}/{record.version}: the weights hold no input normalisation; copy the model anew"
        )
    request = NetworkRequest(
        backbone=name, outputs=int(facts.get("outputs", outputs_of(record.task, len(record.classes)))),
        channels=record.preprocessing.channels,
        size=size, depth=record.preprocessing.depth, dropout=float(facts.get("dropout", 0.0)),
        segmentation=record.task == "segmentation", anomaly=_anomaly_settings(record),
        grey_input="convolution" if "colour.weight" in state else "folded",
    )  # fmt: skip
    outside = discover().outside_backbone("torch", name)
    if outside is not None:
        network = _built_outside(outside, request)
    else:
        _check_shapes(name, request, planes, state, f"{record.name}/{record.version}")
        network = assemble(name.removeprefix(UNET), request, planes, request.segmentation)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        text = " ".join(str(error).split())[:200]
        raise ModelError(f"{record.name}/{record.version}: the weights do not fit {name}: {text}") from None
    return network.eval()


def _anomaly_settings(record: ModelRecord) -> Anomaly | None:
    """The settings of an anomaly model, its bank as large as it is; None for other tasks. ModelError where unusable."""
    if record.task != ANOMALY:
        return None
    facts: Any = record.architecture.get("anomaly")
    known = {key: facts[key] for key in Anomaly.model_fields if key in facts} if isinstance(facts, Mapping) else None
    try:
        return Anomaly.model_validate(known)
    except ValidationError:
        raise ModelError(
            f"{record.name}/{record.version}: the record's anomaly settings are not usable; copy the model anew"
        ) from None


def _check_shapes(name: str, request: NetworkRequest, planes: int, state: Mapping[str, Tensor], title: str) -> None:
    """ModelError where the weights do not have the shapes of the network: compared before a byte of it is made."""
    with torch.device("meta"):
        expected = assemble(name.removeprefix(UNET), request, planes, request.segmentation).state_dict()
    names = sorted(expected.keys() ^ state.keys())
    names += [key for key in expected.keys() & state.keys() if expected[key].shape != state[key].shape]
    if names:
        raise ModelError(f"{title}: the weights do not fit {name}: {names[0][:80]} and {len(names) - 1} more differ")


@torch.no_grad()
def cam_support(network: Network, size: tuple[int, int], channels: int, depth: int = 8) -> tuple[bool, str]:
    """Whether Grad-CAM has a closed form here, and if not, why: the head must see features only through their mean.

    size, channels, depth: of the network's input. Noise of 8 bits would look all black to a network of 16, its features
    would hardly differ from their mean, and any head would seem to fit.
    """
    if not isinstance(network, Classifier):
        return False, "segmentation shows its own maps"
    training, device = network.training, network.normalise.scale.device
    noise = torch.randint(0, 2**depth, (2, *size, channels), generator=torch.Generator().manual_seed(0))
    pixels = noise.to(torch.uint8 if depth == 8 else torch.uint16)
    network.eval()
    try:
        features = network.features(pixels.to(device))
        if features.ndim != 4:
            return False, f"its features are {features.ndim}-dimensional, not a map per channel"
        logits = network.head(features)
        pooled = network.head(features.mean(dim=(2, 3), keepdim=True))
        reach = (logits - network.head(torch.zeros_like(features[:, :, :1, :1]))).abs().max()
    except (RuntimeError, AttributeError, ValueError) as error:
        return False, f"its head cannot be taken apart ({' '.join(str(error).split())[:80]})"
    finally:
        network.train(training)
    if (logits - pooled).abs().max() > 1e-3 * reach:
        return False, "its head does more than pool features by their mean"
    return True, ""
