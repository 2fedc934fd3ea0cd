"""Fax coding of black and white (CCITT groups 3 and 4), decoded so that damage is seen.

There is no checksum, but each row must give exactly its width, the data must end with the last row, and an encoder has
no choice: a mode that the rules do not allow at its place is damage. Source: ITU-T T.4 and T.6; TIFF 6.0, section 10.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .fax_codes import HORIZONTAL, MODES, PASS, RUNS, windows

_TWO_DIMENSIONAL = 1


def decode_fax(data: bytes, rows: int, width: int, coding: int, options: int) -> NDArray[np.uint8]:
    """(rows, width) 0 for white and 1 for black. coding: 2, 3 or 4, options: T4Options or T6Options, as in TIFF.

    Raises ValueError where the data are damaged or cut short.
    """
    reader = _Reader(data, width)
    toggles = np.zeros((rows, width + 1), np.uint8)
    above: list[int] = []
    for row in toggles:
        if coding == 4:
            above = reader.row_by_row_above(above)
        elif coding == 2:
            above = reader.row_of_runs()
            reader.at += -reader.at % 8
        else:
            two = reader.line_start(tagged=bool(options & _TWO_DIMENSIONAL))
            above = reader.row_by_row_above(above) if two else reader.row_of_runs()
        for change in above:
            row[change] ^= 1
    reader.check_end()
    return np.bitwise_xor.accumulate(toggles, axis=1)[:, :width]


class _Reader:
    """Bits from ``at`` on. A row is the list of places where its colour changes, white before the first."""

    def __init__(self, data: bytes, width: int) -> None:
        self.at, self.width, self.bits = 0, width, 8 * len(data)
        self.window = memoryview(windows(data).tobytes()).cast("H")

    def run(self, colour: int) -> int:
        """One run: any number of make-up codes, and one of 0 to 63 pixels."""
        lengths, values = RUNS[colour]
        total, before = 0, 2560
        while True:
            window = self._window()
            length, value = lengths[window], values[window]
            if not length or (value > 63 and before < 2560):
                raise ValueError("a fax code that does not exist")
            self.at += length
            total, before = total + value, value
            if value < 64:
                return total
            if total > self.width:
                raise ValueError("a fax row that is too long")

    def _window(self) -> int:
        if self.at >= self.bits:
            raise ValueError("fax data cut short")
        return self.window[self.at]

    def row_of_runs(self) -> list[int]:
        row: list[int] = []
        end, colour = 0, 0
        while end < self.width:
            run = self.run(colour)
            if not run and row:
                raise ValueError("an empty fax run within a row")
            end += run
            row.append(end)
            colour ^= 1
        if end > self.width:
            raise ValueError("a fax row that is too long")
        return row

    def row_by_row_above(self, above: list[int]) -> list[int]:
        """Two-dimensional coding: changes as they lie beside those of the row above."""
        width = self.width
        reference = [*above, width, width, width, width]
        lengths, values = MODES
        row: list[int] = []
        a0, colour, index = -1, 0, 0
        while a0 < width:
            while index > 0 and reference[index - 1] > a0:
                index -= 1
            while reference[index] < width and (reference[index] <= a0 or index % 2 != colour):
                index += 1
            b1, b2 = reference[index], reference[min(index + 1, len(reference) - 1)]
            window = self._window()
            mode = values[window]
            if not lengths[window]:
                raise ValueError("a fax code that does not exist")
            self.at += lengths[window]
            if mode == PASS:
                if b2 >= width:
                    raise ValueError("a fax row that passes its end")
                a0 = b2
            elif mode == HORIZONTAL:
                first = max(a0, 0)
                a1 = first + self.run(colour)
                a2 = a1 + self.run(1 - colour)
                if a2 > width or (a1 == first and first > 0) or (a2 == a1 and a1 < width):
                    raise ValueError("a fax row that does not fit")
                if b2 < a1 or abs(a1 - b1) <= 3:
                    raise ValueError("a fax mode that no encoder chooses")
                row += [a1, a2]
                a0 = a2
            else:
                a1 = b1 + mode
                if not max(a0, 0) <= a1 <= width or (a1 == a0 and a0 > 0) or b2 < a1:
                    raise ValueError("a fax row that does not fit")
                row.append(a1)
                a0, colour = a1, 1 - colour
        return row

    def line_start(self, *, tagged: bool) -> bool:
        """Step over the mark at the start of a row; whether the row is coded by the one above."""
        at = self.at
        while at < self.bits and self.window[at] >> 2 == 0 and self.window[at] >> 1 != 1:
            at += 1
        if at < self.bits and self.window[at] >> 1 == 1:
            self.at = at + 12
        elif tagged:
            raise ValueError("a fax row without its mark")
        if not tagged:
            return False
        self.at += 1
        return self.at <= self.bits and not self.window[self.at - 1] >> 12

    def check_end(self) -> None:
        """What follows the last row are end marks and zeros up to a full byte, or word."""
        marks = 0
        while self.at + 12 <= self.bits and self.window[self.at] >> 1 == 1 and marks < 6:
            self.at, marks = self.at + 12, marks + 1
        left = self.bits - self.at
        if left >= 24 or (left > 0 and any(self.window[at] >> 12 for at in range(self.at, self.bits))):
            raise ValueError("fax data after the last row")
