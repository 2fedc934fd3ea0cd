"""What ``torch.save`` wrote, read without torch: the standard library's unpickler with all but plain tensors shut out.

A pickle is a program. Here its operations are those that build dictionaries and tuples, and the only names that it may
use are answered by this file (pickle documentation, "Restricting Globals"). The package of pretrained weights that
works offline, and weights that users bring, come in this form alone; safetensors is read by its own library.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ModelError

MAX_FILE_BYTES = 4 << 30
MAX_PROGRAM_BYTES = 4 << 20
MAX_RANK = 8
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""First number of the files that torch wrote before 1.6, which are no zip archives."""

STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}  # fmt: skip
# The pure Python unpickler: its memo is a dictionary, where the one in C makes room for any number that a file names.
_Unpickler: Any = pickle._Unpickler
_OPERATIONS = (
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT,
    pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT, pickle.BINUNICODE, pickle.SHORT_BINUNICODE,
    pickle.EMPTY_DICT, pickle.EMPTY_LIST, pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3,
    pickle.APPEND, pickle.APPENDS, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.BINGET, pickle.LONG_BINGET,
    pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE, pickle.BINPERSID, pickle.BUILD,
)  # fmt: skip


class RefusedError(ValueError):
    """What the file holds beyond plain tensors."""


class _Storage(NamedTuple):
    """A run of numbers that stands elsewhere in the file."""

    key: str
    kind: str
    numbers: int

    @property
    def size(self) -> int:
        return self.numbers * np.dtype(STORAGES[self.kind]).itemsize


class _View(NamedTuple):
    """A tensor over a storage: offset, shape and strides counted in numbers. A tuple: BUILD cannot change it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Kind(NamedTuple):
    name: str


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > MAX_RANK:
        raise RefusedError("a tensor without storage, or with sides and strides that do not match")
    if not all(type(number) is int and 0 <= number < MAX_FILE_BYTES for number in numbers):
        raise RefusedError("a tensor with impossible offset, sides or strides")
    return _View(storage, offset, tuple(shape), tuple(strides))


class _PlainTensors(_Unpickler):  # type: ignore[misc]
    dispatch: ClassVar[dict[int, Any]] = {code[0]: _Unpickler.dispatch[code[0]] for code in _OPERATIONS}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in STORAGES:
            return _Kind(name)
        raise RefusedError(f"{module[:40]}.{name[:40]}")

    def persistent_load(self, announced: Any) -> _Storage:
        """('storage', its kind, key, device, numbers) and, in older files, None for a view of another storage."""
        if not isinstance(announced, tuple) or len(announced) not in (5, 6) or any(announced[5:]):
            raise RefusedError("a storage that is a view of another")
        word, kind, key, _, count = announced[:5]
        if word != "storage" or not isinstance(kind, _Kind) or not isinstance(key, str):
            raise RefusedError("something outside the file")
        if type(count) is not int or not 0 <= count < MAX_FILE_BYTES:
            raise RefusedError("a storage with an impossible count")
        return _Storage(key, kind.name, count)

    def load_setitems(self) -> None:
        """SETITEMS whose keys are names: asking a tuple of a million tuples for its hash would end the process."""
        self._set(self.pop_mark())

    def load_setitem(self) -> None:
        """SETITEM, likewise."""
        pair = self.stack[-2:]
        del self.stack[-2:]
        self._set(pair)

    def _set(self, items: list[Any]) -> None:
        if len(items) % 2 or not all(isinstance(key, str | int) for key in items[::2]):
            raise RefusedError("a dictionary whose keys are no names")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    dispatch[pickle.SETITEM[0]], dispatch[pickle.SETITEMS[0]] = load_setitem, load_setitems


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """The state dict in a file of ``torch.save``, bare or under the key ``state_dict``; arrays own their memory.

    ModelError in one line where the file is no such file, is broken, or holds anything but plain tensors.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise RefusedError(f"more than {MAX_FILE_BYTES} bytes")
        content = path.read_bytes()
        read = _from_archive if zipfile.is_zipfile(io.BytesIO(content)) else _from_legacy
        return read(content)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from None
    except Exception as error:  # what broken bytes make the unpickler, zipfile, struct and numpy raise
        text = " ".join(str(error).split())[:160] or type(error).__name__
        raise ModelError(f"{path} holds no plain torch tensors ({text}); it was not opened") from None


