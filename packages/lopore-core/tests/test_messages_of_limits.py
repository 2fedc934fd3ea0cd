"""A limit on memory is called so, in whatever way a library reports it."""

from __future__ import annotations

import errno

import pytest

from lopore.cli import _message_of
from lopore.errors import ImageError, memory_is_short


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libgomp.so: cannot allocate memory in static TLS block"),
    ],
)
def test_too_little_memory_is_told_as_such(error: Exception) -> None:
    assert memory_is_short(error)
    assert _message_of(error).startswith("out of memory")


def test_other_errors_are_no_lack_of_memory() -> None:
    assert not memory_is_short(OSError(errno.ENOSPC, "No space left on device"))
    assert not memory_is_short(ImportError("no module named torch"))
    assert not memory_is_short(ImageError("a.png is no image"))
