"""U-Net (Ronneberger et al., MICCAI 2015) over the encoders of lopore-tf, layer by layer as lopore-torch's.

Channels come last in Keras: the logits are (N, H, W, outputs) inside, background first. Sessions and exported files
turn them into maps (N, K, H, W), as ``lopore.contracts`` has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lopore.errors import ConfigError

from .architectures import Architecture
from .architectures.layers import Style, activation, batch_norm, convolution
from .network import DECODER, FEATURES, HEAD
from .start import keras

UNET = "unet-"
STRIDE = 32
DECODER_CHANNELS = (128, 64, 32, 24, 16)
STYLE = Style(padding="even", epsilon=1e-5, activation="relu")
TAPS: Mapping[str, tuple[str, ...]] = {
    "resnet18": ("act1", "layer1.1.act", "layer2.1.act", "layer3.1.act", FEATURES),
    "tf_efficientnet_lite0": (
        "blocks.0.0.bn2", "blocks.1.1.add", "blocks.2.1.add", "blocks.4.2.add", "blocks.6.0.bn3",
    ),
    "tf_efficientnet_lite2": (
        "blocks.0.0.bn2", "blocks.1.2.add", "blocks.2.2.add", "blocks.4.3.add", "blocks.6.0.bn3",
    ),
    "mobilenetv2_100": ("blocks.0.0.bn2", "blocks.1.1.add", "blocks.2.2.add", "blocks.4.2.add", "blocks.6.0.bn3"),
    "mobilenetv3_small_100": ("bn1.act", "blocks.0.0.bn2", "blocks.1.1.add", "blocks.3.1.add", FEATURES),
}  # fmt: skip
"""Of each encoder the last layer at a half, a quarter and so on down to 1/32 of the size; what stands behind the last
(the 1280 channels that a classifier pools) is left out."""


def encoder_of(name: str) -> str:
    """The encoder's name in that of a U-Net; ConfigError naming those that there are."""
    encoder = name.removeprefix(UNET)
    if encoder not in TAPS:
        raise ConfigError(
            f"lopore-tf has no U-Net over '{encoder}'; it has {', '.join(UNET + known for known in TAPS)}; "
            "others need trainer: torch"
        )
    return encoder


def check_size(size: tuple[int, int]) -> None:
    """ConfigError for a size that cannot be halved five times."""
    if any(length % STRIDE for length in size):
        raise ConfigError(f"a U-Net takes sizes that are multiples of {STRIDE}, not {size}; change preprocessing.size")


def unet_logits(pixels: Any, planes: Any, encoder: str, architecture: Architecture, outputs: int) -> Any:
    """Logits (N, H, W, outputs) of normalised planes (N, H, W, planes), which were made from the input ``pixels``."""
    encoder_model = keras.Model(pixels, architecture.features(planes, last=FEATURES))
    *skips, x = (encoder_model.get_layer(tap).output for tap in TAPS[encoder])
    for number, filters in enumerate(DECODER_CHANNELS):
        x = _decoded(x, f"{DECODER}blocks.{number}", skips.pop() if skips else None, filters)
    return keras.layers.Conv2D(outputs, 3, padding="same", dtype="float32", name=HEAD)(x)


def _decoded(x: Any, name: str, skip: Any, filters: int) -> Any:
    """Twice the size, beside what the encoder saw there, and two convolutions."""
    x = keras.layers.UpSampling2D(2, interpolation="nearest", name=f"{name}.up")(x)
    if skip is not None:
        x = keras.layers.Concatenate(name=f"{name}.join")([x, skip])
    for part in ("conv1", "conv2"):
        # He's for the inputs, as segmentation_models_pytorch draws a decoder
        drawn = keras.initializers.VarianceScaling(2.0, "fan_in", "uniform")
        x = convolution(x, f"{name}.{part}.0", STYLE, filters, kernel=3, initial=drawn)
        x = activation(batch_norm(x, f"{name}.{part}.1", STYLE), f"{name}.{part}.2", STYLE.activation)
    return x
