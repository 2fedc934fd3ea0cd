"""What the stored values of a TIFF mean: grey or colour of 8 or 16 bits, greater is brighter.

Every function here works pixel by pixel, so that a window of a film gives the values that the whole film would.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ImageError

from .headers import TRANSPARENT

GREY, PALETTE, YCBCR, CMYK, LAB, ICC_LAB = (0, 1), 3, 6, 5, 8, 9


@dataclass(frozen=True)
class ValueWindow:
    """How stored values that are no unsigned numbers of 16 bits become some: ``low`` is grey 0, ``high`` is 65535.

    exact: values are whole numbers and ``high`` - ``low`` is 65535, so nothing is rounded. note: for a person.
    """

    low: float
    high: float
    exact: bool
    note: str

    def apply(self, values: NDArray[Any]) -> NDArray[np.uint16]:
        """(…) uint16; what is no number becomes 0, what lies outside of the window its end."""
        if self.exact:
            integers: NDArray[np.uint16] = (np.nan_to_num(values, posinf=0, neginf=0) - self.low).astype(np.uint16)
            return integers
        scaled = (values.astype(np.float64) - self.low) * (65535 / (self.high - self.low))
        return np.clip(np.rint(np.nan_to_num(scaled, nan=0.0)), 0, 65535).astype(np.uint16)


def value_window(
    blocks: Iterable[NDArray[Any]], stated: tuple[float, float] | None, bits: int, kind: str
) -> ValueWindow:
    """The window of a film of wide, signed or floating-point values.

    blocks: the stored values, piece by piece. stated: smallest and largest value as the file's tags name them.
    """
    low, high, integers, strange = np.inf, -np.inf, True, 0
    for block in blocks:
        finite = block[np.isfinite(block)] if kind == "f" else block
        strange += block.size - finite.size
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
            integers = integers and (kind != "f" or bool((finite == np.rint(finite)).all()))
    low, high = (low, high) if low <= high else (0.0, 0.0)
    what = f"{bits}-bit {'floating-point' if kind == 'f' else 'signed' if kind == 'i' else 'unsigned'} values"
    lost = f"; {strange} values that are no numbers are shown as 0" if strange else ""
    for first in (0.0, -32768.0):
        if integers and low >= first and high <= first + 65535:
            shift = f", shifted up by {-first:.0f}" if first else ""
            return ValueWindow(first, first + 65535, True, f"{what}, whole numbers kept as they are{shift}{lost}")
    source = "smallest and largest value of the film"
    if stated is not None:
        (low, high), source = stated, "as its tags state"
    note = f"{what} brought to 16 bits: grey 0 is {low:g}, 65535 is {high:g} ({source}){lost}"
    return ValueWindow(low, high if high > low else low + 1, False, note)


@dataclass(frozen=True, kw_only=True)
class TiffMeaning:
    """The tags that say what values mean. palette: (2^bits, 3) uint8 BGR. alpha: 0 none or unknown, 1 associated, 2."""

    name: str
    photometric: int
    bits: int
    kind: str
    samples: int
    alpha: int
    palette: NDArray[np.uint8] | None

    @property
    def needs_window(self) -> bool:
        """Whether values must be surveyed first: wider than 16 bits or floating-point."""
        return self.bits > 16 or self.kind == "f"

    @property
    def dtype(self) -> np.dtype[Any]:
        """What ``apply`` gives."""
        return np.dtype(np.uint8 if self.bits <= 8 and self.kind != "f" else np.uint16)

    @property
    def colours(self) -> int:
        """Values a pixel without extra ones such as alpha."""
        return {2: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, LAB: 3, ICC_LAB: 3}.get(self.photometric, 1)

    def check(self) -> None:
        """Raise ImageError for combinations that have no sure meaning."""
        deep = self.needs_window or self.kind != "u"
        if deep and (self.photometric not in GREY or self.samples != 1):
            raise ImageError(f"{self.name} is a colour TIFF of {self.bits}-bit values; save it as grey or 16-bit RGB")
        if self.colours > 1 and self.bits not in (8, 16):
            raise ImageError(f"{self.name} is a colour TIFF of {self.bits} bits; allowed are 8 and 16; save it so")
        if self.samples not in (self.colours, self.colours + 1):
            raise ImageError(
                f"{self.name} has {self.samples} values a pixel, its colours {self.colours}; save it as grey"
            )

    def notes(self, stored: NDArray[Any]) -> tuple[str, ...]:
        """What ``apply`` does that a careful reader should know."""
        notes: tuple[str, ...] = ()
        if self.kind == "i":
            notes += (f"signed values shifted up by {1 << (self.bits - 1)}",)
        if self.photometric in (CMYK, LAB, ICC_LAB):
            notes += (f"{'CMYK' if self.photometric == CMYK else 'Lab'} converted to light without a colour profile",)
        if self.samples > self.colours and (stored[:, :, -1] != np.iinfo(stored.dtype).max).any():
            notes += (f"{TRANSPARENT}; shown over white",)
        return notes

    def apply(self, stored: NDArray[Any], window: ValueWindow | None = None) -> NDArray[Any]:
        """(h, w, samples) stored values to (h, w) grey or (h, w, 3) BGR, uint8 or uint16."""
        if window is not None:
            stored = window.apply(stored)
        elif self.kind == "i":
            unsigned = stored.view(f"u{self.bits // 8}")
            stored = unsigned ^ unsigned.dtype.type(1 << (self.bits - 1))
        image = self._colour(stored[:, :, : self.colours])
        if self.samples > self.colours:
            image = over_white(image, stored[:, :, self.colours], self.alpha, self.name)
        return image

    def _colour(self, stored: NDArray[Any]) -> NDArray[Any]:
        match self.photometric:
            case 0 | 1:
                return self._grey(stored[:, :, 0])
            case 3:
                assert self.palette is not None
                image: NDArray[Any] = self.palette[stored[:, :, 0]]
                return image
            case 5:
                return from_cmyk(stored)
            case 6:
                import cv2

                return cv2.cvtColor(np.ascontiguousarray(stored[:, :, [0, 2, 1]]), cv2.COLOR_YCrCb2BGR)
            case 8 | 9:
                return _from_lab(stored, signed=self.photometric == LAB)
        return np.ascontiguousarray(stored[:, :, ::-1])

    def _grey(self, values: NDArray[Any]) -> NDArray[Any]:
        if self.bits < 8:
            values = np.multiply(values, np.uint8(255 // ((1 << self.bits) - 1)), dtype=np.uint8)
        if self.photometric == 0:
            top = 255 if self.bits <= 8 else 65535 if self.bits >= 16 else (1 << self.bits) - 1
            values = np.subtract(top, values, dtype=values.dtype)
        return np.ascontiguousarray(values)


def over_white(image: NDArray[Any], alpha: NDArray[Any], kind: int, name: str) -> NDArray[Any]:
    """(h, w) or (h, w, 3) over a white ground. kind: 1 colours are multiplied by alpha already, 2 they are not.

    Raises ImageError where an extra plane of unknown meaning is not opaque throughout.
    """
    top = int(np.iinfo(image.dtype).max)
    if (alpha == top).all():
        return image
    if kind not in (1, 2):
        raise ImageError(
            f"{name} has an extra plane that may be transparency, so its grey values are not certain; "
            "save it without transparency"
        )
    return blend(image, alpha, np.array([top] * 3), premultiplied=kind == 1)


def blend(
    image: NDArray[Any], alpha: NDArray[Any], ground: NDArray[Any], *, premultiplied: bool = False
) -> NDArray[Any]:
    """The image over one colour, rounded. ground: (3,) in the image's order of planes; grey takes the first."""
    top = int(np.iinfo(image.dtype).max)
    result = np.empty_like(image)
    colour = ground if image.ndim == 3 else int(ground[0])
    for first in range(0, len(image), 64):  # 64-bit numbers of a few rows at a time
        rows = slice(first, first + 64)
        share = alpha[rows].astype(np.uint64)
        share = share[:, :, None] if image.ndim == 3 else share
        own = image[rows].astype(np.uint64) * (top if premultiplied else share)
        integers = (own + (top - share) * np.asarray(colour, np.uint64) + top // 2) // top
        result[rows] = np.minimum(integers, top)
    return result


def from_cmyk(stored: NDArray[Any]) -> NDArray[Any]:
    """(h, w, 4) ink to (h, w, 3) BGR light, without a colour profile: (1 - ink) (1 - black)."""
    top = np.iinfo(stored.dtype).max
    light = (top - stored[:, :, :3]).astype(np.uint64) * (top - stored[:, :, 3:]).astype(np.uint64)
    return np.ascontiguousarray(((light + top // 2) // top).astype(stored.dtype)[:, :, ::-1])


def _from_lab(stored: NDArray[Any], *, signed: bool) -> NDArray[Any]:
    """CIE L*a*b* to sRGB. Source: TIFF 6.0, section 23; a and b are signed there, ICC's are shifted."""
    import cv2

    top = int(np.iinfo(stored.dtype).max)
    lab = np.empty(stored.shape, np.float32)
    lab[:, :, 0] = stored[:, :, 0] * np.float32(100 / top)
    unit = (top + 1) // 256
    planes = stored[:, :, 1:]
    lab[:, :, 1:] = planes.view(f"i{stored.itemsize}") / unit if signed else planes / unit - 128
    light = cv2.cvtColor(lab, cv2.COLOR_Lab2BGR)
    return np.rint(np.clip(light, 0, 1) * top).astype(stored.dtype)
