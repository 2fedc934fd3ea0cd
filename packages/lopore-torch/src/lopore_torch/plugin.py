"""What lopore-torch offers; importing this wakes no framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lopore.contracts import (
    ANOMALY,
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

TASKS = ("binary", "multiclass", "multilabel", "segmentation", "anomaly")
SOURCES = ("hub", "file")
CLASSIFIERS: Mapping[str, tuple[str, str]] = {
    "resnet18": ("ResNet with 18 layers: the sturdy default", "body.layer4"),
    "resnet34": ("ResNet with 34 layers", "body.layer4"),
    "resnet50": ("ResNet with 50 layers", "body.layer4"),
    "efficientnet_b0": ("EfficientNet B0", "body.bn2"),
    "tf_efficientnetv2_b0": ("EfficientNetV2 B0", "body.bn2"),
    "tf_efficientnet_lite0": ("EfficientNet-Lite0: small, with weights that install offline", "body.bn2"),
    "tf_efficientnet_lite2": (
        "EfficientNet-Lite2: a third larger, with weights that install offline",
        "body.bn2",
    ),
    "mobilenetv2_100": ("MobileNet V2", "body.bn2"),
    "mobilenetv3_small_100": ("MobileNet V3 small: the fastest", "body.blocks"),
    "mobilenetv3_large_100": ("MobileNet V3 large", "body.blocks"),
}
RUNTIME = ("torch", "timm", "torch.export", "lopore_torch.program")
ENCODERS = (
    "resnet18", "tf_efficientnet_lite0", "tf_efficientnet_lite2", "mobilenetv2_100", "mobilenetv3_small_100",
)  # fmt: skip


def _build(request: NetworkRequest) -> Any:
    from .backbones import build

    return build(request)


def _sources(name: str) -> tuple[str, ...]:
    return ("offline", *SOURCES) if name in OFFLINE else SOURCES


def _classifier(name: str, summary: str, layer: str) -> Backbone:
    return Backbone(
        framework="torch", name=name, summary=summary, default_size=224, explanation_layer=layer,
        pretrained=_sources(name), build=_build,
    )  # fmt: skip


def _unet(encoder: str) -> Backbone:
    return Backbone(
        framework="torch", name=f"unet-{encoder}", summary=f"U-Net over {encoder}, for segmentation", default_size=256,
        explanation_layer="", pretrained=_sources(encoder), build=_build, exact_cam=False, segmentation=True,
    )  # fmt: skip


def _small_unet() -> Backbone:
    return Backbone(
        framework="torch", name="unet-small", summary="U-Net of half a million weights, for tiles of films",
        default_size=128, explanation_layer="", pretrained=(), build=_build, exact_cam=False, segmentation=True,
    )  # fmt: skip


def _any_timm(name: str) -> Backbone | None:
    """The descriptor of any other timm network, or of a U-Net over it; None where timm has no such name."""
    import timm

    plain = name.removeprefix("unet-")
    if not timm.is_model(plain):
        return None
    if plain != name:
        return _unet(plain)
    config = timm.models.get_pretrained_cfg(plain)
    return Backbone(
        framework="torch", name=name, summary="A network of timm", default_size=config.input_size[1] if config else 224,
        explanation_layer="body.forward_features", pretrained=SOURCES, build=_build, exact_cam=False,
    )  # fmt: skip


@hookimpl
def lopore_backbones() -> Iterable[Backbone]:
    for name, (summary, layer) in CLASSIFIERS.items():
        yield _classifier(name, summary, layer)
    yield from map(_unet, ENCODERS)
    yield _small_unet()
    yield Backbone(
        framework="torch", name="timm", summary="Any network of timm by its name, and unet-NAME over it",
        default_size=224, explanation_layer="body.forward_features", pretrained=SOURCES, build=_build, exact_cam=False,
        family=_any_timm,
    )  # fmt: skip


def _devices() -> Sequence[str]:
    import torch

    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [*found, "mps"] if torch.backends.mps.is_available() else found


def _process_rank() -> tuple[int, int]:
    import os

    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def _learner(request: LearnRequest) -> Learner:
    if request.task == ANOMALY:
        from .anomaly_learner import AnomalyLearner

        return AnomalyLearner(request)
    from .learner import TorchLearner

    return TorchLearner(request)


def _export_named_weights(folder: ModelFolder) -> NamedWeights:
    from .interchange import export_named_weights

    return export_named_weights(folder)


def _import_named_weights(record: ModelRecord, weights: NamedWeights, folder: Path) -> Sequence[str]:
    from .interchange import import_named_weights

    return import_named_weights(record, weights, folder)


@hookimpl
def lopore_trainers() -> Iterable[Trainer]:
    yield Trainer(
        framework="torch", summary="PyTorch through timm, on CPU and GPUs", tasks=TASKS, native_format="pth",
        devices=_devices, learner=_learner, process_rank=_process_rank,
        export_weights=_export_named_weights, import_weights=_import_named_weights,
    )  # fmt: skip


def _export_onnx(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    from .export import export_onnx

    return export_onnx(folder, target)


def _export_pt(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    from .program import export_pt

    return export_pt(folder, target)


@hookimpl
def lopore_exporters() -> Iterable[Exporter]:
    yield Exporter(
        framework="torch", format="onnx", summary="ONNX with normalisation, probabilities, heat maps and record inside",
        file_name="model.onnx", export=_export_onnx,
    )  # fmt: skip
    yield Exporter(
        framework="torch", format="pt", summary="The whole network as a torch.export program, for torch alone",
        file_name="model.pt", export=_export_pt, tolerance=1e-5,
    )  # fmt: skip


def _open(folder: ModelFolder, device: str, threads: int | None) -> Session:
    from .predict import open_pth

    return open_pth(folder, device, threads)


def _open_pt(folder: ModelFolder, device: str, threads: int | None) -> Session:
    from .program import open_pt

    return open_pt(folder, device, threads)


@hookimpl
def lopore_predictors() -> Iterable[Predictor]:
    yield Predictor(name="torch", summary="PyTorch, state dicts (.pth)", formats=("pth",), opens=_open, runtime=RUNTIME)
    yield Predictor(
        name="torch-program", summary="PyTorch, whole programs (.pt)", formats=("pt",), opens=_open_pt, runtime=RUNTIME
    )


def _cam_fits(session: Any) -> bool:
    from .explain import cam_fits

    return cam_fits(session)


def _gradients_fit(session: Any) -> bool:
    from .predict import TorchSession

    return isinstance(session, TorchSession) and session.network is not None


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
    yield standard_explainer("grad-cam", ("pth",), _grad_cam, _cam_fits)
    yield standard_explainer("grad-cam++", ("pth",), _grad_cam_plus_plus, _cam_fits)
    yield standard_explainer("integrated-gradients", ("pth",), _integrated_gradients, _gradients_fit)
    yield standard_explainer("saliency", ("pth",), _saliency, _gradients_fit)
