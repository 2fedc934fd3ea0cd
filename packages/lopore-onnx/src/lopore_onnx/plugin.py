"""What lopore-onnx offers: a predictor for ONNX files, a file for raw films, and explainers without a framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lopore.contracts import Explainer, Exporter, FilmRun, HeatMaps, PixelBatch, Predictor, Session
from lopore.hookspecs import hookimpl
from lopore.inference.standard_explainers import standard_explainer

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder

LOPORE_API = 1


def _open(folder: ModelFolder, device: str, threads: int | None) -> Session:
    from .predict import open_onnx

    return open_onnx(folder, device, threads)


def _open_int8(folder: ModelFolder, device: str, threads: int | None) -> Session:
    from .predict import open_onnx

    return open_onnx(folder, device, threads, "onnx-int8")


def _export_int8(folder: ModelFolder, target: Path, images: PixelBatch) -> Mapping[str, Any]:
    from .int8_export import export_int8

    return export_int8(folder, target, images)


def _export_mean(folders: Sequence[ModelFolder], target: Path) -> Mapping[str, Any]:
    from .mean_export import export_mean

    return export_mean(folders, target)


def _export_film(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    from .film_export import export_film

    return export_film(folder, target)


def _open_film(path: Path) -> FilmRun:
    from .film_run import open_film

    return open_film(path)


def _class_map(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    from .explain import class_activation

    return class_activation(session, batch, class_index)


def _class_map_plus(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    from .explain import class_activation_plus

    return class_activation_plus(session, batch, class_index)


def _occlusion(session: Any, batch: PixelBatch, class_index: int) -> HeatMaps:
    from .explain import occlusion

    return occlusion(session, batch, class_index)


def _offers(output: str) -> Any:
    return lambda session: output in getattr(session, "outputs", ())


@hookimpl
def lopore_predictors() -> Iterable[Predictor]:
    yield Predictor(
        name="onnxruntime",
        summary="ONNX files through ONNX Runtime",
        formats=("onnx",),
        opens=_open,
        runtime=("onnxruntime",),
        preference=10,  # the published form: no framework to import, and faster than either on CPUs
    )
    yield Predictor(
        name="onnxruntime-int8",
        summary="Quantised ONNX files through ONNX Runtime",
        formats=("onnx-int8",),
        opens=_open_int8,
        runtime=("onnxruntime",),
        preference=-10,  # its answers move: taken where it is named, or where there is nothing else
    )


@hookimpl
def lopore_exporters() -> Iterable[Exporter]:
    yield Exporter(
        framework="any",
        format="film-onnx",
        summary="One ONNX file from raw grey values of any size to decision and heat map, around the model's onnx file",
        file_name="film.onnx",
        export=_export_film,
        opens_film=_open_film,
    )
    yield Exporter(
        framework="any",
        format="onnx-int8",
        summary="Static int8 by channel for ONNX Runtime, calibrated on validation images, from the model's onnx file",
        file_name="model.int8.onnx",
        export=_export_int8,
        quantised=True,
        calibrated=True,
    )
    yield Exporter(
        framework="any",
        format="onnx-mean",
        summary="One ONNX file that averages several models: `lopore train --cross-validate --publish`",
        file_name="model.onnx",
        export=_export_mean,
        averages=True,
    )


@hookimpl
def lopore_explainers() -> Iterable[Explainer]:
    yield standard_explainer("grad-cam", ("onnx",), _class_map, _offers("cam"))
    yield standard_explainer("grad-cam++", ("onnx",), _class_map_plus, _offers("cam_plus"))
    yield Explainer(
        name="occlusion",
        summary="Drop of the probability when a patch is covered with the image's median grey; works on any model",
        formats=("*",),
        needs="nothing",
        explain=_occlusion,
        scale="probability",
        source="Zeiler and Fergus, ECCV 2014",
    )
