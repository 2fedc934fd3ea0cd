"""An indication: a mark on a film that a person must judge, with its place and size in pixels and in mm."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Indication(BaseModel):
    """One connected mark.

    Places are pixels of the film as (x, y), (0, 0) its outer corner and (0.5, 0.5) the centre of its first pixel.
    iso_6520: number of the imperfection by ISO 6520-1, None for a class without one. peak, mean: largest and mean
    probability of any class of the model, where its classes exclude each other, else of the mark's own. class_share:
    what part of the probability in the mark is that of its class; the rest speaks for others. box: (left, top, right,
    bottom). length: largest Feret diameter. width: smallest Feret diameter. diameter: of the circle of equal area.
    orientation_deg: of the length, 0 along the film's rows, counter-clockwise, in (-90, 90]. nearest_id: the indication
    nearest by its edge, at ``distance``; None for the only one. group_id: the cluster or line that it belongs to.
    position_mm: of the centre, from the film's left and top edge.
    mm are None where the film's pitch is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    class_name: str
    iso_6520: str | None = None
    peak: float
    mean: float
    class_share: float = 1.0
    centre: Point
    box: Box
    contour: tuple[Point, ...]
    area_px: float
    length_px: float
    width_px: float
    diameter_px: float
    orientation_deg: float
    touches_edge: bool = False
    nearest_id: int | None = None
    distance_px: float | None = None
    group_id: int | None = None
    area_mm2: float | None = None
    length_mm: float | None = None
    width_mm: float | None = None
    diameter_mm: float | None = None
    distance_mm: float | None = None
    position_mm: Point | None = None

    def in_mm(self, pitch_mm: float | None) -> Indication:
        """The same indication with its sizes in mm; with none where ``pitch_mm`` is None."""

        def scaled(value: float | None, power: int = 1) -> float | None:
            return None if value is None or pitch_mm is None else round(value * pitch_mm**power, 4)

        in_mm = None if pitch_mm is None else (round(self.centre[0] * pitch_mm, 3), round(self.centre[1] * pitch_mm, 3))
        return self.model_copy(
            update={
                "area_mm2": scaled(self.area_px, 2),
                "length_mm": scaled(self.length_px),
                "width_mm": scaled(self.width_px),
                "diameter_mm": scaled(self.diameter_px),
                "distance_mm": scaled(self.distance_px),
                "position_mm": in_mm,
            }
        )


class SetAside(BaseModel):
    """A mark that was found and is not an indication, with the reason; it stays in the record.

    by_reader: a person rejected it, and its number is that of the reading.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    indication: Indication
    reason: str
    by_reader: bool = False


class Group(BaseModel):
    """Indications of one class that lie close together, by the rule in ``rule``.

    kind: "line" where the members follow a straight line, else "cluster". length, width: of all members together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    kind: str
    class_name: str
    iso_6520: str | None = None
    members: tuple[int, ...]
    box: Box
    length_px: float
    width_px: float
    area_px: float
    length_mm: float | None = None
    width_mm: float | None = None
    area_mm2: float | None = None
    rule: str
