"""What ``torch.save`` wrote, read without torch and without executing anything.

A pickle is a program. Here its operations are listed by the standard library's disassembler and acted out on plain
data: a name in it stays a name, and three calls are known, each answered by a function of this file. Anything else is
refused.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ModelError

MAX_FILE_BYTES = 4 << 30
MAX_PROGRAM_BYTES = 32 << 20
MAX_OPERATIONS = 2_000_000
MAX_RANK = 8
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""First number of the files that torch wrote before 1.6, which are no zip archives."""

STORAGES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}  # fmt: skip
DICTIONARIES = ("collections OrderedDict",)
TENSORS = ("torch._utils _rebuild_tensor_v2",)


class RefusedError(ValueError):
    """What the file holds beyond plain tensors."""


@dataclass(frozen=True)
class _Name:
    """A name that the pickle mentions; nothing is looked up."""

    text: str


@dataclass(frozen=True)
class _Storage:
    """A run of numbers that stands elsewhere in the file."""

    key: str
    kind: str
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor over a storage: offset, shape and strides counted in numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    """Where the last group on the stack begins."""


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """The state dict in a file of ``torch.save``, bare or under the key ``state_dict``; arrays own their memory.

    ModelError in one line where the file is no such file, is broken, or holds anything but plain tensors.
    """
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, io.SEEK_END)
            if size > MAX_FILE_BYTES:
                raise RefusedError(f"{size} bytes, more than {MAX_FILE_BYTES}")
            stream.seek(0)
            if zipfile.is_zipfile(stream):
                return _from_archive(stream, size)
            stream.seek(0)
            return _from_legacy(stream, size)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check the path and its permissions") from None
    # What broken bytes make the disassembler, zipfile, struct and numpy raise.
    except (ValueError, zipfile.BadZipFile, struct.error, KeyError, IndexError, TypeError, EOFError, OverflowError,
            NotImplementedError, RuntimeError, MemoryError, RecursionError) as error:  # fmt: skip
        text = " ".join(str(error).split())[:160] or type(error).__name__
        raise ModelError(f"{path} holds no plain torch tensors ({text}); it was not opened") from None


def _from_archive(stream: IO[bytes], size: int) -> dict[str, NDArray[Any]]:
    """The format since torch 1.6: a zip of ``data.pkl`` and one member a storage, none of them compressed."""
    with zipfile.ZipFile(stream) as archive:
        members = {info.filename: info for info in archive.infolist()}
        programs = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(programs) != 1:
            raise RefusedError(f"{len(programs)} members named data.pkl")
        root = programs[0].removesuffix("data.pkl")

        def member(name: str, limit: int) -> bytes:
            info = members.get(root + name)
            if info is None:
                raise RefusedError(f"member {name[:40]} is missing")
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
                raise RefusedError(f"member {name[:40]} is compressed or larger than {limit} bytes")
            return archive.read(info)

        if f"{root}byteorder" in members and member("byteorder", 16) != b"little":
            raise RefusedError("its numbers are big-endian")
        found = _act_out(io.BytesIO(member("data.pkl", MAX_PROGRAM_BYTES)))
        return _arrays(found, lambda storage, bytes_: member(f"data/{storage.key}", bytes_), size)


def _from_legacy(stream: IO[bytes], size: int) -> dict[str, NDArray[Any]]:
    """The format before: pickles of magic, version, machine and object, the keys of the storages, the storages."""
    if _act_out(stream, "neither a zip archive nor a file of torch.save") != LEGACY_MAGIC:
        raise RefusedError("it does not begin as files of torch.save do")
    _act_out(stream)
    machine = _act_out(stream)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise RefusedError("its numbers are big-endian")
    found = _act_out(stream)
    storages = {view.storage.key: view.storage for view in _views(found).values()}
    runs: dict[str, bytes] = {}
    for key in _act_out(stream):
        # Asking a tuple of a million tuples for its hash would end the process.
        if not isinstance(key, str) or key not in storages:
            raise RefusedError("it holds storages that no tensor of the state dict uses")
        (count,) = struct.unpack("<q", stream.read(8))
        if count != storages[key].count:
            raise RefusedError(f"storage {str(key)[:40]} has {count} numbers, {storages[key].count} were announced")
        runs[key] = stream.read(_bytes_of(storages[key]))
    return _arrays(found, lambda storage, _: runs[storage.key], size)


def _bytes_of(storage: _Storage) -> int:
    return storage.count * np.dtype(STORAGES[storage.kind]).itemsize


def _views(found: Any) -> dict[str, _View]:
    """The tensors of a state dict; RefusedError for anything else in it."""
    state = found.get("state_dict", found) if isinstance(found, dict) else None
    if not isinstance(state, dict) or not state:
        raise RefusedError("no state dict; save one with torch.save(network.state_dict(), path)")
    if not all(isinstance(name, str) and isinstance(value, _View) for name, value in state.items()):
        raise RefusedError("a state dict with other things than tensors")
    return cast(dict[str, _View], state)


def _arrays(found: Any, read: Callable[[_Storage, int], bytes], limit: int) -> dict[str, NDArray[Any]]:
    """read: the bytes of a storage, given how many there are. limit: bytes that all storages together may have."""
    views = _views(found)
    storages = {view.storage.key: view.storage for view in views.values()}
    if sum(map(_bytes_of, storages.values())) > limit:
        raise RefusedError("its storages are larger than the file")
    runs = {key: _numbers(storage, read(storage, _bytes_of(storage))) for key, storage in storages.items()}
    return {name: _strided(view, runs[view.storage.key]) for name, view in views.items()}


