"""What lopore must know of an ONNX file before any runtime opens it: its record, and whether it is plain data.

Reads the protobuf wire format (protobuf.dev, "Encoding"; field numbers from onnx.proto3) so that neither ``onnx`` nor
``protobuf`` is needed to predict, and so that a hostile file is refused before a runtime sees it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lopore.atomic_files import atomic_write_bytes
from lopore.errors import ModelError

from .seal import ONNX_KEY, onnx_is_sealed, seal_onnx

if TYPE_CHECKING:
    from .model import ModelRecord

MAX_ONNX_BYTES = 2 << 30
METADATA_KEY = "lopore.json"
# Control flow can run for ever, the searches of com.microsoft are loops too, EPContext names a file to load, and ATen
# and PythonOp call into another framework; no export of lopore holds any of them.
REFUSED_OPERATORS = frozenset({
    "Loop", "Scan", "If", "SequenceMap", "BeamSearch", "GreedySearch", "Sampling", "WhisperBeamSearch", "EPContext",
    "ATen", "PythonOp", "PythonOpGrad",
})  # fmt: skip
STANDARD_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})

_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_SPARSE = 1, 5, 11, 12, 15
_NODE_ATTRIBUTE, _NODE_TYPE, _NODE_DOMAIN = 5, 4, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH, _ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS = 5, 6, 10, 11
_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES = 22, 23
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("cut off inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key >> 32:  # protobuf would cut it to 32 bits and see another field
            raise ValueError(f"field number {key >> 3}")
        kind = key & 7
        if kind == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(data):
            raise ValueError("cut off inside a field")
        yield key >> 3, data[at : at + size]
        at += size


@dataclass
class _Findings:
    operators: set[str]
    metadata: dict[str, str]
    external: bool = False
    functions: bool = False


def _walk_graph(graph: memoryview, found: _Findings, depth: int = 0) -> None:
    if depth > 16:
        raise ValueError("graphs nested more than 16 deep")
    for field, value in _fields(graph):
        if not isinstance(value, memoryview):
            continue
        if field == _GRAPH_NODE:
            _walk_node(value, found, depth)
        elif field == _GRAPH_INITIALIZER:
            _walk_tensor(value, found)
        elif field in (_GRAPH_INPUT, _GRAPH_OUTPUT):
            _check_name(value)
        elif field == _GRAPH_SPARSE:
            found.external = True  # sparse weights are never written by lopore and could hide external data


def _check_name(declared: memoryview) -> None:
    """ValueError where an input or output has a name that no runtime can hand to Python."""
    for field, value in _fields(declared):
        if field == 1 and isinstance(value, memoryview):
            bytes(value).decode("utf-8")


def _walk_node(node: memoryview, found: _Findings, depth: int) -> None:
    name = domain = ""
    for field, value in _fields(node):
        if not isinstance(value, memoryview):
            continue
        if field == _NODE_TYPE:
            name = bytes(value).decode("utf-8", "replace")
        elif field == _NODE_DOMAIN:
            domain = bytes(value).decode("utf-8", "replace")
        elif field == _NODE_ATTRIBUTE:
            _walk_attribute(value, found, depth)
    found.operators.add(name if domain in STANDARD_DOMAINS else f"{domain}::{name}")


def _walk_attribute(attribute: memoryview, found: _Findings, depth: int) -> None:
    for field, value in _fields(attribute):
        if not isinstance(value, memoryview):
            continue
        if field in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
            _walk_tensor(value, found)
        elif field in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
            _walk_graph(value, found, depth + 1)
        elif field in (_ATTRIBUTE_SPARSE, _ATTRIBUTE_SPARSES):
            found.external = True  # as sparse weights of a graph


def _walk_tensor(tensor: memoryview, found: _Findings) -> None:
    for field, value in _fields(tensor):
        if field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value != 0):
            found.external = True


def _examine(content: bytes, source: str) -> _Findings:
    found = _Findings(set(), {})
    try:
        for field, value in _fields(memoryview(content)):
            if field == _MODEL_FUNCTIONS:
                found.functions = True
            elif field == _MODEL_GRAPH and isinstance(value, memoryview):
                _walk_graph(value, found)
            elif field == _MODEL_METADATA and isinstance(value, memoryview):
                pair = {number: bytes(part) for number, part in _fields(value) if isinstance(part, memoryview)}
                found.metadata[pair.get(1, b"").decode("utf-8", "replace")] = pair.get(2, b"").decode(
                    "utf-8", "replace"
                )
    except ValueError as error:
        raise ModelError(f"{source} is no whole ONNX file ({error}); copy or export it again") from None
    if not found.operators:
        raise ModelError(f"{source} is no ONNX file with a network; export one with `lopore export --to onnx`")
    return found


def read_plain_onnx(path: Path) -> bytes:
    """The bytes of an ONNX file that is plain data, at most 2 GiB.

    Raises ModelError for external data, control flow, functions and operators of unknown domains, each named.
    """
    content = _read(path)
    found = _examine(content, str(path))
    if found.external:
        raise ModelError(f"{path} refers to data outside the file; lopore opens ONNX files that hold all their weights")
    foreign = sorted(name for name in found.operators if "::" in name or name in REFUSED_OPERATORS)
    if foreign or found.functions:
        what = ", ".join(foreign[:5]) or "model-local functions"
        raise ModelError(f"{path} holds {what}; lopore opens networks of standard operators without control flow")
    return content


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ModelError(f"{path} is no regular file; name an ONNX file")
        size = path.stat().st_size
        if size > MAX_ONNX_BYTES:
            raise ModelError(f"{path} has {size} bytes; ONNX files of at most {MAX_ONNX_BYTES} are opened")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from None


def record_in_onnx(path: Path) -> ModelRecord:
    """The record inside an ONNX file written by lopore, its ``files`` naming that very file."""
    from .model import ModelFile, parse_record

    content = _read(path)
    text = _examine(content, str(path)).metadata.get(METADATA_KEY)
    if text is None:
        raise ModelError(f"{path} carries no lopore record; only files written by `lopore export --to onnx` open alone")
    sealed = onnx_is_sealed(content)
    if not sealed:
        what = "ends without its checksum" if sealed is None else "does not have its own checksum"
        raise ModelError(
            f"{path} {what}: it was edited, damaged, or written by an older lopore; copy it anew or export it again"
        )
    record = parse_record(text, source=str(path), sealed=False)
    try:
        own = ModelFile(path=path.name, sha256=hashlib.sha256(content).hexdigest(), format="onnx")
    except ValueError:
        raise ModelError(
            f"{path}: a model file's name has no colon, backslash or control character; rename it"
        ) from None
    return record.model_copy(update={"files": (own,)})


def _field(number: int, payload: bytes) -> bytes:
    return _number(number << 3 | 2) + _number(len(payload)) + payload


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_record(path: Path, record: ModelRecord) -> None:
    """Put the record into an ONNX file as metadata ``lopore.json``, in place of an older one, and seal it, atomically.

    The list of files is left out: the sum over the whole file stands in its last metadata entry (``record.seal``).
    """
    fields: list[bytes | memoryview] = []
    for field, value in _fields(memoryview(_read(path))):
        if isinstance(value, int):
            fields.append(_number(field << 3) + _number(value))
            continue
        pair = dict(_fields(value)) if field == _MODEL_METADATA else {}
        key = pair.get(1)
        if isinstance(key, memoryview) and bytes(key) in (METADATA_KEY.encode(), ONNX_KEY):
            continue
        fields += [_number(field << 3 | 2) + _number(len(value)), value]  # the graph is large: no copy of it
    text = record.model_copy(update={"files": ()}).model_dump_json()
    fields.append(_field(_MODEL_METADATA, _field(1, METADATA_KEY.encode()) + _field(2, text.encode())))
    atomic_write_bytes(path, seal_onnx(b"".join(fields)))
