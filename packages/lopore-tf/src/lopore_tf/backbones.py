"""Network builders: twins of timm's classifiers in Keras layers and U-Nets over them, grey or colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Backbone, NetworkRequest, outputs_of
from lopore.errors import ConfigError, ModelError, PluginError
from lopore.models.pretrained import (
    PLAIN_MEAN,
    PLAIN_STD,
    colours_of_grey,
    fold_grey,
    grey_statistics,
    refuse_convolution,
    statistics_in_request,
)
from lopore.plugins.registry import call_entry, discover

from .architectures import ARCHITECTURES, Architecture
from .architectures.layers import activation, convolution
from .naming import load_state, state_names, state_shapes
from .network import COLOUR, COLOURS, FEATURES, HEAD, NORMALISE, PIXELS, is_head, is_segmenter, split
from .segmentation import UNET, check_size, encoder_of, unet_logits
from .start import keras
from .weights import Pretrained, find_pretrained

if TYPE_CHECKING:
    from lopore.record.model import ModelRecord

IMAGENET_CLASSES = 1000
HEAD_STD = 0.01
"""A head that starts near zero leaves the first answers undecided; see ``lopore_torch.backbones``."""
ONES, PLANES = "ones", "planes"
Normalisation = tuple[Sequence[float], Sequence[float]]
"""scale and shift per plane: ``pixel * scale + shift``."""


def build(request: NetworkRequest, applied: Normalisation | None = None) -> Any:
    """The Keras model of a request; ConfigError for an unknown name or an impossible size.

    applied: the normalisation that belongs to weights which will follow; default that of the request.

    Input ``pixels`` (N, H, W, C) uint8 or uint16 by ``request.depth``; output logits (N, outputs) float32, of a U-Net
    (N, H, W, outputs): channels come last inside Keras, and sessions and exports turn them. Layers ``normalise``,
    ``features`` and ``head`` have these names; a U-Net's last features may have another. Where another package offers
    the backbone, its own ``build`` makes the network.
    """
    outside = discover().outside_backbone("tf", request.backbone)
    if outside is not None:
        return _built_outside(outside, request)
    architecture = known_architecture(request.backbone, segmentation=request.segmentation)
    if request.segmentation and request.dropout:
        raise ConfigError(f"model.dropout {request.dropout:g} is for classifiers, a U-Net has none; set it to 0")
    encoder = request.backbone.removeprefix(UNET)
    found = None if request.pretrained == "none" else find_pretrained(request, encoder, template(encoder))
    mean, std = statistics_in_request(request, (found.mean, found.std) if found else None)
    if found is None:
        return assemble(request, architecture, applied or normalisation(mean, std, request.depth))
    state, mean, std = _fitted(found, architecture, mean, std, request)
    planes = 1 if request.grey_input == "convolution" else state[f"{architecture.stem}.weight"].shape[1]
    model = assemble(request, architecture, normalisation(mean, std, request.depth, planes))
    wanted = [name for name in state_names(model) if not is_head(name.rpartition(".")[0])]
    load_state(model, state, wanted, source=f"the weights of {request.backbone}")
    return model


def known_architecture(name: str, *, segmentation: bool = False) -> Architecture:
    """The architecture of a name, of a U-Net that of its encoder; ConfigError naming near names."""
    import difflib

    if segmentation:
        return ARCHITECTURES[encoder_of(name)]
    if name.startswith(UNET):
        raise ConfigError(f"'{name}' is for task: segmentation; take {name.removeprefix(UNET)} for other tasks")
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    near = difflib.get_close_matches(name, ARCHITECTURES, n=3, cutoff=0.6) or list(ARCHITECTURES)
    raise ConfigError(f"lopore-tf has no network '{name}'; it has {', '.join(near)}; others need trainer: torch")


def _built_outside(backbone: Backbone, request: NetworkRequest) -> Any:
    source = discover().backbones.sources[backbone.key]
    refuse_convolution(request, backbone.key)
    model = call_entry("backbone", backbone.key, source, lambda: backbone.build(request))
    layers = {layer.name: layer for layer in model.layers} if isinstance(model, keras.Model) else {}
    wanted = {HEAD} if request.segmentation else {FEATURES, HEAD}
    if not wanted <= layers.keys() or not isinstance(layers.get(NORMALISE), keras.layers.Rescaling):
        raise PluginError(
            f"backbone '{backbone.key}' of {source} built a {type(model).__name__}; it returns a Keras model of raw "
            "pixels with a Rescaling layer named 'normalise' and layers named 'features' and 'head'"
        )
    return model


def _fitted(
    found: Pretrained,
    architecture: Architecture,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    request: NetworkRequest,
) -> tuple[Mapping[str, NDArray[Any]], tuple[float, ...], tuple[float, ...]]:
    """Pretrained weights made fit for grey, and the mean and std then in force."""
    if request.grey_input == "convolution":
        weight, bias = colours_of_grey(mean, std)
        colour = {f"{COLOUR}.weight": weight.reshape(-1, 1, 1, 1), f"{COLOUR}.bias": bias}
        grey_mean, grey_std = grey_statistics(mean, std)
        return {**found.state, **colour}, (grey_mean,), (grey_std,)
    stem = f"{architecture.stem}.weight"
    if request.channels != 1 or stem not in found.state:
        return found.state, mean, std
    folded, grey_mean, grey_std = fold_grey(found.state[stem], mean, std)
    return {**found.state, stem: folded}, (grey_mean,), (grey_std,)


def normalisation(mean: Sequence[float], std: Sequence[float], depth: int, planes: int | None = None) -> Normalisation:
    """scale and shift, one a plane, as float32 values; planes beyond the statistics are constant one.

    mean, std: per channel of pixels scaled to 0..1. depth: 8 or 16 bits.
    """
    top, extra = float(2**depth - 1), (planes or len(mean)) - len(mean)
    scale = np.array([1.0 / (top * s) for s in std] + [0.0] * extra, np.float32)
    shift = np.array([-m / s for m, s in zip(mean, std, strict=True)] + [1.0] * extra, np.float32)
    return scale.tolist(), shift.tolist()


def assemble(request: NetworkRequest, architecture: Architecture, applied: Normalisation) -> Any:
    """An untrained network that normalises by ``applied``; its planes may be one more than the channels."""
    dtype = "uint8" if request.depth == 8 else "uint16"
    pixels = keras.Input((*request.size, request.channels), dtype=dtype, name=PIXELS)
    planes = _normalised(pixels, applied, request.channels)
    if request.grey_input == "convolution":  # three equal channels, until weights say otherwise
        planes = keras.layers.Conv2D(COLOURS, 1, kernel_initializer="ones", name=COLOUR)(planes)
    if request.segmentation:
        check_size(request.size)
        logits = unet_logits(pixels, planes, encoder_of(request.backbone), architecture, request.outputs)
        return keras.Model(pixels, logits, name=request.backbone)
    features = architecture.features(planes, last=FEATURES)
    pooled = _pooled(features, architecture)
    if request.dropout:
        pooled = keras.layers.Dropout(request.dropout, name="dropout")(pooled)
    calm = keras.initializers.RandomNormal(stddev=HEAD_STD)
    head = keras.layers.Dense(request.outputs, kernel_initializer=calm, dtype="float32", name=HEAD)
    return keras.Model(pixels, head(pooled), name=request.backbone)


def _normalised(pixels: Any, applied: Normalisation, channels: int) -> Any:
    """float32 whatever the precision of the rest: 16 bit pixels overflow half precision."""
    scale, shift = (list(values[:channels]) for values in applied)
    planes = keras.layers.Rescaling(scale, shift, dtype="float32", name=NORMALISE)(pixels)
    if len(applied[0]) == channels:
        return planes
    ones = keras.layers.Rescaling(0.0, 1.0, dtype="float32", name=ONES)(pixels)
    return keras.layers.Concatenate(dtype="float32", name=PLANES)([planes, ones])


def _pooled(features: Any, architecture: Architecture) -> Any:
    if architecture.pooled is None:
        return keras.layers.GlobalAveragePooling2D(name="pool")(features)
    style = architecture.style
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name="pool")(features)
    x = convolution(x, "conv_head", style, architecture.pooled, bias=True)
    return keras.layers.Flatten(name="flatten")(activation(x, "act2", style.activation))


def template(name: str) -> dict[str, tuple[int, ...]]:
    """timm's names and shapes of all weights and statistics of the colour network with ImageNet's thousand outputs."""
    request = NetworkRequest(backbone=name, outputs=IMAGENET_CLASSES, channels=3, size=(64, 64))
    architecture = known_architecture(name)
    plain = normalisation((PLAIN_MEAN,) * 3, (PLAIN_STD,) * 3, 8)
    return state_shapes(assemble(request, architecture, plain), architecture.classifier)


def normalisation_of(model: Any) -> Normalisation:
    """scale and shift that a network applies, one a plane, exactly."""
    layer = model.get_layer(NORMALISE)
    scale, shift = (np.ravel(np.array(values, np.float32)).tolist() for values in (layer.scale, layer.offset))
    if any(layer.name == ONES for layer in model.layers):
        return [*scale, 0.0], [*shift, 1.0]
    return scale, shift


def statistics_in_force(model: Any, channels: int, depth: int) -> tuple[list[float], list[float]]:
    """mean and std per channel of pixels scaled to 0..1, read back from the network."""
    scale, shift = normalisation_of(model)
    std = [1.0 / ((2**depth - 1) * value) for value in scale[:channels]]
    mean = [-offset * s for offset, s in zip(shift[:channels], std, strict=True)]
    return [round(value, 7) for value in mean], [round(value, 7) for value in std]


def rebuild(record: ModelRecord) -> Any:
    """The untrained network of a model record, from ``record.architecture``; the caller loads its weights.

    Keys read: backbone, outputs, dropout, grey_input, mean, std, planes and, where present, ``normalisation``
    ([scale, shift], exact where mean and std are rounded). ModelError where the record names no network that is built
    here.
    """
    facts, preprocessing = record.architecture, record.preprocessing
    name = backbone_of(record)
    request = NetworkRequest(
        backbone=name, outputs=int(facts.get("outputs", outputs_of(record.task, len(record.classes)))),
        channels=preprocessing.channels,
        size=preprocessing.size, depth=preprocessing.depth, dropout=float(facts.get("dropout", 0.0)),
        segmentation=record.task == "segmentation",
        grey_input="convolution" if facts.get("grey_input") == "convolution" else "folded",
    )  # fmt: skip
    outside = discover().outside_backbone("tf", name)
    if outside is not None:  # its weights file holds no statistics either: they are asked for again
        mean, std = (tuple(float(value) for value in facts.get(key) or ()) or None for key in ("mean", "std"))
        return _built_outside(outside, replace(request, mean=mean, std=std))
    try:
        return assemble(request, known_architecture(name, segmentation=request.segmentation), _recorded(record))
    except ConfigError as error:
        raise ModelError(f"{record.name}/{record.version}: {error}") from None


def backbone_of(record: ModelRecord) -> str:
    """The name of a record's network, without the framework."""
    return str(record.architecture.get("backbone", record.backbone)).removeprefix("tf/")


