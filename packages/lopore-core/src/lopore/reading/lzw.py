"""Proof that an LZW strip or tile of a TIFF is what a whole encoder wrote; the decoders themselves skip over damage.

LZW has no checksum. What can be known is checked: every code lies in the table of its time, the codes give the bytes
of the strip and end with the data, and no string entered a table twice: encoders take the longest string that they
know, and a changed bit rarely leaves a stream that does. Source: TIFF 6.0, section 13.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_Codes = NDArray[np.int64]
_CLEAR, _END, _FIRST = 256, 257, 258
_LAST = 4095
# The decoder is one entry behind the encoder, so widths grow one code before a table is full ("early change").
_WIDTHS = np.repeat(np.array([9, 10, 11, 12]), [254, 512, 1024, 2306])
_STARTS = np.concatenate(([0], np.cumsum(_WIDTHS)))
_MASKS = (1 << _WIDTHS) - 1
_NEWEST = np.minimum(_FIRST - 1 + np.arange(len(_WIDTHS)), _LAST)
_BYTES = np.arange(_FIRST)
_LOW = (1 << 32) - 1
# An encoder that saves work breaks the rule of the longest string all the time, damage does so a few times.
_OTHER_ENCODER = 0.05


def check_lzw(data: bytes, size: int) -> int:
    """The number of bytes that ``data`` gives, ``size`` or more. Raises ValueError with what is wrong."""
    if len(data) > 1 and data[0] == 0 and data[1] & 1:
        raise ValueError("LZW of the kind before TIFF 5, with its bits reversed")
    length = twice = total = 0
    for codes in _tables(data):
        given, repeated = _check_table(codes)
        length, twice, total = length + given, twice + repeated, total + len(codes)
    if length < size:
        raise ValueError(f"{length} of {size} bytes")
    if 0 < twice < _OTHER_ENCODER * total:
        raise ValueError("LZW codes that no encoder chooses")
    return length


def _tables(data: bytes) -> Iterator[_Codes]:
    """The codes between one clear code and the next. Raises ValueError where end code and end of data differ."""
    padded = np.frombuffer(data + bytes(8), np.uint8).astype(np.int64)
    words = (padded[:-2] << 16) | (padded[1:-1] << 8) | padded[2:]  # a code of 12 bits lies within three bytes
    at, bits = 0, 8 * len(data)
    while True:
        codes, stop = _codes(words, at, bits)
        if len(codes):
            yield codes
        at += int(_STARTS[len(codes) + (stop is not None)])
        if stop != _CLEAR:
            break
    # Two spare bytes: some writers fill up to a word.
    if bits - at >= 24 or (stop is None and bits - at >= 16):
        raise ValueError("LZW data that does not end with its end code")


def _codes(words: _Codes, at: int, bits: int) -> tuple[_Codes, int | None]:
    """Codes from bit ``at`` to the next clear or end code, or to the end of the data; and which code stopped them."""
    room = min(len(_WIDTHS), int(np.searchsorted(_STARTS, bits - at, "right")) - 1)
    begin = _STARTS[:room] + at
    codes = (words[begin >> 3] >> (24 - (begin & 7) - _WIDTHS[:room])) & _MASKS[:room]
    stops = np.flatnonzero((codes == _CLEAR) | (codes == _END))
    if len(stops):
        return codes[: stops[0]], int(codes[stops[0]])
    if room == len(_WIDTHS):
        raise ValueError("an LZW table that is never cleared")
    return codes, None


def _check_table(codes: _Codes) -> tuple[int, int]:
    """Bytes that the codes of one table give, and how often a string entered it a second time."""
    if codes[0] >= _CLEAR or (codes > _NEWEST[: len(codes)]).any():
        raise ValueError("an LZW code that is not in its table")
    # Entry 258 + i is the string of code i and the first byte of that of code i + 1.
    entries = codes[: min(len(codes) - 1, _LAST + 1 - _FIRST)]
    firsts, lengths = _strings(entries)
    keys = np.sort((entries << 8 | firsts[codes[1 : len(entries) + 1]]).astype(np.int32))
    return int(lengths[codes].sum()), int((keys[1:] == keys[:-1]).sum())


def _strings(entries: _Codes) -> tuple[_Codes, _Codes]:
    """The first byte and the length of each code's string, where ``entries`` lengthen another string by one byte.

    The strings are a forest; each round doubles how far all have climbed. A number holds the string that was reached
    above 32 bits and the bytes passed on the way below, so that one look-up gives both.
    """
    reached = np.concatenate((_BYTES << 32, (entries << 32) + 1))
    while True:
        above = reached >> 32
        if above.max() < _FIRST:
            return above, (reached & _LOW) + 1
        reached = reached[above] + (reached & _LOW)