def _from_archive(content: bytes) -> dict[str, NDArray[Any]]:
    """The format since torch 1.6: a zip of ``data.pkl`` and one member a storage, none of them compressed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: info for info in archive.infolist()}
        programs = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(programs) != 1:
            raise RefusedError(f"{len(programs)} members named data.pkl")
        root = programs[0].removesuffix("data.pkl")

        def member(name: str, limit: int) -> bytes:
            info = members.get(root + name)
            if info is None or info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
                raise RefusedError(f"member {name[:40]} is missing, compressed or larger than {limit} bytes")
            return archive.read(info)

        if f"{root}byteorder" in members and member("byteorder", 16) != b"little":
            raise RefusedError("its numbers are big-endian")
        views = _views(_PlainTensors(io.BytesIO(member("data.pkl", MAX_PROGRAM_BYTES))).load())
        return _arrays(views, lambda storage: member(f"data/{storage.key}", storage.size), len(content))


def _from_legacy(content: bytes) -> dict[str, NDArray[Any]]:
    """The format before: pickles of magic, version, machine and object, the keys of the storages, the storages."""
    if not content.startswith(pickle.dumps(LEGACY_MAGIC, protocol=2)):
        raise RefusedError("it does not begin as files of torch.save do")
    stream = io.BytesIO(content[:MAX_PROGRAM_BYTES])
    _, _, machine, found, keys = (_PlainTensors(stream).load() for _ in range(5))
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise RefusedError("its numbers are big-endian")
    views, at = _views(found), stream.tell()
    storages = {view.storage.key: view.storage for view in views.values()}
    runs: dict[str, bytes] = {}
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise RefusedError("it holds storages that no tensor of the state dict uses")
        (count,) = struct.unpack("<q", content[at : at + 8])
        if count != storages[key].numbers:
            raise RefusedError(f"storage {key[:40]} has {count} numbers, {storages[key].numbers} were announced")
        runs[key] = content[at + 8 : at + 8 + storages[key].size]
        at += 8 + storages[key].size
    return _arrays(views, lambda storage: runs[storage.key], len(content))


def _views(found: Any) -> dict[str, _View]:
    """The tensors of a state dict; RefusedError for anything else in it."""
    state = found.get("state_dict", found) if isinstance(found, dict) else None
    if not isinstance(state, dict) or not state:
        raise RefusedError("no state dict; save one with torch.save(network.state_dict(), path)")
    if not all(isinstance(name, str) and isinstance(value, _View) for name, value in state.items()):
        raise RefusedError("a state dict with other things than tensors")
    return dict(state)


def _arrays(views: Mapping[str, _View], read: Callable[[_Storage], bytes], limit: int) -> dict[str, NDArray[Any]]:
    """read: the bytes of a storage. limit: bytes that all storages together may have."""
    storages = {view.storage.key: view.storage for view in views.values()}
    if sum(storage.size for storage in storages.values()) > limit:
        raise RefusedError("its storages are larger than the file")
    runs = {key: _numbers(storage, read(storage)) for key, storage in storages.items()}
    return {name: _strided(view, runs[view.storage.key]) for name, view in views.items()}


def _numbers(storage: _Storage, content: bytes) -> NDArray[Any]:
    if len(content) != storage.size:
        raise RefusedError(f"storage {storage.key[:40]} has {len(content)} bytes, {storage.size} were announced")
    numbers = np.frombuffer(content, STORAGES[storage.kind])
    if storage.kind == "BFloat16Storage":  # the upper half of a float32
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers


def _strided(view: _View, numbers: NDArray[Any]) -> NDArray[Any]:
    count = math.prod(view.shape)
    reach = view.offset + sum((length - 1) * stride for length, stride in zip(view.shape, view.strides, strict=True))
    if count > len(numbers) or (count and reach >= len(numbers)):
        raise RefusedError("a tensor that reaches beyond its storage")
    if not count:
        return np.zeros(view.shape, numbers.dtype)
    strides = [stride * numbers.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides).copy()
