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
