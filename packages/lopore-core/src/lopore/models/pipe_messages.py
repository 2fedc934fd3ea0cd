"""Messages between two processes over pipes: JSON and arrays of numbers, nothing that could run."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_HEAD = struct.Struct("<I")
MAX_TEXT_BYTES = 16 << 20
MAX_ARRAY_BYTES = 16 << 30
_KINDS = frozenset("fiub")

Message = dict[str, Any]


def send(stream: IO[bytes], message: Message, arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write one message; arrays of numbers of any shape follow its JSON as raw bytes."""
    contiguous = [np.ascontiguousarray(array) for array in arrays]
    text = json.dumps({**message, "arrays": [[array.dtype.str, array.shape] for array in contiguous]}).encode()
    stream.write(_HEAD.pack(len(text)) + text)
    for array in contiguous:
        stream.write(array.tobytes())
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[Message, list[NDArray[Any]]]:
    """Read one message; EOFError where the stream ends, ValueError for anything but JSON and plain arrays."""
    (size,) = _HEAD.unpack(_exactly(stream, _HEAD.size))
    if size > MAX_TEXT_BYTES:
        raise ValueError(f"a message of {size} bytes; at most {MAX_TEXT_BYTES} are read")
    message = json.loads(_exactly(stream, size))
    arrays = [_array(stream, np.dtype(dtype), tuple(shape)) for dtype, shape in message.pop("arrays")]
    return message, arrays


def _array(stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if dtype.kind not in _KINDS or not all(isinstance(length, int) and length >= 0 for length in shape):
        raise ValueError(f"an array {dtype} {shape}")
    size = dtype.itemsize
    for length in shape:  # Python's numbers do not overflow, numpy's would
        size *= length
    if size > MAX_ARRAY_BYTES:
        raise ValueError(f"an array of {size} bytes; at most {MAX_ARRAY_BYTES} are read")
    return np.frombuffer(bytearray(_exactly(stream, size)), dtype).reshape(shape)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError("the other process closed the pipe")
    return content
