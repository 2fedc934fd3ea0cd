"""Moves of the plane: how pixels travel through enhancements, resizing and back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Affine:
    """Where pixels move: ``x' = xx*x + xy*y + x0`` and ``y' = yx*x + yy*y + y0``.

    Coordinates are continuous, in pixels, (0, 0) the outer corner of the first pixel and (0.5, 0.5) its centre.
    """

    xx: float = 1.0
    xy: float = 0.0
    x0: float = 0.0
    yx: float = 0.0
    yy: float = 1.0
    y0: float = 0.0

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        """The place that point (x, y) moves to."""
        return self.xx * x + self.xy * y + self.x0, self.yx * x + self.yy * y + self.y0

    def then(self, after: Affine) -> Affine:
        """This move followed by ``after``."""
        return Affine(
            after.xx * self.xx + after.xy * self.yx,
            after.xx * self.xy + after.xy * self.yy,
            after.xx * self.x0 + after.xy * self.y0 + after.x0,
            after.yx * self.xx + after.yy * self.yx,
            after.yx * self.xy + after.yy * self.yy,
            after.yx * self.x0 + after.yy * self.y0 + after.y0,
        )

    def inverse(self) -> Affine:
        """The move back; ValueError where the move flattens the plane."""
        determinant = self.xx * self.yy - self.xy * self.yx
        if determinant == 0:
            raise ValueError(f"{self} cannot be undone: it flattens the plane")
        xx, xy = self.yy / determinant, -self.xy / determinant
        yx, yy = -self.yx / determinant, self.xx / determinant
        return Affine(xx, xy, -(xx * self.x0 + xy * self.y0), yx, yy, -(yx * self.x0 + yy * self.y0))
