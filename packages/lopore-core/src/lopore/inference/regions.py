"""What a segmentation model's maps show, as detections of known place and size; specks are dropped by a rule.

A region grows by hysteresis, as edges do in Canny (IEEE PAMI 8, 1986): it is drawn where the probability passes a low
level, and it counts where it reaches the model's threshold. So a class is called exactly where it has a detection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lopore.affine import Affine
from lopore.contracts import Params
from lopore.errors import ConfigError

if TYPE_CHECKING:
    from lopore.preprocessing.geometry import Geometry

Mask = NDArray[np.bool_]


class DetectionRule(Params):
    """Which regions of a map count. The defaults drop nothing: what is too small to matter is for you to say."""

    threshold: float | None = Field(
        None, ge=0, le=1, description="Largest probability that a region must reach; default: the model's own threshold"
    )
    extent: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Pixels from this probability on, or from a lower threshold on, belong to a region",
    )
    minimum_area_px: float = Field(
        0.0, ge=0, le=1e8, description="Regions of a smaller area are dropped, in pixels of the original image"
    )
    minimum_area_mm2: float | None = Field(
        None, ge=0, le=1e6, description="The same in square millimetres; needs images whose pixel pitch is known"
    )
    opening: int = Field(
        0,
        ge=0,
        le=15,
        description="Radius of a morphological opening of the regions, in pixels of the network's input",
    )

    @property
    def drops(self) -> bool:
        """Whether the rule can take away anything that the thresholds leave."""
        return self.minimum_area_px > 0 or bool(self.minimum_area_mm2) or self.opening > 0

    @property
    def text(self) -> str:
        """What the rule drops, in one line for a person."""
        least = [f"{self.minimum_area_px:g} px of the original"] if self.minimum_area_px else []
        least += [f"{self.minimum_area_mm2:g} mm2"] if self.minimum_area_mm2 else []
        said = [f"regions under {' or '.join(least)}"] if least else []
        said += [f"what an opening of radius {self.opening} px takes away"] if self.opening else []
        return f"The rule drops {' and '.join(said)}." if said else "No region was dropped for its size."

    @property
    def keeping_all(self) -> DetectionRule:
        """The rule with the same thresholds that drops nothing."""
        return self.model_copy(update={"minimum_area_px": 0.0, "minimum_area_mm2": None, "opening": 0})

    def least_area(self, pitch_mm: float | None, name: str = "the image") -> float:
        """The smallest area that counts, in pixels of the original; ConfigError where mm need an unknown pitch."""
        if not self.minimum_area_mm2:
            return self.minimum_area_px
        if pitch_mm is None:
            raise ConfigError(
                f"{name} does not state the size of its pixels, so {self.minimum_area_mm2:g} mm2 is no known area; "
                "give the pitch, or a minimum area in pixels"
            )
        return max(self.minimum_area_px, self.minimum_area_mm2 / pitch_mm**2)


class Detection(BaseModel):
    """One connected region of one class, placed on the original image.

    area_px: pixels of the original; area_mm2: None where the pitch is unknown. centre: (x, y) of its middle.
    box: (left, top, right, bottom). Places are in pixels of the original, (0, 0) its outer corner, (0.5, 0.5) the
    centre of its first pixel. peak, mean: largest and mean probability of the class in the region.
    """

    model_config = ConfigDict(frozen=True)

    class_name: str
    area_px: float
    area_mm2: float | None
    centre: tuple[float, float]
    box: tuple[float, float, float, float]
    peak: float
    mean: float


@dataclass(frozen=True)
class Detections:
    """What one image's maps hold under a rule.

    found: class by class, the largest peak first. regions: (K, h, w) of the pixels of what was found. scores: (K,) the
    largest probability outside what was dropped, 0 where nothing is left. dropped: regions under the least area, and
    regions that the opening took away whole.
    """

    found: tuple[Detection, ...]
    regions: Mask
    scores: NDArray[np.float32]
    dropped: int


def extract_detections(
    maps: NDArray[np.float32],
    geometry: Geometry,
    rule: DetectionRule,
    *,
    classes: Sequence[str],
    thresholds: Sequence[float],
    pitch_mm: float | None = None,
) -> Detections:
    """Regions of one image's maps, those that a rule drops left out.

    maps: (K, h, w) float32 in 0..1 over the network's input at any resolution, K in the order of ``classes``.
    thresholds: (K,) what a region must reach to count, where the rule names none. pitch_mm: of an original pixel.
    Pixels touch by sides and corners. What lies beside the film (a letterbox's bars) counts nowhere.
    Raises ConfigError for a rule in mm2 without a pitch.
    """
    least = rule.least_area(pitch_mm)
    move = Affine(xx=geometry.size[1] / maps.shape[2], yy=geometry.size[0] / maps.shape[1]).then(geometry.to_original)
    inside = _on_the_film(move, (maps.shape[1], maps.shape[2]), geometry.original)
    limits = [rule.threshold if rule.threshold is not None else value for value in thresholds]
    each = [_ClassRegions(values, inside, move, rule, limit, least) for values, limit in zip(maps, limits, strict=True)]
    found = [
        regions_of_class.detection(number, name, geometry.original, pitch_mm)
        for name, regions_of_class in zip(classes, each, strict=True)
        for number in regions_of_class.order
    ]
    return Detections(
        found=tuple(found),
        regions=np.stack([regions_of_class.is_detection[regions_of_class.labels] for regions_of_class in each]),
        scores=np.array([regions_of_class.score for regions_of_class in each], np.float32),
        dropped=sum(regions_of_class.dropped for regions_of_class in each),
    )


def _on_the_film(move: Affine, shape: tuple[int, int], original: tuple[int, int]) -> Mask:
    """(h, w): whether the centre of a map's pixel lies on the original image."""
    rows, columns = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1])[None, :] + 0.5
    x = move.xx * columns + move.xy * rows + move.x0
    y = move.yx * columns + move.yy * rows + move.y0
    return np.asarray((x >= 0) & (x <= original[1]) & (y >= 0) & (y <= original[0]))


