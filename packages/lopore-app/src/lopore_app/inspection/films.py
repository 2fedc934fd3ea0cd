"""What one session holds of a film: its pixels, scores, result. No Streamlit in here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels, Scores
from lopore.data.appearance import Appearance
from lopore.inference.doubts import Doubt as Doubt
from lopore.inference.explain import HeatMap
from lopore.inference.predict import Prediction
from lopore.preprocessing.enhancement_chain import Chain
from lopore.preprocessing.geometry import Geometry
from lopore.reading.radiograph import Radiograph
from lopore_app.inspection.upload import Upload
from lopore_app.viewer.outlines import Regions

UNMOVED = Affine()
HEAT_PIXELS = 650_000
"""A heat map is drawn at most this fine; it is smooth, and the screen shows no more."""


@dataclass(frozen=True)
class Film:
    """An upload, decoded once.

    radiograph: as the model reads it. full: every pixel, for the eye; another one only where the model lets a JPEG's
    decoder shrink the image.
    """

    upload: Upload
    radiograph: Radiograph
    full: Radiograph


@dataclass(frozen=True)
class Enhanced:
    """A film after a chain: pixels of the film's depth, where they moved to, milliseconds of each step."""

    pixels: Pixels
    motion: Affine = UNMOVED
    costs: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scored:
    """Scores (K,) of a film after a chain, what the network was given for them, and what they cost.

    pixels: (h, w, C) of the record's size. geometry: leads back to the enhanced image. film: facts of the film, without
    its pixels. shape: (height, width) of the enhanced image. maps: (K, h, w) of a segmentation model.
    feature_distance: as in ``lopore.inference.feature_distance.Answer``.
    """

    row: Scores
    pixels: Pixels
    geometry: Geometry
    milliseconds: dict[str, float]
    film: Radiograph
    chain: Chain
    shape: tuple[int, int]
    maps: NDArray[np.float32] | None = None
    feature_distance: float | None = None

    @cached_property
    def appearance(self) -> Appearance:
        """Grey level, contrast and sharpness of what the network was given."""
        return Appearance.of(self.pixels)


@dataclass(frozen=True)
class InspectionResult:
    """What one model says of one film after one chain.

    regions: of a segmentation model, whose prediction is a SegmentationPrediction. doubts: what the page
    shows beside the call, the gravest first.
    """

    prediction: Prediction
    enhanced: Enhanced
    milliseconds: dict[str, float]
    regions: Regions | None = None
    doubts: tuple[Doubt, ...] = ()


def held_bytes(found: Film | Enhanced | Scored | HeatMap | Regions) -> int:
    match found:
        case Film(radiograph=radiograph, full=full):
            return int(radiograph.pixels.nbytes + (0 if full is radiograph else full.pixels.nbytes))
        case Enhanced(pixels=pixels):
            return int(pixels.nbytes)
        case Scored(pixels=pixels, maps=maps):
            return int(pixels.nbytes + (0 if maps is None else maps.nbytes))
        case HeatMap(values=values):
            return int(values.nbytes)
        case Regions():
            return found.nbytes
