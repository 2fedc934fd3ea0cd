"""A regular file that is read by position: parts of it, from any thread, without mapping it."""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lopore.errors import ImageError

from .headers import Limits
from .regular_files import open_regular

_STEP = 2**22


class PositionedFile:
    """An open regular file. Raises ImageError where it cannot be opened or read."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        handle = open_regular(path, name, Limits(max_bytes=2**62))
        self.size = os.fstat(handle).st_size
        self._stream = os.fdopen(handle, "rb", buffering=0)
        self._lock = threading.Lock()

    def fetch(self, start: int, count: int) -> bytes:
        """``count`` bytes from ``start`` on, fewer where the file ends."""
        parts = []
        try:
            with self._lock:
                self._stream.seek(start)
                while count > 0 and (part := self._stream.read(count)):
                    parts.append(part)
                    count -= len(part)
        except (OSError, ValueError) as error:
            raise ImageError(f"{self.name} cannot be read ({error}); check the disk"[:300]) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    @contextmanager
    def mapped(self) -> Iterator[mmap.mmap]:
        """The whole file as bytes, for the time in which its directory is read."""
        try:
            with mmap.mmap(self._stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                yield content
        except (OSError, ValueError) as error:
            raise ImageError(f"{self.name} cannot be read ({error}); check the disk"[:300]) from error

    def sha256(self) -> str:
        """Of the whole file, 64 hex digits."""
        digest = hashlib.sha256()
        for start in range(0, self.size, _STEP):
            digest.update(self.fetch(start, _STEP))
        return digest.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
