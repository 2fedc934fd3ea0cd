"""One optimiser step as graphs that are traced once: forward, backward, update, averaging, on every device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Batch, LearnRequest, Scores
from lopore.errors import RunError
from lopore.training.precision_trial import ComputePlan

from .distributed import add_up, here, joined, mirrors_of, put
from .freezing import every_layer
from .losses import image_loss
from .network import to_maps, to_scores
from .optimizer import Updater, clipped
from .start import keras, tf
from .training_mode import Share, training_mode

REPLICA_SEED, BATCH_SEED = 1_000_003, 7_000_003
"""Far beyond the layers and steps there are: each device, and each batch of a group, drops other features."""


class Step:
    """The arithmetic of a request on its network, averaged network and optimiser.

    A graph takes batches of any size. ``compile`` makes XLA translate it, once for each size that comes.
    """

    def __init__(
        self,
        request: LearnRequest,
        network: Any,
        averaged: Any,
        frozen: frozenset[int],
        updater: Updater,
        strategy: Any,
    ) -> None:
        self.request, self.network, self.averaged = request, network, averaged
        self.frozen, self.updater, self.strategy = frozen, updater, strategy
        self.mirrors = mirrors_of(strategy)
        self.replicas = self.mirrors.replicas
        self.loss = image_loss(
            request.losses, task=request.task, classes=len(request.classes), class_weights=request.class_weights,
            label_smoothing=request.label_smoothing,
        )  # fmt: skip
        self.trained = updater.variables
        self.pairs = _pairs(network, averaged, frozen)
        self.narrow = any(_is_narrow(layer) for layer in every_layer(network) if id(layer) not in frozen)
        self.added: list[Any] = []
        self.share = Share()
        self._graphs: dict[tuple[str, str], Callable[..., Any]] = {}
        self._scores = tf.function(self._predict_everywhere, input_signature=[self._pixels], autograph=False)
        self._maps = tf.function(self._draw_everywhere, input_signature=[self._pixels], autograph=False)
        scores = tf.TensorSpec((None, None), tf.float32)
        self._gather = tf.function(self._gather_everywhere, input_signature=[scores], autograph=False)

    @property
    def _pixels(self) -> Any:
        asked = self.request.network
        return tf.TensorSpec((None, *asked.size, asked.channels), tf.uint8 if asked.depth == 8 else tf.uint16)

    @property
    def _targets(self) -> Any:
        if self.request.task == "multilabel":
            return tf.TensorSpec((None, len(self.request.classes)), tf.float32)
        masks = self.request.network.size if self.request.task == "segmentation" else ()
        return tf.TensorSpec((None, *masks), tf.int64)

    def run(
        self, plan: ComputePlan, group: Sequence[Batch], numbers: NDArray[Any], seed: Sequence[int], scale: float,
        ema_decay: float,
    ) -> tuple[Any, Any]:  # fmt: skip
        """One update by the mean loss over a group of batches.

        numbers: of ``Updater.numbers``. seed: two integers of this step. scale: of the loss. average: weight of the
        averaged weights as they are. Returns (sum of the image losses, whether all gradients were finite), tensors.
        RunError for a batch of one image where features of one pixel would be normalised: that makes them nothing.
        """
        if self.narrow and any(len(batch.pixels) == 1 for batch in group):
            raise RunError(
                "batches of one image leave batch normalisation nothing to average, since the last features of this "
                "network are one pixel here; raise training.batch_size to 2, or preprocessing.size"
            )
        images = sum(batch.global_batch_size or len(batch.pixels) for batch in group)
        settings = np.array([1.0 / images, scale, 1.0 - ema_decay], np.float32)
        if self.request.accumulation_steps == 1:
            total, finite = self._call(plan, "step", *_arrays(group[0]), settings, np.asarray(seed), numbers)
            return self._first(total), self._first(finite)
        parts = []
        for number, batch in enumerate(group):
            own = np.asarray([seed[0], seed[1] + number * BATCH_SEED])
            parts.append(self._first(self._call(plan, "add", *_arrays(batch), settings, own)))
        return tf.add_n(parts), self._first(self._call(plan, "move", settings, numbers))

    def _first(self, replicas: Any) -> Any:
        return self.strategy.experimental_local_results(replicas)[0]

    def scores(self, pixels: NDArray[Any]) -> Scores:
        """Probabilities (N, K), computed in single precision."""
        parts = self.strategy.experimental_local_results(self._scores(tf.convert_to_tensor(pixels)))
        return joined([part.numpy() for part in parts], len(pixels))

    def gathered(self, scores: Scores) -> Scores:
        """The sum of what all processes have, (N, K) each: rows that another process scored are zero here."""
        return np.asarray(self._first(self._gather(scores)).numpy(), np.float32)

    def _gather_everywhere(self, scores: Any) -> Any:
        def replica(own: Any) -> Any:
            first = tf.equal(tf.distribute.get_replica_context().replica_id_in_sync_group, self.mirrors.first)
            return add_up(tf.where(first, own, tf.zeros_like(own)), self.replicas)

        return self.strategy.run(replica, (scores,))

    def maps(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Probability of each class at each pixel (N, K, H, W) of a segmentation network, in single precision."""
        parts = self.strategy.experimental_local_results(self._maps(tf.convert_to_tensor(pixels)))
        return joined([part.numpy() for part in parts], len(pixels))

    def _call(self, plan: ComputePlan, kind: str, *arguments: Any) -> Any:
        key = plan.precision, kind
        if key not in self._graphs:
            if kind == "add" and not self.added:
                with self.strategy.scope():
                    self.added = [tf.Variable(tf.zeros(each.shape), trainable=False) for each in self.trained]
            self._graphs[key] = self._compiled(*key)
        try:
            return self._graphs[key](*arguments)
        except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError, tf.errors.InternalError) as error:
            text = " ".join(str(error).split())[:160]
            if self.request.deterministic and "deterministic" in text.lower():
                raise RunError(
                    f"TensorFlow has no deterministic form of this on this device ({text}); set "
                    "training.deterministic: false, or training.device: cpu"
                ) from None
            if not self.request.compile:
                raise
            raise RunError(f"XLA failed here ({text}); set training.compile: false") from None
        except tf.errors.ResourceExhaustedError:
            size = self.request.batch_size
            raise RunError(
                f"the device has too little memory for batches of {size} images; lower training.batch_size (and raise "
                "training.accumulation_steps by as much), or take a smaller preprocessing.size"
            ) from None

    def _compiled(self, precision: str, kind: str) -> Callable[..., Any]:
        settings, seed = tf.TensorSpec((3,), tf.float32), tf.TensorSpec((2,), tf.int64)
        numbers = tf.TensorSpec((len(self.updater.groups), 3), tf.float32)
        bodies: dict[str, tuple[list[Any], Callable[..., Any]]] = {
            "step": ([self._pixels, self._targets, settings, seed, numbers], self._step),
            "add": ([self._pixels, self._targets, settings, seed], self._add),
            "move": ([settings, numbers], self._move),
        }
        signature, body = bodies[kind]

        def replica(*arguments: Any) -> Any:
            return body(precision, *arguments)

        inner = tf.function(replica, jit_compile=True) if self.request.compile else replica

        def everywhere(*arguments: Any) -> Any:
            with training_mode(self.network, precision, self.frozen, self.share):
                return self.strategy.run(inner, arguments)

        return tf.function(everywhere, input_signature=signature, autograph=False)  # type: ignore[no-any-return]

    def _step(self, precision: str, pixels: Any, targets: Any, settings: Any, seed: Any, numbers: Any) -> Any:
        total, gradients = self._gradients(precision, pixels, targets, settings, seed)
        return total, self._update(precision, gradients, settings, numbers)

    def _add(self, precision: str, pixels: Any, targets: Any, settings: Any, seed: Any) -> Any:
        total, gradients = self._gradients(precision, pixels, targets, settings, seed)
        for variable, gradient in zip(self.added, gradients, strict=True):
            put(variable, tf.convert_to_tensor(variable) + gradient)
        return total

    def _move(self, precision: str, settings: Any, numbers: Any) -> Any:
        own = [tf.identity(variable) for variable in self.added]  # a value of this device, not the variable's
        finite = self._update(precision, own, settings, numbers)
        for variable in self.added:
            put(variable, tf.zeros(variable.shape))
        return finite

    def _gradients(self, precision: str, pixels: Any, targets: Any, settings: Any, seed: Any) -> tuple[Any, list[Any]]:
        """(sum of all devices' losses, gradients of this one's share of the mean loss, scaled)."""
        pixels, targets, weights = here(self.mirrors, pixels, targets)
        own = tf.cast(seed, tf.int32)
        if self.replicas > 1:
            own += [tf.distribute.get_replica_context().replica_id_in_sync_group * REPLICA_SEED, 0]
        self.share.seed, self.share.weights, self.share.replicas = own, weights, self.replicas
        watched = [variable.value for variable in self.trained]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            logits = self.network(pixels, training=True)
            losses = self.loss(tf.cast(logits, tf.float32), targets)
            total = tf.reduce_sum(losses if weights is None else losses * weights)
            share = total * settings[0] * settings[1]
        gradients = tape.gradient(share, watched, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        self.share.seed = self.share.weights = None
        total = add_up(tf.cast(total, tf.float64), self.replicas)
        return total, [tf.convert_to_tensor(gradient) for gradient in gradients]

    def _update(self, precision: str, gradients: list[Any], settings: Any, numbers: Any) -> Any:
        gradients = add_up(gradients, self.replicas)
        finite = tf.constant(True)
        if precision == "fp16":
            gradients = [gradient / settings[1] for gradient in gradients]
            finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
            tf.cond(finite, lambda: self._apply(gradients, numbers), lambda: False)
        else:
            self._apply(gradients, numbers)
        for own, new in self.pairs:
            old, value = tf.convert_to_tensor(own.value), tf.convert_to_tensor(new.value)
            put(own.value, old + (value - old) * settings[2] if old.dtype.is_floating else value)
        return finite

    def _apply(self, gradients: list[Any], numbers: Any) -> bool:
        longest = self.request.optimizer.clip_norm
        self.updater.apply(gradients if longest is None else clipped(gradients, longest), numbers)
        return True

    def _predict_everywhere(self, pixels: Any) -> Any:
        return self.strategy.run(self._predict, (pixels,))

    def _predict(self, pixels: Any) -> Any:
        network = self.network if self.averaged is None else self.averaged
        return to_scores(network(here(self.mirrors, pixels)[0], training=False), self.request.task)

    def _draw_everywhere(self, pixels: Any) -> Any:
        return self.strategy.run(self._draw, (pixels,))

    def _draw(self, pixels: Any) -> Any:
        network = self.network if self.averaged is None else self.averaged
        return to_maps(network(here(self.mirrors, pixels)[0], training=False))


def _arrays(batch: Batch) -> tuple[NDArray[Any], NDArray[Any]]:
    if batch.targets is None:
        raise RunError("a training batch has no targets; give every image of the training split a label")
    kind = np.float32 if batch.targets.ndim == 2 else np.int64  # rows of classes; indices and masks are whole numbers
    return batch.pixels, np.asarray(batch.targets, kind)


def _is_narrow(layer: Any) -> bool:
    """Whether a layer normalises features of one pixel."""
    return isinstance(layer, keras.layers.BatchNormalization) and tuple(layer.output.shape[1:-1]) == (1, 1)


def _pairs(network: Any, averaged: Any, frozen: frozenset[int]) -> list[tuple[Any, Any]]:
    """(averaged, trained) weights and statistics of the layers that may move."""
    if averaged is None:
        return []
    layers = zip(every_layer(averaged), every_layer(network), strict=True)
    return [
        pair
        for mean, own in layers
        if id(own) not in frozen
        for pair in zip(mean.weights, own.weights, strict=True)
    ]  # fmt: skip
