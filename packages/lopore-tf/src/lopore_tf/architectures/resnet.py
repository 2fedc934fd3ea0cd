"""ResNet (He et al., CVPR 2016), layer by layer as timm's."""

from __future__ import annotations

from typing import Any, Literal

from lopore_tf.start import keras

from .layers import Style, activation, batch_norm, convolution

Block = Literal["basic", "bottleneck"]
STYLE = Style(padding="even", epsilon=1e-5, activation="relu")
WIDTHS = (64, 128, 256, 512)
BOTTLENECK = 4


def resnet_features(x: Any, *, block: Block, depths: tuple[int, ...], last: str) -> Any:
    """The last features, (N, H/32, W/32, 512 or 2048). last: the name of the last layer."""
    x = convolution(x, "conv1", STYLE, 64, kernel=7, stride=2)
    x = activation(batch_norm(x, "bn1", STYLE), "act1", "relu")
    # After ReLU nothing lies under zero, so that zeros around the image never win.
    x = keras.layers.ZeroPadding2D(1, name="maxpool.pad")(x)
    x = keras.layers.MaxPooling2D(3, 2, "valid", name="maxpool")(x)
    names = [f"layer{stage + 1}.{index}" for stage, depth in enumerate(depths) for index in range(depth)]
    for name in names:
        stage = int(name[5]) - 1
        stride = 2 if stage and name.endswith(".0") else 1
        x = _block(x, name, block, WIDTHS[stage], stride, last if name == names[-1] else f"{name}.act")
    return x


def _block(x: Any, name: str, block: Block, width: int, stride: int, out: str) -> Any:
    if block == "basic":
        filters = width
        y = _step(x, f"{name}.conv1", f"{name}.bn1", width, kernel=3, stride=stride)
        y = convolution(y, f"{name}.conv2", STYLE, width, kernel=3)
        y = batch_norm(y, f"{name}.bn2", STYLE, starts_at=0.0)
    else:
        filters = width * BOTTLENECK
        y = _step(x, f"{name}.conv1", f"{name}.bn1", width)
        y = _step(y, f"{name}.conv2", f"{name}.bn2", width, kernel=3, stride=stride)
        y = convolution(y, f"{name}.conv3", STYLE, filters)
        y = batch_norm(y, f"{name}.bn3", STYLE, starts_at=0.0)
    if stride != 1 or x.shape[-1] != filters:
        x = convolution(x, f"{name}.downsample.0", STYLE, filters, stride=stride)
        x = batch_norm(x, f"{name}.downsample.1", STYLE)
    return activation(keras.layers.Add(name=f"{name}.add")([y, x]), out, "relu")


def _step(x: Any, convolution_name: str, norm_name: str, width: int, *, kernel: int = 1, stride: int = 1) -> Any:
    x = convolution(x, convolution_name, STYLE, width, kernel=kernel, stride=stride)
    return activation(batch_norm(x, norm_name, STYLE), f"{norm_name}.act", "relu")
