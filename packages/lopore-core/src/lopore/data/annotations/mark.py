"""What a person marked on an image, whatever file it came from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RunLengths(_Part):
    """A mask as COCO's run lengths: counts of 0 and 1 in turn, 0 first, down the columns of an image of ``size``."""

    size: tuple[int, int]
    counts: tuple[int, ...]

    @model_validator(mode="after")
    def _covers_the_image(self) -> RunLengths:
        if min(self.counts, default=0) < 0 or sum(self.counts) != self.size[0] * self.size[1]:
            raise ValueError(f"run lengths add up to {sum(self.counts)}, not to {self.size[0]} x {self.size[1]} pixels")
        return self


class Mark(_Part):
    """One mark. Places are pixels of the image as (x, y), (0, 0) its outer corner.

    kind: what was drawn. A box alone is weak: it says where a defect lies, not which pixels are defective. polygons:
    rings, one or more for a mark of several parts; of a line its points. box: (left, top, right, bottom), always there.
    """

    class_name: str = Field(min_length=1, max_length=200)
    kind: Literal["box", "polygon", "line", "mask"]
    box: Box
    polygons: tuple[tuple[Point, ...], ...] = ()
    runs: RunLengths | None = None
    who: str = ""
    when: str = ""
    note: str = ""
    ignore: bool = False
    """The place is not to be judged (COCO: iscrowd; VOC and LabelMe: difficult)."""

    @property
    def weak(self) -> bool:
        """Only a box is known."""
        return self.kind == "box"


class AnnotatedImage(_Part):
    """One image and its marks. file: relative, POSIX. looked_at: boxes outside of which nothing is known; None: all."""

    file: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    marks: tuple[Mark, ...] = ()
    looked_at: tuple[Box, ...] | None = None


class AnnotationSet(_Part):
    """Images with marks. classes: in the order of their numbers. notes: what a person should know of the source."""

    classes: tuple[str, ...]
    images: tuple[AnnotatedImage, ...]
    notes: tuple[str, ...] = ()

    @property
    def mark_count(self) -> int:
        """All marks of all images."""
        return sum(len(image.marks) for image in self.images)


def box_of(points: tuple[Point, ...]) -> Box:
    """The smallest box around points; ValueError for none."""
    across, down = zip(*points, strict=True)
    return (min(across), min(down), max(across), max(down))
