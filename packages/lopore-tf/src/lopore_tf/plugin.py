"""What lopore-tf offers; importing this wakes no framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lopore.contracts import (
    Backbone,
    Explainer,
    Exporter,
    HeatMaps,
    Learner,
    LearnRequest,
    NamedWeights,
    NetworkRequest,
    PixelBatch,
    Predictor,
    Session,
    Trainer,
)
from lopore.hookspecs import hookimpl
from lopore.inference.standard_explainers import standard_explainer
from lopore.models.pretrained import OFFLINE

from .loss_terms import lopore_losses as lopore_losses

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord

LOPORE_API = 1
RUNTIME = ("lopore_tf.saved_model",)
"""TensorFlow with everything that opens files here."""

TASKS = ("binary", "multiclass", "multilabel", "segmentation")
SOURCES = ("hub", "file")
GRADIENT_FORMATS = ("keras", "h5", "weights")
"""Formats that rebuild the Keras network; a SavedModel is a graph with fixed answers, Grad-CAM among them."""
CAM_FORMATS = (*GRADIENT_FORMATS, "saved_model")
CLASSIFIERS: Mapping[str, str] = {
    "resnet18": "ResNet with 18 layers: the sturdy default",
    "resnet34": "ResNet with 34 layers",
    "resnet50": "ResNet with 50 layers",
    "efficientnet_b0": "EfficientNet B0",
    "tf_efficientnetv2_b0": "EfficientNetV2 B0",
    "tf_efficientnet_lite0": "EfficientNet-Lite0: small, with weights that install offline",
    "tf_efficientnet_lite2": "EfficientNet-Lite2: a third larger, with weights that install offline",
    "mobilenetv2_100": "MobileNet V2",
    "mobilenetv3_small_100": "MobileNet V3 small: the fastest",
    "mobilenetv3_large_100": "MobileNet V3 large",
}
"""The same names as in lopore-torch: a config changes nothing but its trainer."""
ENCODERS = (
    "resnet18", "tf_efficientnet_lite0", "tf_efficientnet_lite2", "mobilenetv2_100", "mobilenetv3_small_100",
)  # fmt: skip


def _build(request: NetworkRequest) -> Any:
    from .backbones import build

    return build(request)


def _sources(name: str) -> tuple[str, ...]:
    return ("offline", *SOURCES) if name in OFFLINE else SOURCES


def _unet(encoder: str) -> Backbone:
    return Backbone(
        framework="tf", name=f"unet-{encoder}", summary=f"U-Net over {encoder}, for segmentation", default_size=256,
        explanation_layer="", pretrained=_sources(encoder), build=_build, exact_cam=False, segmentation=True,
    )  # fmt: skip


@hookimpl
def lopore_backbones() -> Iterable[Backbone]:
    for name, summary in CLASSIFIERS.items():
        yield Backbone(
            framework="tf", name=name, summary=summary, default_size=224, explanation_layer="features",
            pretrained=_sources(name), build=_build,
        )  # fmt: skip
    yield from map(_unet, ENCODERS)


def _devices() -> Sequence[str]:
    from .start import DEVICES

    return DEVICES


def _process_rank() -> tuple[int, int]:
    from .cluster import process_rank

    return process_rank()


def _learner(request: LearnRequest) -> Learner:
    from .learner import TensorFlowLearner

    return TensorFlowLearner(request)


def _export_named_weights(folder: ModelFolder) -> NamedWeights:
    from .interchange import export_named_weights

    return export_named_weights(folder)


def _import_named_weights(record: ModelRecord, weights: NamedWeights, folder: Path) -> Sequence[str]:
    from .interchange import import_named_weights

    return import_named_weights(record, weights, folder)


@hookimpl
def lopore_trainers() -> Iterable[Trainer]:
    yield Trainer(
        framework="tf", summary="TensorFlow through Keras, on CPU and GPUs", tasks=TASKS, native_format="keras",
        devices=_devices, learner=_learner, process_rank=_process_rank, export_weights=_export_named_weights,
        import_weights=_import_named_weights,
    )  # fmt: skip


def _export_h5(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    from .export import export_h5

    return export_h5(folder, target)


def _export_weights(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    from .export import export_weights

    return export_weights(folder, target)


def _export_saved_model(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    from .export import export_saved_model

    return export_saved_model(folder, target)


def _export_onnx(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    from .onnx_export import export_onnx

    return export_onnx(folder, target)


@hookimpl
def lopore_exporters() -> Iterable[Exporter]:
    yield Exporter(
        framework="tf", format="onnx", summary="ONNX with normalisation, probabilities, heat maps and record inside",
        file_name="model.onnx", export=_export_onnx,
    )  # fmt: skip
    yield Exporter(
        framework="tf", format="h5", summary="The whole Keras network in one HDF5 file, giving probabilities",
        file_name="model.h5", export=_export_h5, tolerance=1e-5,
    )  # fmt: skip
    yield Exporter(
        framework="tf", format="weights", summary="The weights alone, for load_weights of the same Keras network",
        file_name="model.weights.h5", export=_export_weights, tolerance=1e-5,
    )  # fmt: skip
    yield Exporter(
        framework="tf", format="saved_model", summary="SavedModel that TensorFlow Serving takes as it is",
        file_name="saved_model", export=_export_saved_model, tolerance=1e-5,
    )  # fmt: skip


def _open_keras(format: str, folder: ModelFolder, device: str, threads: int | None) -> Session:
    from .predict import open_keras

    return open_keras(folder, device, threads, format)


def _open_saved_model(folder: ModelFolder, device: str, threads: int | None) -> Session:
    from .saved_model import open_saved_model

    return open_saved_model(folder, device, threads)


@hookimpl
def lopore_predictors() -> Iterable[Predictor]:
    for name, format, file in (
        ("keras", "keras", "Keras files"),
        ("keras-h5", "h5", "Keras networks in HDF5 files"),
        ("keras-weights", "weights", "weights of Keras networks"),
    ):
        yield Predictor(name=name, summary=file, formats=(format,), opens=partial(_open_keras, format), runtime=RUNTIME)
    yield Predictor(
        name="saved-model",
        summary="TensorFlow SavedModels",
        formats=("saved_model",),
        opens=_open_saved_model,
        runtime=RUNTIME,
    )


def _cam_fits(session: Any) -> bool:
    from .explain import cam_fits

    return cam_fits(session)


def _gradients_fit(session: Any) -> bool:
    from .gradients import gradients_fit

    return gradients_fit(session)


def _grad_cam(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    from .explain import explain_grad_cam

    return explain_grad_cam(session, batch, class_index)


def _grad_cam_plus_plus(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    from .explain import explain_grad_cam_plus_plus

    return explain_grad_cam_plus_plus(session, batch, class_index)


def _integrated_gradients(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    from .gradients import explain_integrated_gradients

    return explain_integrated_gradients(session, batch, class_index)


def _saliency(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    from .gradients import explain_saliency

    return explain_saliency(session, batch, class_index)


@hookimpl
def lopore_explainers() -> Iterable[Explainer]:
    yield standard_explainer("grad-cam", CAM_FORMATS, _grad_cam, _cam_fits)
    yield standard_explainer("grad-cam++", CAM_FORMATS, _grad_cam_plus_plus, _cam_fits)
    yield standard_explainer("integrated-gradients", GRADIENT_FORMATS, _integrated_gradients, _gradients_fit)
    yield standard_explainer("saliency", GRADIENT_FORMATS, _saliency, _gradients_fit)
