"""An ONNX file of lopore as a session: raw integer pixels go in, probabilities and maps come out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from lopore import ModelFolder, available_cores, read_plain_onnx, run_seconds
from lopore.contracts import PixelBatch, Scores
from lopore.errors import ModelError

AHEAD = 2
"""Images that wait for each stream, so that none idles while Python reads an answer."""
SINGLE, SHORT, INT8 = "f32", "bf16", "int8"
"""What a session says that it computes in; int8 is in the file, whose other operators run in single precision."""
Planes = NDArray[np.float32]


class OpenVinoSession:
    """``lopore.contracts.Session`` over a network that is compiled for one image.

    Every image is a request of its own: a single one gets all cores, of many each core takes its own (OpenVINO's
    "streams"), which is faster on a CPU than batches and makes an image's scores independent of its neighbours.
    outputs: what the file gives, such as ``scores``, ``cam``, ``cam_plus``, ``maps``.
    """

    def __init__(self, folder: ModelFolder, threads: int, precision: str = SINGLE, format: str = "onnx") -> None:
        self._path = folder.file_for(format)
        self._source: bytes | None = read_plain_onnx(self._path)
        self.threads, self.precision = threads, precision
        self._seconds = run_seconds()
        self._busy = threading.Lock()  # a request serves one caller at a time; the app's visitors share a session
        self._compiled: dict[tuple[tuple[str, ...], int], list[Any]] = {}
        self.shape, self.dtype, self.outputs = self._ends(folder)

    def predict(self, batch: PixelBatch) -> Scores:
        """batch: (N, H, W, C) of the record's size and depth; returns (N, K) float32 probabilities."""
        return self.run(batch, ("scores",))[0]

    def segment(self, batch: PixelBatch) -> Planes:
        """Probability of each class at each pixel, (N, K, H, W); ModelError for a classifier's file."""
        if "maps" not in self.outputs:
            raise ModelError("this ONNX file holds a classifier; only segmentation models give maps")
        return self.run(batch, ("maps",))[0]

    def run(self, batch: PixelBatch, outputs: Sequence[str]) -> list[Planes]:
        """Named outputs of every image, (N, ...) each; a run is stopped after LOPORE_RUN_SECONDS.

        Raises ModelError for pixels of another shape or depth, an unknown output, a closed session.
        """
        if batch.shape[1:] != self.shape or batch.dtype != self.dtype:
            raise ModelError(
                f"the ONNX file cannot run on pixels {batch.dtype} {batch.shape}; "
                f"it takes {self.dtype} (N, {', '.join(map(str, self.shape))})"
            )
        with self._busy:
            requests = self._requests(tuple(outputs), self.threads if len(batch) > 1 else 1)
            rows = _answers(requests, np.ascontiguousarray(batch), len(outputs), time.monotonic() + self._seconds)
        return [np.concatenate(column) for column in zip(*rows, strict=True)] if rows else []

    def close(self) -> None:
        """Give the compiled networks back."""
        self._compiled.clear()
        self._source = None

    def _requests(self, outputs: tuple[str, ...], streams: int) -> list[Any]:
        """Requests of the network for these outputs; compiled at first use."""
        if self._source is None:
            raise ModelError("the session was closed; open the model again")
        if (outputs, streams) not in self._compiled:
            compiled = self._compile(self._network(), outputs, streams)
            count = 1 if streams == 1 else AHEAD * streams
            self._compiled[outputs, streams] = [compiled.create_infer_request() for _ in range(count)]
        return self._compiled[outputs, streams]

    def _network(self) -> ov.Model:
        try:
            return ov.Core().read_model(self._source)
        except RuntimeError as error:
            text = " ".join(str(error).split())[:300]
            raise ModelError(f"{self._path} cannot be opened by OpenVINO: {text}; export it again") from None

    def _compile(self, network: ov.Model, outputs: tuple[str, ...], streams: int) -> ov.CompiledModel:
        found = {name: result for result in network.get_results() for name in _names(result)}
        unknown = [name for name in outputs if name not in found]
        if unknown:
            raise ModelError(f"{self._path} gives no '{unknown[0]}'; it gives {', '.join(self.outputs)}")
        wanted = [found[name] for name in outputs]
        smaller = ov.Model(wanted, network.get_parameters(), "lopore")
        smaller.reshape([1, *self.shape])
        hints = {
            "INFERENCE_PRECISION_HINT": SHORT if self.precision == SHORT else SINGLE,
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": streams,
        }
        try:
            return ov.Core().compile_model(smaller, "CPU", hints)
        except RuntimeError as error:
            text = " ".join(str(error).split())[:300]
            raise ModelError(
                f"{self._path} cannot be compiled by OpenVINO: {text}; use --runtime onnxruntime"
            ) from None

    def _ends(self, folder: ModelFolder) -> tuple[tuple[int, ...], np.dtype[Any], tuple[str, ...]]:
        """Shape and depth of an image and the names of outputs; ModelError where they are not the record's."""
        network, record = self._network(), folder.record
        expected = (*record.preprocessing.size, record.preprocessing.channels)
        inputs = {name: port for port in network.inputs for name in port.get_names()}
        port, wanted = inputs.get("pixels"), np.dtype(f"uint{record.preprocessing.depth}")
        shape = tuple(_sides(port.get_partial_shape())) if port is not None else ()
        if port is None or len(network.inputs) != 1 or shape[1:] != expected or port.element_type.to_dtype() != wanted:
            got = f"{[(name, str(port)) for name, port in inputs.items()]}"[:200]
            raise ModelError(f"{self._path} takes {got}; the record says pixels {wanted} (N, {str(expected)[1:-1]})")
        outputs = {name: result for result in network.get_results() for name in _names(result)}
        scores = tuple(_sides(outputs["scores"].get_output_partial_shape(0))) if "scores" in outputs else ()
        if not scores or scores[-1] != len(record.classes):
            raise ModelError(
                f"{self._path} gives scores {scores} for {len(record.classes)} classes; it is not its record's file"
            )
        return expected, wanted, tuple(outputs)