def _recorded(record: ModelRecord) -> Normalisation:
    facts, channels = record.architecture, record.preprocessing.channels
    planes = int(facts.get("planes", channels))
    if planes not in (channels, channels + 1):
        raise ModelError(f"{record.name}/{record.version}: the record has {planes} planes for {channels} channels")
    if "normalisation" in facts:
        scale, shift = ([float(value) for value in values] for values in facts["normalisation"])
        if len(scale) != planes or len(shift) != planes or not np.isfinite([*scale, *shift]).all():
            raise ModelError(f"{record.name}/{record.version}: the record's normalisation does not fit {planes} planes")
        return scale, shift
    mean, std = (tuple(float(value) for value in facts.get(key) or ()) for key in ("mean", "std"))
    if len(mean) != channels or len(std) != channels or min(std) <= 0:
        raise ModelError(f"{record.name}/{record.version}: the record holds no mean and std for {channels} channels")
    return normalisation(mean, std, record.preprocessing.depth, planes)


def cam_support(model: Any, size: tuple[int, int], channels: int) -> tuple[bool, str]:
    """Whether Grad-CAM has a closed form here, and if not, why: the head must see features only through their mean."""
    if is_segmenter(model):
        return False, "segmentation shows its own maps"
    features, head = split(model)
    dtype = model.inputs[0].dtype
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (2, *size, channels), dtype=dtype)
    found = features(pixels, training=False)
    if len(found.shape) != 4:
        return False, f"its features are {len(found.shape)}-dimensional, not a map per channel"
    pooled = keras.ops.broadcast_to(keras.ops.mean(found, axis=(1, 2), keepdims=True), found.shape)
    logits, averaged = (np.asarray(head(x, training=False), np.float64) for x in (found, pooled))
    reach = np.abs(logits - np.asarray(head(keras.ops.zeros_like(found), training=False))).max()
    if np.abs(logits - averaged).max() > 1e-3 * reach:
        return False, "its head does more than pool features by their mean"
    return True, ""