class _ClassRegions:
    """The regions of one class. Arrays over regions begin with the ground, number 0, which is never kept.

    kept: regions that count. score: the largest probability outside of what was dropped.
    """

    def __init__(
        self, values: NDArray[np.float32], inside: Mask, move: Affine, rule: DetectionRule, limit: float, least: float
    ) -> None:
        self.move = move
        above = inside & (values >= min(rule.extent, limit))
        drawn = _opened(above, rule.opening)
        self.labels, self.stats, self.centroids = _components(drawn)
        self.areas = self.stats[:, -1] * abs(move.xx * move.yy - move.xy * move.yx)
        self.peaks, self.means = _peaks_and_means(values, self.labels, drawn, len(self.areas))
        large = self.areas >= least
        large[0] = False
        self.is_detection: Mask = large & (self.peaks >= limit)
        remaining = inside & (~above | large[self.labels])
        self.score = float(values[remaining].max(initial=0.0))
        self.dropped = int((~large[1:]).sum()) + (_taken_whole(above, drawn) if rule.opening else 0)

    @property
    def order(self) -> list[int]:
        """Numbers of the regions that count, the largest peak first."""
        return sorted(np.flatnonzero(self.is_detection).tolist(), key=lambda number: -self.peaks[number])

    def detection(self, number: int, name: str, original: tuple[int, int], pitch_mm: float | None) -> Detection:
        left, top, width, height = (float(value) for value in self.stats[number, :4])
        across, down = (left, left + width), (top, top + height)
        corners = np.array([self.move(x, y) for x in across for y in down])
        low, high = np.maximum(corners.min(axis=0), 0), np.minimum(corners.max(axis=0), original[::-1])
        middle = self.move(*(float(value) + 0.5 for value in self.centroids[number]))
        area = float(self.areas[number])
        return Detection(
            class_name=name,
            area_px=area,
            area_mm2=None if pitch_mm is None else area * pitch_mm**2,
            centre=middle,
            box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
            peak=float(self.peaks[number]),
            mean=float(self.means[number]),
        )


def _components(drawn: Mask) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Labels (h, w), then for the ground and each region (left, top, width, height, pixels), and middles (x, y)."""
    import cv2

    _, labels, stats, centroids = cv2.connectedComponentsWithStats(drawn.astype(np.uint8), connectivity=8)
    return np.asarray(labels, np.int32), np.asarray(stats, np.int32), np.asarray(centroids, np.float64)


def _opened(drawn: Mask, radius: int) -> Mask:
    """The mask without what no disc of the radius fits into; the frame of the map takes nothing away."""
    if not radius:
        return drawn
    import cv2

    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.morphologyEx(drawn.astype(np.uint8), cv2.MORPH_OPEN, disc), np.bool_)


def _taken_whole(above: Mask, drawn: Mask) -> int:
    """Regions of ``above`` of which ``drawn`` holds no pixel."""
    labels, stats, _ = _components(above)
    return len(stats) - 1 - len(np.unique(labels[drawn]))


def _peaks_and_means(
    values: NDArray[np.float32], labels: NDArray[np.int32], drawn: Mask, count: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Largest and mean value of each region, float64 (count,); 0 for the ground."""
    numbers, chosen = labels[drawn], values[drawn].astype(np.float64)
    peaks = np.zeros(count)
    np.maximum.at(peaks, numbers, chosen)
    pixels = np.bincount(numbers, minlength=count)
    return peaks, np.bincount(numbers, weights=chosen, minlength=count) / np.maximum(pixels, 1)