def _numbers(storage: _Storage, content: bytes) -> NDArray[Any]:
    if len(content) != _bytes_of(storage):
        raise RefusedError(f"storage {storage.key[:40]} has {len(content)} bytes, {_bytes_of(storage)} were announced")
    numbers = np.frombuffer(content, STORAGES[storage.kind])
    if storage.kind == "BFloat16Storage":  # the upper half of a float32
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers


def _strided(view: _View, numbers: NDArray[Any]) -> NDArray[Any]:
    count = math.prod(view.shape)
    reach = view.offset + sum((side - 1) * stride for side, stride in zip(view.shape, view.strides, strict=True))
    if count > len(numbers) or (count and reach >= len(numbers)):
        raise RefusedError("a tensor that reaches beyond its storage")
    if not count:
        return np.zeros(view.shape, numbers.dtype)
    strides = [stride * numbers.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides).copy()


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _View:
    whole = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or len(shape) != len(strides) or len(shape) > MAX_RANK:
        raise RefusedError("a tensor without storage, or with sides and strides that do not match")
    if not all(type(number) is int and 0 <= number < MAX_FILE_BYTES for number in whole):
        raise RefusedError("a tensor with impossible offset, sides or strides")
    return _View(storage, offset, tuple(shape), tuple(strides))


def _storage(announced: Any) -> _Storage:
    """('storage', its kind, key, device, numbers) and, in older files, None for a view of another storage."""
    if not isinstance(announced, tuple) or len(announced) not in (5, 6) or any(announced[5:]):
        raise RefusedError("a storage that is a view of another")
    word, kind, key, _, count = announced[:5]
    if word != "storage" or not isinstance(kind, _Name) or not isinstance(key, str):
        raise RefusedError("something outside the file")
    module, _, name = kind.text.rpartition(" ")
    if module != "torch" or name not in STORAGES:
        raise RefusedError(f"a storage of kind {kind.text[:60]}")
    if type(count) is not int or not 0 <= count < MAX_FILE_BYTES:
        raise RefusedError("a storage with an impossible count")
    return _Storage(key, name, count)


def _call(function: Any, arguments: Any) -> Any:
    name = function.text if isinstance(function, _Name) else type(function).__name__
    if name in TENSORS:
        return _tensor(*arguments)
    if name in DICTIONARIES and arguments in ((), ([],)):
        return {}
    raise RefusedError(f"a call of {name[:80]}")


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "MARK": _Mark}
_VALUES = {
    "BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
}  # fmt: skip
_IGNORED = {"PROTO", "FRAME"}


def _act_out(stream: IO[bytes], else_text: str = "") -> Any:
    """The plain data that one pickle describes; the stream stands behind it afterwards."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for number, (operation, argument, _) in enumerate(pickletools.genops(stream)):
            if number > MAX_OPERATIONS:
                raise RefusedError(f"more than {MAX_OPERATIONS} operations")
            if operation.name == "STOP":
                return stack.pop()
            _step(operation.name, argument, stack, memo)
    except RefusedError:
        raise
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise RefusedError(else_text or f"a broken pickle: {error}") from None
    raise RefusedError(else_text or "a pickle without an end")


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    if name in _VALUES:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
        memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name in ("GLOBAL", "STACK_GLOBAL"):
        stack.append(_Name(argument if name == "GLOBAL" else " ".join(_taken(stack, 2))))
    elif name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
        stack.append(tuple(_to_mark(stack) if name == "TUPLE" else _taken(stack, int(name[-1]))))
    elif name in ("SETITEM", "SETITEMS"):
        _set(_taken(stack, 2) if name == "SETITEM" else _to_mark(stack), stack[-1])
    elif name in ("APPEND", "APPENDS"):
        items = _taken(stack, 1) if name == "APPEND" else _to_mark(stack)
        _kind(stack[-1], list).extend(items)
    elif name == "BINPERSID":
        stack.append(_storage(stack.pop()))
    elif name == "REDUCE":
        function, arguments = _taken(stack, 2)
        stack.append(_call(function, arguments))
    elif name == "BUILD":  # torch's notes on module versions, kept beside a state dict
        _kind(stack.pop(), dict)
        _kind(stack[-1], dict)
    elif name not in _IGNORED:
        raise RefusedError(f"the operation {name}")


def _taken(stack: list[Any], count: int) -> list[Any]:
    if len(stack) < count:
        raise RefusedError("a pickle that takes more than it gave")
    items = stack[len(stack) - count :]
    del stack[len(stack) - count :]
    return items


def _to_mark(stack: list[Any]) -> list[Any]:
    at = next((index for index in range(len(stack) - 1, -1, -1) if isinstance(stack[index], _Mark)), -1)
    if at < 0:
        raise RefusedError("a group without a beginning")
    return _taken(stack, len(stack) - at)[1:]


def _set(items: list[Any], target: Any) -> None:
    if len(items) % 2 or not all(isinstance(key, str | int) for key in items[::2]):
        raise RefusedError("a dictionary whose keys are no names")
    _kind(target, dict).update(zip(items[::2], items[1::2], strict=True))


def _kind(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise RefusedError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value
