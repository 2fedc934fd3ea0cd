"""timm's names and layouts of weights against Keras' layers, in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ModelError

from .network import HEAD
from .start import keras

State = Mapping[str, NDArray[Any]]
Axes = tuple[int, ...]

# PyTorch keeps (out, in, height, width), Keras (height, width, in, out), and depthwise (height, width, channel, 1).
_CONVOLUTION: Axes = (3, 2, 0, 1)
_DEPTHWISE: Axes = (2, 3, 0, 1)
_DENSE: Axes = (1, 0)
_VECTOR: Axes = (0,)


def _slots(layer: Any) -> Iterator[tuple[str, Any, Axes]]:
    """(timm's name of the weight, the Keras variable, axes that turn Keras' layout into timm's) of one layer."""
    if isinstance(layer, keras.layers.BatchNormalization):
        yield "weight", layer.gamma, _VECTOR
        yield "bias", layer.beta, _VECTOR
        yield "running_mean", layer.moving_mean, _VECTOR
        yield "running_var", layer.moving_variance, _VECTOR
        return
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        yield "weight", layer.kernel, _DEPTHWISE
    elif isinstance(layer, keras.layers.Conv2D):
        yield "weight", layer.kernel, _CONVOLUTION
    elif isinstance(layer, keras.layers.Dense):
        yield "weight", layer.kernel, _DENSE
    else:
        return
    if layer.use_bias:
        yield "bias", layer.bias, _VECTOR


def _places(model: Any, classifier: str) -> dict[str, tuple[Any, Axes]]:
    return {
        f"{classifier if layer.name == HEAD else layer.name}.{part}": (variable, axes)
        for layer in model.layers
        for part, variable, axes in _slots(layer)
    }


def state_names(model: Any, classifier: str = HEAD) -> list[str]:
    """timm's names of all weights and statistics, in the order of the layers; the head stands as ``classifier``."""
    return list(_places(model, classifier))


def state_shapes(model: Any, classifier: str = HEAD) -> dict[str, tuple[int, ...]]:
    """The shapes of all weights and statistics in timm's layouts."""
    return {
        name: tuple(variable.shape[axis] for axis in axes)
        for name, (variable, axes) in _places(model, classifier).items()
    }


def state_of(model: Any, classifier: str = HEAD) -> dict[str, NDArray[np.float32]]:
    """All weights and statistics under timm's names and in timm's layouts, float32."""
    return {
        name: np.ascontiguousarray(np.asarray(keras.ops.convert_to_tensor(variable), np.float32).transpose(axes))
        for name, (variable, axes) in _places(model, classifier).items()
    }


def load_state(
    model: Any, state: State, wanted: Iterable[str] | None = None, *, source: str, classifier: str = HEAD
) -> None:
    """Give a model the weights of a timm state; nothing changes unless all that is wanted is there and fits.

    wanted: names as ``state_names`` lists them; default all. source: how errors name the state.
    Raises ModelError for a missing name, another shape, or values that are no numbers.
    """
    places = _places(model, classifier)
    names = list(places if wanted is None else wanted)
    missing = [name for name in names if name not in state]
    if missing:
        raise ModelError(f"{source} lack {missing[0]} and {len(missing) - 1} more tensors of {model.name}; check them")
    ready = []
    for name in names:
        variable, axes = places[name]
        array = np.asarray(state[name])
        shape = tuple(variable.shape[axis] for axis in axes)
        if array.shape != shape:
            raise ModelError(f"{source}: {name} has shape {array.shape}, {model.name} takes {shape}; check them")
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ModelError(f"{source}: {name} holds values that are no numbers; check them")
        ready.append((variable, array.astype(np.float32).transpose(np.argsort(axes))))
    for variable, array in ready:
        variable.assign(array)
