"""What the tags of a DICOM data set mean for grey values: scale, window, polarity and pixel pitch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

Polarity = Literal["film", "detector", "unknown"]
GREY_MODELS = ("MONOCHROME1", "MONOCHROME2")


def number(dataset: FileDataset, keyword: str) -> float | None:
    """A finite number of a tag, the first of several, or None."""
    value = dataset.get(keyword)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, (int, float, str)) and hasattr(value, "__getitem__"):
        value = value[0] if len(value) else None
    try:
        number = float(value) if value is not None else math.nan
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def integer(dataset: FileDataset, keyword: str, default: int) -> int:
    found = number(dataset, keyword)
    return default if found is None else int(found)


def rescale(dataset: FileDataset) -> tuple[float, float, tuple[str, ...]]:
    """Slope and intercept; they are linear, so stored values lose nothing and are kept as they are."""
    slope = number(dataset, "RescaleSlope")
    slope, intercept = slope if slope else 1.0, number(dataset, "RescaleIntercept") or 0.0
    if (slope, intercept) == (1.0, 0.0):
        return slope, intercept, ()
    return slope, intercept, (f"grey values as stored; rescale slope {slope:g}, intercept {intercept:g} not applied",)


def window_of(
    dataset: FileDataset, slope: float, intercept: float, *, stored: int, signed: bool, inverted: bool
) -> tuple[float, float] | None:
    """Low and high of the first window, in grey values of ``pixels``. Source: DICOM PS3.3 C.11.2.1.2."""
    centre, width = number(dataset, "WindowCenter"), number(dataset, "WindowWidth")
    if centre is None or width is None or width < 1 or dataset.get("PhotometricInterpretation") not in GREY_MODELS:
        return None
    exact = str(dataset.get("VOILUTFunction") or "LINEAR") != "LINEAR"
    middle, half = (centre, width / 2) if exact else (centre - 0.5, (width - 1) / 2)
    ends = [(value - intercept) / slope for value in (middle - half, middle + half)]
    ends = [value + (1 << (stored - 1)) if signed else value for value in ends]
    if inverted:
        ends = [(1 << stored) - 1 - value for value in ends]
    low, high = sorted(ends)
    return (low, high) if high > low and math.isfinite(high - low) else None


def polarity_of(dataset: FileDataset, inverted: bool) -> Polarity:
    """film: brighter is less radiation, as on a viewing screen. detector: brighter is more. Tag (0028,1041) decides."""
    sign = integer(dataset, "PixelIntensityRelationshipSign", 0)
    if sign in (1, -1):
        return "detector" if (sign == 1) != inverted else "film"
    if dataset.get("ConversionType") == "DF" or number(dataset, "NominalScannedPixelSpacing"):
        return "film"
    return "unknown"


def _spacing(dataset: FileDataset, keyword: str) -> tuple[float, float] | None:
    value = dataset.get(keyword)
    try:
        down, across = (float(part) for part in value) if value is not None else (0.0, 0.0)
    except (TypeError, ValueError):
        return None
    return (down, across) if 1e-4 <= down <= 100 and 1e-4 <= across <= 100 else None


def pitch_of(dataset: FileDataset) -> tuple[float | None, str | None, tuple[str, ...]]:
    """Pixel pitch in mm, where it came from, and notes. Source: DICOM PS3.3 section 10.7.

    PixelSpacing that differs from ImagerPixelSpacing was corrected and counts; ImagerPixelSpacing is at the detector
    and is divided by the magnification where the file states one; NominalScannedPixelSpacing is that of scanned film.
    """
    at_detector, corrected = _spacing(dataset, "ImagerPixelSpacing"), _spacing(dataset, "PixelSpacing")
    scanned = _spacing(dataset, "NominalScannedPixelSpacing")
    spacing, source = corrected, "PixelSpacing"
    if at_detector is not None and corrected in (None, at_detector):
        spacing, source = at_detector, "ImagerPixelSpacing"
    elif corrected is None:
        spacing, source = scanned, "NominalScannedPixelSpacing"
    if spacing is None:
        return None, None, ()
    down, across = spacing
    if abs(down / across - 1) > 0.01:
        return None, None, (f"pixels are not square ({source} {down:g} x {across:g} mm), so no pitch is given",)
    if source != "ImagerPixelSpacing":
        return down, f"DICOM {source}", (f"pixel pitch from {source}",)
    magnification = number(dataset, "EstimatedRadiographicMagnificationFactor")
    if magnification and 1 <= magnification <= 1000:
        source = f"{source} over magnification {magnification:g}"
        return down / magnification, f"DICOM {source}", (f"pixel pitch from {source}",)
    source += ", at the detector: not corrected for magnification"
    return down, f"DICOM {source}", (f"pixel pitch from {source}",)