def open_openvino(folder: ModelFolder, device: str, threads: int | None, format: str = "onnx") -> OpenVinoSession:
    """Open the folder's ONNX file of a format after it was found to be plain data of the expected inputs and outputs.

    device: auto or cpu. threads: default the cores this process may use.
    """
    if device not in ("auto", "cpu"):
        raise ModelError(f"device '{device}' is not for lopore-openvino; use cpu, or --runtime onnxruntime")
    return OpenVinoSession(folder, threads or available_cores(), INT8 if format == "onnx-int8" else SINGLE, format)


def _names(result: Any) -> set[str]:
    names: set[str] = result.input(0).get_source_output().get_names()
    return names


def _sides(shape: Any) -> list[int]:
    """The lengths of a shape, 0 where one is free."""
    return [side.get_length() if side.is_static else 0 for side in shape]


def _answers(requests: list[Any], batch: PixelBatch, outputs: int, until: float) -> list[list[Planes]]:
    """Outputs of each image in order; all requests are kept busy."""
    rows: list[list[Planes]] = []
    waiting: deque[Any] = deque()
    try:
        for number in range(len(batch)):
            if len(waiting) == len(requests):
                rows.append(_finished(waiting.popleft(), outputs, until))
            request = requests[number % len(requests)]
            request.start_async({0: ov.Tensor(batch[number : number + 1], shared_memory=False)})
            waiting.append(request)
        while waiting:
            rows.append(_finished(waiting.popleft(), outputs, until))
    except RuntimeError as error:
        text = " ".join(str(error).split())[:300]
        raise ModelError(f"the ONNX file cannot run on pixels {batch.dtype} {batch.shape}: {text}") from None
    finally:
        for request in waiting:
            _stop(request)
    return rows


def _finished(request: Any, outputs: int, until: float) -> list[Planes]:
    if not request.wait_for(max(1, int(1000 * (until - time.monotonic())))):
        _stop(request)
        raise ModelError("the ONNX file ran longer than LOPORE_RUN_SECONDS allows; set it higher or use another model")
    return [np.array(request.get_output_tensor(number).data, np.float32) for number in range(outputs)]


def _stop(request: Any) -> None:
    """End a run between two operators. Without the wait OpenVINO would finish it when the request is deleted."""
    request.cancel()
    with suppress(RuntimeError):  # it says that it was cancelled
        request.wait()
