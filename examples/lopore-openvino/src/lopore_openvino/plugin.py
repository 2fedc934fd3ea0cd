"""What lopore-openvino offers; OpenVINO is imported when a model is opened, not here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lopore.contracts import Predictor, Session
from lopore.hookspecs import hookimpl

if TYPE_CHECKING:
    from lopore import ModelFolder

LOPORE_API = 1


def _open(folder: ModelFolder, device: str, threads: int | None) -> Session:
    from .predict import open_openvino

    return open_openvino(folder, device, threads)


def _open_short(folder: ModelFolder, device: str, threads: int | None) -> Session:
    from .short import open_short

    return open_short(folder, device, threads)


def _open_int8(folder: ModelFolder, device: str, threads: int | None) -> Session:
    from .predict import open_openvino

    return open_openvino(folder, device, threads, "onnx-int8")


@hookimpl
def lopore_predictors() -> Iterable[Predictor]:
    yield Predictor(
        name="openvino",
        summary="ONNX files through OpenVINO in single precision, one image a stream",
        formats=("onnx",),
        opens=_open,
        runtime=("openvino",),
        preference=20,  # lopore-onnx says 10; measured faster for one film and for many (README)
    )
    yield Predictor(
        name="openvino-bf16",
        summary="OpenVINO in bfloat16 where made films score the same as in single precision, else that",
        formats=("onnx",),
        opens=_open_short,
        runtime=("openvino",),
        preference=-10,  # answers move in the second decimal: it has to be asked for by name
    )
    yield Predictor(
        name="openvino-int8",
        summary="Quantised ONNX files of lopore-onnx through OpenVINO, convolutions in 8 bits",
        formats=("onnx-int8",),
        opens=_open_int8,
        runtime=("openvino",),
        preference=-20,  # lopore-onnx, which wrote the file and was judged with it, says -10
    )
