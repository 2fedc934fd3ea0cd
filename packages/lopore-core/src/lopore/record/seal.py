"""Checksums that stand inside the very file they cover, so that no byte of a record or a lone ONNX file is free.

A seal tells damage and careless edits, not forgery: whoever edits a file on purpose can seal it again.
"""

from __future__ import annotations

import hashlib
import re

_END = b"\n}\n"
_JSON_SEAL = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n}\n\Z')
ONNX_KEY = b"lopore.sha256"
_METADATA = b"\x72"  # field 14 of ModelProto, a message
_ONNX_SEAL_LENGTH = 2 + 2 + len(ONNX_KEY) + 2 + 64


def seal_json(text: str) -> str:
    """A JSON object, indented by two, with ``sha256`` as its last member: the sum of all other bytes.

    text: as ``model_dump_json(indent=2)`` writes it, with at least one member and without a line end.
    """
    digest = hashlib.sha256(text.encode() + b"\n").hexdigest()
    return f'{text.removesuffix(_END.decode().rstrip())},\n  "sha256": "{digest}"\n}}\n'


def unseal_json(content: bytes) -> tuple[bytes, bool | None]:
    """(the object without its seal, whether the seal is right); None in place of the answer where there is no seal."""
    found = _JSON_SEAL.search(content)
    if found is None:
        return content, None
    body = content[: found.start()] + _END
    return body, hashlib.sha256(body).hexdigest().encode() == found[1]


def seal_onnx(content: bytes) -> bytes:
    """An ONNX file with a last metadata entry that holds the sum of all bytes before it; ``content`` has none."""
    return content + _onnx_seal(content)


def onnx_is_sealed(content: bytes) -> bool | None:
    """Whether the file ends with the sum of its other bytes; None where it ends with no seal at all."""
    start = len(content) - _ONNX_SEAL_LENGTH
    if start <= 0 or not content[start:].startswith(_onnx_seal_head()):
        return None
    return content[start:] == _onnx_seal(memoryview(content)[:start])


def _onnx_seal_head() -> bytes:
    size = _ONNX_SEAL_LENGTH - 2
    return _METADATA + bytes([size]) + b"\x0a" + bytes([len(ONNX_KEY)]) + ONNX_KEY + b"\x12\x40"


def _onnx_seal(body: bytes | memoryview) -> bytes:
    return _onnx_seal_head() + hashlib.sha256(body).hexdigest().encode()
