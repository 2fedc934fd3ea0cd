"""A sound plugin of every kind, and the same with one promise broken: what the conformance kit is tried on."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from pydantic import ConfigDict, Field

from lopore.contracts import (
    Affine,
    Backbone,
    Batch,
    Enhancer,
    EpochReport,
    Explainer,
    Exporter,
    LearnRequest,
    Params,
    Pixels,
    Predictor,
    Scores,
    Trainer,
)
from lopore.hookspecs import hookimpl
from lopore.model import ModelFolder


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("softmax_for_faults", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


softmax = _load(Path(__file__).parent / "softmax_plugin" / "lopore_softmax.py")


def plugin_of(**offers: Sequence[Any]) -> Any:
    """A plugin object that lists ``offers`` by kind."""
    made = SimpleNamespace(LOPORE_API=1)
    for kind, items in offers.items():
        setattr(made, f"lopore_{kind}", hookimpl(_lister(items)))
    return made


def _lister(items: Sequence[Any]) -> Callable[[], Iterable[Any]]:
    def listed() -> Iterable[Any]:
        return items

    return listed


# --- enhancers -------------------------------------------------------------------------------------------------------


class Gain(Params):
    gain: float = Field(1.5, ge=0, le=4, description="Grey values are multiplied by it")


class Unbounded(Params):
    gain: float = 1.0


class Loose(Params):
    model_config = ConfigDict(frozen=True, extra="allow")


def multiplied(pixels: Pixels, params: Any) -> Pixels:
    top = np.iinfo(pixels.dtype).max
    return np.clip(pixels.astype(np.float64) * params.gain, 0, top).astype(pixels.dtype)


def multiplied_table(dtype: np.dtype[Any], params: Any) -> Pixels:
    return multiplied(np.arange(np.iinfo(dtype).max + 1).astype(dtype), params)


def as_it_was(pixels: Pixels, params: Any) -> Pixels:
    return pixels.copy()


def mirrored(pixels: Pixels, params: Any) -> Pixels:
    return pixels[:, ::-1].copy()


def mirror(shape: tuple[int, int], params: Any) -> Affine:
    return Affine(xx=-1.0, x0=float(shape[1]))


GAIN = Enhancer(name="gain", summary="Brighter", params=Gain, apply=multiplied, lookup=multiplied_table)
PLAIN = Enhancer(name="plain", summary="As it was", params=Gain, apply=as_it_was)
MIRROR = Enhancer(name="mirror", summary="Left is right", params=Params, apply=mirrored, motion=mirror)


def _float_at_the_low_end(pixels: Pixels, params: Any) -> Any:
    return pixels.astype(np.float64) if params.gain == 0 else pixels.copy()


def _fails_at_the_low_end(pixels: Pixels, params: Any) -> Pixels:
    if params.gain == 0 and len(np.unique(pixels)) > 2:
        raise ZeroDivisionError("float division by zero")
    return pixels.copy()


def _scratches_its_input(pixels: Pixels, params: Any) -> Pixels:
    result = pixels.copy()
    pixels[0, 0] = 0
    return result


def _loses_a_row_of(dtype: type[Any]) -> Callable[[Pixels, Any], Pixels]:
    return lambda pixels, params: pixels[:-1].copy() if pixels.dtype == dtype and len(pixels) > 5 else pixels.copy()


def _eight_bits_inside(pixels: Pixels, params: Any) -> Pixels:
    return np.asarray(pixels >> 8 << 8) if pixels.dtype == np.uint16 else pixels.copy()


def _unseeded(pixels: Pixels, params: Any) -> Pixels:
    return pixels // 2 * 2 + np.random.default_rng().integers(0, 2, pixels.shape).astype(pixels.dtype)


def _float_when_flat(pixels: Pixels, params: Any) -> Any:
    return pixels.astype(np.float64) if pixels.size > 15 and pixels.min() == pixels.max() else pixels.copy()


def _fails_when_tiny(pixels: Pixels, params: Any) -> Pixels:
    if min(pixels.shape[:2]) < 7:
        raise IndexError("index 7 is out of bounds")
    return pixels.copy()


def _long_refusal(pixels: Pixels, params: Any) -> Pixels:
    if min(pixels.shape[:2]) < 7:
        raise ValueError("too small\nTraceback (most recent call last):\n  ...")
    return pixels.copy()


def _wraps(pixels: Pixels, params: Any) -> Pixels:
    return pixels + pixels.dtype.type(np.iinfo(pixels.dtype).max // 4)


def _wraps_at_edges(pixels: Pixels, params: Any) -> Pixels:
    values = pixels.astype(np.int64)
    padded = np.pad(values, ((0, 0), (3, 3)) + ((0, 0),) * (values.ndim - 2), mode="edge")
    smooth = sum(padded[:, at : at + values.shape[1]] for at in range(7)) // 7
    return np.asarray(values + (values - smooth) * 2).astype(pixels.dtype)


def _off_by_one(dtype: np.dtype[Any], params: Any) -> Pixels:
    table = multiplied_table(dtype, params)
    table[7] += 1
    return table


def _swapped_table(dtype: np.dtype[Any], params: Any) -> Pixels:
    table = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    table[[100, 101]] = table[[101, 100]]
    return table


def _swapped(pixels: Pixels, params: Any) -> Pixels:
    return _swapped_table(pixels.dtype, params)[pixels]


ENHANCER_FAULTS: dict[str, tuple[Enhancer, set[str]]] = {
    "unknown parameters are accepted": (replace(PLAIN, params=Loose), {"defaults_are_valid"}),
    "a number has no bounds": (replace(PLAIN, params=Unbounded), {"bounds_are_stated_and_hold"}),
    "another dtype at a bound": (replace(PLAIN, apply=_float_at_the_low_end), {"works_within_its_bounds"}),
    "a crash at a bound": (replace(PLAIN, apply=_fails_at_the_low_end), {"works_within_its_bounds"}),
    "the input is changed": (replace(PLAIN, apply=_scratches_its_input), {"leaves_input_untouched"}),
    "a row is lost in 8 bits": (replace(PLAIN, apply=_loses_a_row_of(np.uint8)), {"keeps_depth_8_bit"}),
    "a row is lost in 16 bits": (replace(PLAIN, apply=_loses_a_row_of(np.uint16)), {"keeps_depth_16_bit"}),
    "8 bits inside": (replace(PLAIN, apply=_eight_bits_inside), {"keeps_grey_levels_16_bit"}),
    "noise without a seed": (replace(PLAIN, apply=_unseeded), {"repeatable"}),
    "another dtype when flat": (replace(PLAIN, apply=_float_when_flat), {"constant_image"}),
    "a crash when tiny": (replace(PLAIN, apply=_fails_when_tiny), {"tiny_image"}),
    "a refusal of many lines": (replace(PLAIN, apply=_long_refusal), {"tiny_image"}),
    "white turns black": (replace(PLAIN, apply=_wraps), {"does_not_wrap_around"}),
    "edges get stripes": (replace(PLAIN, apply=_wraps_at_edges), {"does_not_wrap_around"}),
    "the table is another": (replace(GAIN, lookup=_off_by_one), {"lookup_equals_apply", "lookup_keeps_order"}),
    "two values change places": (replace(GAIN, apply=_swapped, lookup=_swapped_table), {"lookup_keeps_order"}),
    "the motion is wrong": (replace(MIRROR, motion=lambda shape, params: Affine()), {"motion_moves_planted_marks"}),
    "a motion is not declared": (replace(MIRROR, motion=None), {"planted_marks_stay"}),
}


# --- a framework of one layer -----------------------------------------------------------------------------------------


class Cells:
    """Stands for the network: heat maps would read ``grey``."""

    grey = "mean grey of 8 x 8 cells"


BACKBONE = Backbone(
    framework="softmax", name="cells", summary="Grey of 8 x 8 cells", default_size=32, explanation_layer="grey",
    pretrained=(), build=lambda request: Cells(), exact_cam=False,
)  # fmt: skip
TRAINER = Trainer(
    framework="softmax", summary="One layer in NumPy", tasks=("binary", "multiclass", "multilabel"),
    native_format="npy", devices=lambda: ["cpu"], learner=softmax.SoftmaxLearner,
)  # fmt: skip


def _opens(folder: ModelFolder, device: str, threads: int | None) -> Any:
    return softmax.SoftmaxSession(folder)


PREDICTOR = Predictor(name="softmax", summary="One layer in NumPy", formats=("npy",), opens=_opens)


class DoubledSession(softmax.SoftmaxSession):  # type: ignore[misc, name-defined]
    """Opens what the exporter writes: the same weights, all times two."""

    def __init__(self, folder: ModelFolder) -> None:
        self.task, self.weights = folder.record.task, np.load(folder.file_for("twice")) / 2


TWICE = Predictor(
    name="twice", summary="Doubled weights", formats=("twice",),
    opens=lambda folder, device, threads: DoubledSession(folder),
)  # fmt: skip


def _export(folder: ModelFolder, target: Path, name: str = "twice.npy", shift: float = 0.0) -> Mapping[str, Any]:
    weights = np.load(folder.file_for("npy"))
    weights[:, 0] += shift
    np.save(target / name, 2 * weights)
    return {"times": 2}


EXPORTER = Exporter(
    framework="softmax", format="twice", summary="Doubled weights", file_name="twice.npy", export=_export
)


def _darkness(session: Any, batch: Any, class_index: int) -> Any:
    grey = batch[..., 0].astype(np.float32) / np.iinfo(batch.dtype).max
    return np.maximum(np.float32(1) - grey if class_index == 0 else grey, np.float32(0))


EXPLAINER = Explainer(
    name="grey", summary="Bright for bright, dark for dark", formats=("npy",), needs="nothing", explain=_darkness
)
SOUND: dict[str, list[Any]] = {
    "enhancers": [GAIN, PLAIN, MIRROR],
    "backbones": [BACKBONE],
    "trainers": [TRAINER],
    "predictors": [PREDICTOR, TWICE],
    "exporters": [EXPORTER],
    "explainers": [EXPLAINER],
}


def with_one(kind: str, entry: Any) -> Any:
    """The sound plugin with the first entry of one kind replaced, enhancers left out."""
    offers = {name: items for name, items in SOUND.items() if name != "enhancers"}
    return plugin_of(**{**offers, kind: [entry, *offers[kind][1:]]})


# --- trainers ---------------------------------------------------------------------------------------------------------


class Idle(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        return EpochReport(1.0, sum(len(batch.pixels) for batch in batches), 0.1, 0.0)


class Unseeded(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
    def __init__(self, request: LearnRequest) -> None:
        super().__init__(request)
        self.rng = np.random.default_rng()


class ForgetsItsDice(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
    def restore(self, folder: Path) -> None:
        super().restore(folder)
        self.rng = np.random.default_rng(self.request.seed)


class StartsAnewInSilence(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
    def restore(self, folder: Path) -> None:
        if (folder / "state.npz").is_file():
            super().restore(folder)


class KeepsItsWeights(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
    def load_weights(self, folder: Path) -> None:
        pass


class MeanAsText(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
    def facts(self) -> Mapping[str, Any]:
        return {**super().facts(), "mean": ["0.5"] * self.request.network.channels}


class PublishesOthers(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
    def publish(self, folder: Path) -> Sequence[str]:
        np.save(folder / "softmax.npy", 0.5 * self.weights)
        return ["softmax.npy"]


def _scaling(task: str, factor: float) -> type[Any]:
    class Scaled(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
        def predict(self, batches: Iterable[Batch]) -> Scores:
            scores: Scores = super().predict(batches)
            return scores * np.float32(factor) if self.request.task == task else scores

    return Scaled


TRAINER_FAULTS: dict[str, tuple[Trainer, set[str]]] = {
    "no device": (replace(TRAINER, devices=lambda: []), {"names_its_devices"}),
    "nothing is learned": (replace(TRAINER, learner=Idle), {"learns_the_tiny_set"}),
    "no seed": (replace(TRAINER, learner=Unseeded), {"same_seed_same_result"}),
    "random state is lost": (replace(TRAINER, learner=ForgetsItsDice), {"resumes_where_it_stopped"}),
    "no state, no word": (replace(TRAINER, learner=StartsAnewInSilence), {"refuses_an_empty_state"}),
    "weights are not loaded": (replace(TRAINER, learner=KeepsItsWeights), {"weights_come_back"}),
    "mean is text": (replace(TRAINER, learner=MeanAsText), {"states_mean_and_std"}),
    "other weights are published": (replace(TRAINER, learner=PublishesOthers), {"published_model_reopens"}),
    "binary rows sum to 0.9": (
        replace(TRAINER, learner=_scaling("binary", 0.9)), {"binary_rows_sum_to_one", "published_model_reopens"}
    ),
    "rows sum to 0.9": (replace(TRAINER, learner=_scaling("multiclass", 0.9)), {"multiclass_rows_sum_to_one"}),
    "scores above 1": (replace(TRAINER, learner=_scaling("multilabel", 9)), {"multilabel_scores_are_probabilities"}),
}  # fmt: skip


# --- backbones --------------------------------------------------------------------------------------------------------


def _no_build(request: Any) -> Any:
    return None


BACKBONE_FAULTS: dict[str, tuple[Backbone, set[str]]] = {
    "nothing is built": (replace(BACKBONE, build=_no_build, explanation_layer=""), {"builds"}),
    "the layer is not there": (replace(BACKBONE, explanation_layer="grey.edges"), {"explanation_layer_exists"}),
    "every name is known": (replace(BACKBONE, family=lambda name: BACKBONE), {"family_knows_its_names"}),
}


class Wide(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
    """A column too many for pictures of ``channels`` channels."""

    channels = 1

    def predict(self, batches: Iterable[Batch]) -> Scores:
        scores: Scores = super().predict(batches)
        wide = self.request.network.channels == self.channels
        return np.concatenate([scores, scores[:, :1]], axis=1) if wide else scores


class WideInColour(Wide):
    channels = 3


# --- predictors, exporters, explainers --------------------------------------------------------------------------------


def _session(**methods: Any) -> Predictor:
    kind = type("FaultySession", (softmax.SoftmaxSession,), methods)
    return replace(PREDICTOR, opens=lambda folder, device, threads: kind(folder))


def _scores(session: Any, batch: Any) -> Scores:
    scores: Scores = softmax.SoftmaxSession.predict(session, batch)
    return scores


def _scratched(session: Any, batch: Any) -> Scores:
    scores = _scores(session, batch)
    batch[0, 0, 0] = 7
    return scores


def _by_batch(session: Any, batch: Any) -> Scores:
    mixed = _scores(session, batch) * np.float32(0.9) + np.float32(0.1) * _scores(session, batch).mean(axis=0)
    return np.asarray(mixed, np.float32)


def _refuses_to_close(session: Any) -> None:
    raise RuntimeError("handle is invalid")


def _one_column(session: Any, batch: Any) -> Scores:
    return _scores(session, batch)[:, 1:]


PREDICTOR_FAULTS: dict[str, tuple[Predictor, set[str]]] = {
    "float64": (
        _session(predict=lambda session, batch: _scores(session, batch).astype(np.float64)),
        {"scores_have_one_column_a_class"},
    ),
    "one column": (_session(predict=_one_column), {"scores_have_one_column_a_class", "rows_sum_to_one"}),
    "rows sum to 0.9": (
        _session(predict=lambda session, batch: _scores(session, batch) * np.float32(0.9)), {"rows_sum_to_one"}
    ),
    "neighbours count": (_session(predict=_by_batch), {"batch_equals_single"}),
    "pixels are changed": (_session(predict=_scratched), {"leaves_pixels_untouched"}),
    "it does not close": (_session(close=_refuses_to_close), {"closes"}),
}  # fmt: skip


def _export_under_another_name(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    return _export(folder, target, "other.npy")


def _export_and_leave_a_note(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    (folder.path / "note.txt").write_text("exported")
    return _export(folder, target)


def _export_shifted(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    return _export(folder, target, shift=0.02)


EXPORTER_FAULTS: dict[str, tuple[Exporter, set[str]]] = {
    "another file": (
        replace(EXPORTER, export=_export_under_another_name), {"writes_the_file_it_names", "equals_its_source"}
    ),
    "the source is changed": (replace(EXPORTER, export=_export_and_leave_a_note), {"leaves_the_source_untouched"}),
    "other answers": (replace(EXPORTER, export=_export_shifted), {"equals_its_source"}),
}  # fmt: skip


def _stretched(session: Any, batch: Any, class_index: int) -> Any:
    maps = _darkness(session, batch, class_index)
    return maps / maps.max()


def _leaves_a_mark(session: Any, batch: Any, class_index: int) -> Any:
    session.weights = session.weights * 1.01
    return _darkness(session, batch, class_index)


EXPLAINER_FAULTS: dict[str, tuple[Explainer, set[str]]] = {
    "one map for all": (
        replace(EXPLAINER, explain=lambda *given: _darkness(*given)[..., None]), {"maps_have_one_plane_a_picture"}
    ),
    "below nought": (
        replace(EXPLAINER, explain=lambda *given: _darkness(*given) - np.float32(0.5)),
        {"maps_are_finite_and_not_negative"},
    ),
    "stretched over the batch": (replace(EXPLAINER, explain=_stretched), {"one_picture_does_not_change_another"}),
    "the weights are changed": (replace(EXPLAINER, explain=_leaves_a_mark), {"leaves_the_session_as_it_was"}),
}  # fmt: skip
FAULTS: dict[str, dict[str, tuple[Any, set[str]]]] = {
    "trainers": dict(TRAINER_FAULTS),
    "backbones": dict(BACKBONE_FAULTS),
    "predictors": dict(PREDICTOR_FAULTS),
    "exporters": dict(EXPORTER_FAULTS),
    "explainers": dict(EXPLAINER_FAULTS),
}
CASES = [
    (kind, name)
    for kind, name in itertools.chain.from_iterable(((k, n) for n in faults) for k, faults in FAULTS.items())
]
