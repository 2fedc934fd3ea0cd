"""The Open Inference Protocol v2: tensors in JSON, or as binary data behind a JSON head.

Source: github.com/kserve/open-inference-protocol and Triton's extension for binary tensor data.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lopore.errors import DataError
from lopore.messages import plain
from lopore.record.model import ModelRecord

HEAD_LENGTH = "Inference-Header-Content-Length"
TYPES = {"UINT8": np.uint8, "UINT16": np.uint16, "FP32": np.float32}
PIXELS, SCORES = "pixels", "scores"


class Tensor(BaseModel):
    """One input. data: flat or nested numbers; absent where the bytes follow the head."""

    model_config = ConfigDict(extra="ignore")

    name: str
    shape: list[int] = Field(max_length=8)
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class OutputRequest(BaseModel):
    """One output that is asked for."""

    model_config = ConfigDict(extra="ignore")

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(BaseModel):
    """The JSON head of a request."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field("", max_length=200)
    inputs: list[Tensor] = Field(max_length=8)
    outputs: list[OutputRequest] = []
    parameters: dict[str, Any] = {}


def parse(body: bytes, head_length: str | None) -> tuple[InferRequest, bytes]:
    """The head, and the bytes behind it; DataError, in one line, for anything else."""
    try:
        length = len(body) if head_length is None else int(head_length)
        if not 0 < length <= len(body):
            raise ValueError(f"{HEAD_LENGTH} is {length} of {len(body)} bytes")
        return InferRequest.model_validate_json(body[:length]), body[length:]
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"the request is no inference: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except ValueError as error:
        raise DataError(f"the request is no inference: {plain(error, 120)}") from None


def pixels_of(request: InferRequest, tail: bytes, record: ModelRecord) -> NDArray[Any]:
    """The batch (N, H, W, C) of the input ``pixels``; DataError says what the model takes."""
    tensor = next((one for one in request.inputs if one.name == PIXELS), None)
    if tensor is None:
        raise DataError(f"no input '{PIXELS}'; inputs are {plain([one.name for one in request.inputs], 80)}")
    plan = record.preprocessing
    wanted, shape = (*plan.size, plan.channels), tuple(tensor.shape)
    kind = f"UINT{plan.depth}"
    if len(shape) != 4 or shape[1:] != wanted or not 0 < shape[0] <= 1024 or tensor.datatype != kind:
        got = f"{tensor.datatype[:20]} {list(shape)}"
        raise DataError(f"'{PIXELS}' is {got}; {kind} [N, {', '.join(map(str, wanted))}] is needed")
    values = _values(tensor, tail, TYPES[kind])
    if values.size != int(np.prod(shape)):
        raise DataError(f"'{PIXELS}' holds {values.size} values for shape {list(shape)}")
    return values.reshape(shape)


def _values(tensor: Tensor, tail: bytes, dtype: Any) -> NDArray[Any]:
    if tensor.data is None:
        size = tensor.parameters.get("binary_data_size")
        if size != len(tail):
            raise DataError(f"'{tensor.name}' states {size} bytes of binary data and {len(tail)} came")
        if size % np.dtype(dtype).itemsize:
            raise DataError(f"'{tensor.name}' has {size} bytes, no whole number of values")
        return np.frombuffer(tail, dtype)
    try:
        values = np.asarray(tensor.data)
        if values.dtype.kind not in "iu" or (values.size and (values.min() < 0 or values.max() > np.iinfo(dtype).max)):
            raise ValueError
    except ValueError:
        raise DataError(f"'{tensor.name}' holds values that are no {np.dtype(dtype).name}") from None
    return values.astype(dtype)


def respond(request: InferRequest, title: str, scores: NDArray[np.float32]) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the answer; scores as binary data where that was asked for."""
    asked = next((one for one in request.outputs if one.name == SCORES), None)
    unknown = [one.name for one in request.outputs if one.name != SCORES]
    if unknown:
        raise DataError(f"no output '{plain(unknown[0], 60)}'; the only one is '{SCORES}'")
    binary = bool((asked.parameters if asked else {}).get("binary_data", request.parameters.get("binary_data_output")))
    output: dict[str, Any] = {"name": SCORES, "datatype": "FP32", "shape": list(scores.shape)}
    raw = np.ascontiguousarray(scores, "<f4").tobytes() if binary else b""
    output |= {"parameters": {"binary_data_size": len(raw)}} if binary else {"data": scores.reshape(-1).tolist()}
    name, _, version = title.partition("/")
    head = {"model_name": name, "model_version": version, "outputs": [output]} | (
        {"id": request.id} if request.id else {}
    )
    text = json.dumps(head).encode()
    if not binary:
        return text, {"Content-Type": "application/json"}
    return text + raw, {"Content-Type": "application/octet-stream", HEAD_LENGTH: str(len(text))}


def metadata(record: ModelRecord, title: str) -> dict[str, Any]:
    """A model as the protocol describes it."""
    plan = record.preprocessing
    shape = [-1, *plan.size, plan.channels]
    name, _, version = title.partition("/")
    return {
        "name": name,
        "versions": [version],
        "platform": "lopore",
        "inputs": [{"name": PIXELS, "datatype": f"UINT{plan.depth}", "shape": shape}],
        "outputs": [{"name": SCORES, "datatype": "FP32", "shape": [-1, len(record.classes)]}],
        "parameters": {"classes": list(record.classes)},
    }
