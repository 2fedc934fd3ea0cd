"""Windows of stored values: of a TIFF's blocks, of a plain DICOM frame, of an image that was decoded once."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.errors import ImageError

from .headers import damaged, empty_tail
from .positioned_file import PositionedFile
from .tiff import TiffHeader
from .tiff_values import value_window

CACHE_BYTES = 48 * 2**20
SPILL_BYTES = 64 * 2**20


class Windows(Protocol):
    """Grey values by window, as stored: not turned upright."""

    def read(self, y0: int, x0: int, height: int, width: int) -> Pixels:
        """(height, width) of a window that lies inside."""

    def close(self) -> None:
        """Let go of what is held."""


class TiffWindows:
    """The blocks that a window touches, the latest ones kept. Values that need a window are surveyed first."""

    def __init__(self, file: PositionedFile, header: TiffHeader) -> None:
        self._file, self._page, self._meaning = file, header.page.in_short_strips(), header.meaning
        self._page.check(file.size)
        self._cache: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._bytes, self._lock = 0, threading.Lock()
        self._window = None
        if header.meaning.needs_window:
            blocks = (self._page.values(file.fetch, number) for number in range(len(self._page.starts)))
            self._window = value_window(blocks, header.stated, header.page.bits, header.page.kind)
        self.notes = (self._window.note,) if self._window else ()

    def read(self, y0: int, x0: int, height: int, width: int) -> Pixels:
        """See ``Windows``; colour becomes grey."""
        from .orientation import to_channels

        return to_channels(
            self._meaning.apply(self._page.assemble(self._block, y0, x0, height, width), self._window), 1
        )

    def empty_tail(self) -> tuple[str, ...]:
        """The note on a plain film that ends with zeros; only the last rows are looked at."""
        height, width = self._page.height, self._page.width
        last = self._page.assemble(self._block, max(0, height - 64), 0, min(64, height), width)
        if last.any():
            return empty_tail(last)
        return (f"the last {len(last)} rows in the file or more hold only zeros: is the film copied to its end?",)

    def _block(self, number: int) -> NDArray[Any]:
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                return self._cache[number]
        block = self._page.values(self._file.fetch, number)
        with self._lock:
            if number not in self._cache:
                self._cache[number] = block
                self._bytes += block.nbytes
            while self._bytes > CACHE_BYTES and len(self._cache) > 1:
                self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return block

    def close(self) -> None:
        """Forget the blocks."""
        self._cache.clear()


class PlainFrame:
    """One uncompressed frame, row after row, from ``start`` on in a file."""

    def __init__(self, file: PositionedFile, start: int, width: int, dtype: np.dtype[Any]) -> None:
        self._file, self._start, self._width, self._dtype = file, start, width, dtype

    def read(self, y0: int, x0: int, height: int, width: int) -> NDArray[Any]:
        """(height, width) stored values. Raises ImageError where the file ends before."""
        line = self._width * self._dtype.itemsize
        data = self._file.fetch(self._start + y0 * line, height * line)
        if len(data) < height * line:
            raise damaged(self._file.name, "the pixels end before the image")
        rows = np.frombuffer(data, self._dtype).reshape(height, self._width)
        return rows[:, x0 : x0 + width]

    def close(self) -> None:
        """Nothing is held."""


class DecodedOnce:
    """An image that was decoded whole: in memory, or in a temporary file without a name where it is large."""

    def __init__(self, pixels: Pixels, *, spill: bool = True) -> None:
        self._width, self._dtype = pixels.shape[1], pixels.dtype
        self._pixels: Pixels | None = pixels
        self._stream: IO[bytes] | None = None
        if spill and pixels.nbytes > SPILL_BYTES:
            self._spill(pixels)

    def _spill(self, pixels: Pixels) -> None:
        self._lock = threading.Lock()
        try:
            stream = tempfile.TemporaryFile(prefix="lopore-film-")  # noqa: SIM115 (lives as long as the film)
            for top in range(0, len(pixels), 256):
                stream.write(np.ascontiguousarray(pixels[top : top + 256]).data)
            stream.flush()
        except OSError as error:
            raise ImageError(f"no room for a decoded film of {pixels.nbytes >> 20} MiB ({error}); free disk") from error
        self._pixels, self._stream = None, stream

    def read(self, y0: int, x0: int, height: int, width: int) -> Pixels:
        """See ``Windows``."""
        if self._pixels is not None:
            return self._pixels[y0 : y0 + height, x0 : x0 + width]
        assert self._stream is not None
        line = self._width * self._dtype.itemsize
        with self._lock:
            self._stream.seek(y0 * line)
            data = self._stream.read(height * line)
        return np.frombuffer(data, self._dtype).reshape(height, self._width)[:, x0 : x0 + width]

    def close(self) -> None:
        """Free memory and disk."""
        if self._stream is not None:
            self._stream.close()
        self._pixels = None
