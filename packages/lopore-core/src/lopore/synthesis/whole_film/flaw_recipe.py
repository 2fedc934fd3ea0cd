"""Which imperfections lie in a weld: each with its usual shape and place, from plain to what a reader can just see.

Numbers and names are those of ISO 6520-1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lopore.synthesis.flaws import place_on_seam, seam_angle
from lopore.synthesis.spec import FilmSpec, Flaw, FlawKind

from .recipe import spread
from .visibility import Visibility

SEEN = 7.0
"""Detectability below which nothing is to be found; the Rose criterion is 5, for a reader who knows the place."""
_PLAIN = 2000.0


@dataclass(frozen=True)
class Scene:
    """A weld, its exposure, and the chance that lays flaws into it."""

    spec: FilmSpec
    visibility: Visibility
    rng: np.random.Generator

    @property
    def half_mm(self) -> float:
        """Half the length of seam in the image."""
        return self.spec.size[1] * self.spec.pixel_pitch_mm / 2

    def anywhere(self, margin_mm: float = 0.0) -> float:
        """A place along the seam."""
        half = max(self.half_mm - margin_mm, 1.0)
        return float(self.spec.start_mm + self.rng.uniform(-half, half))

    def at(self, along: float, share: float) -> tuple[float, float]:
        """A place in mm; share: across, in half widths of the cap."""
        return place_on_seam(self.spec, along, share)

    def seed(self) -> int:
        return int(self.rng.integers(2**31))

    def target(self) -> float:
        """How well the next flaw is to be seen."""
        return spread(self.rng, 1.1 * SEEN, _PLAIN)

    def deepened(self, flaw: Flaw, target: float, most_mm: float) -> Flaw:
        """The flaw with the depth at which it is seen so well, at most ``most_mm``."""
        length, width, depth = flaw.size_mm
        for _ in range(3):
            depth *= target / max(self.visibility.detectability(replace(flaw, size_mm=(length, width, depth))), 1e-6)
            depth = min(max(depth, 1e-4), most_mm)
        return replace(flaw, size_mm=(length, width, depth))

    def pore(self, along: float, share: float, diameter: float, number: str = "2011") -> Flaw:
        """A cavity about as deep as it is wide, grown until it can be seen."""
        rng, thickest = self.rng, 0.8 * self.spec.plate_thickness_mm
        stretch, flat, least = rng.uniform(0.7, 1.0), rng.uniform(0.5, 1.0), spread(rng, 1.2 * SEEN, 60.0)
        flaw = Flaw(kind="pore", centre_mm=self.at(along, share), size_mm=(diameter, diameter * stretch, diameter),
                    angle_deg=rng.uniform(0, 180), number=number)  # fmt: skip
        for _ in range(12):
            flaw = replace(flaw, size_mm=(diameter, diameter * stretch, min(diameter * flat, thickest)))
            if self.visibility.detectability(flaw) >= least or diameter > 3.0:
                break
            diameter *= 1.25
        return flaw


def draw_film_flaws(spec: FilmSpec, rng: np.random.Generator) -> tuple[Flaw, ...]:
    """One to five kinds of imperfection somewhere along the seam."""
    scene = Scene(spec, Visibility.of(spec), rng)
    names = list(_STORIES)
    weights = np.array([_STORIES[name][1] for name in names])
    count = int(rng.choice([1, 2, 3, 4, 5], p=[0.2, 0.25, 0.25, 0.2, 0.1]))
    chosen = rng.choice(len(names), size=count, replace=False, p=weights / weights.sum())
    return tuple(flaw for story in chosen for flaw in _STORIES[names[story]][0](scene))


def _share(rng: np.random.Generator, widest: float = 0.8) -> float:
    return float(np.clip(rng.normal(0, 0.4), -widest, widest))


def _single_pores(scene: Scene) -> list[Flaw]:
    rng, number = scene.rng, "2017" if scene.rng.random() < 0.2 else "2011"
    return [
        scene.pore(scene.anywhere(), _share(rng), spread(rng, 0.3, 5.0), number) for _ in range(int(rng.integers(1, 9)))
    ]


def _cluster(scene: Scene) -> list[Flaw]:
    rng, middle, share = scene.rng, scene.anywhere(5), _share(scene.rng, 0.6)
    length, broad, largest = spread(rng, 1.5, 15.0), spread(rng, 0.06, 0.4), spread(rng, 0.4, 1.8)
    return [
        scene.pore(middle + rng.normal(0, length / 2), float(np.clip(share + rng.normal(0, broad), -0.9, 0.9)),
                   largest * rng.uniform(0.3, 1.0), "2013")
        for _ in range(int(rng.integers(6, 40)))
    ]  # fmt: skip


def _linear_pores(scene: Scene) -> list[Flaw]:
    rng, position, share = scene.rng, scene.anywhere(), _share(scene.rng, 0.6)
    spacing, largest = spread(rng, 0.8, 8.0), spread(rng, 0.3, 1.8)
    pores = []
    for _ in range(int(rng.integers(3, 16))):
        pores.append(scene.pore(position, share + rng.normal(0, 0.015), largest * rng.uniform(0.3, 1.0), "2014"))
        position += spacing * rng.uniform(0.4, 1.8)
    return pores


def _uniform_pores(scene: Scene) -> list[Flaw]:
    rng = scene.rng
    middle, half, largest = scene.anywhere(), spread(rng, 8, 60), spread(rng, 0.3, 1.4)
    return [
        scene.pore(middle + rng.uniform(-half, half), rng.uniform(-0.75, 0.75), largest * rng.uniform(0.4, 1.0), "2012")
        for _ in range(int(rng.integers(8, 50)))
    ]


def _long_cavities(scene: Scene, number: str, tilt: Callable[[], float]) -> list[Flaw]:
    rng, found = scene.rng, []
    middle, half = scene.anywhere(), spread(rng, 3, 50)
    for _ in range(int(rng.integers(1, 14))):
        along, width = middle + rng.uniform(-half, half), spread(rng, 0.25, 1.2)
        size = (width * rng.uniform(2, 5), width, width)
        flaw = Flaw(kind="pore", centre_mm=scene.at(along, _share(rng, 0.75)), size_mm=size,
                    angle_deg=seam_angle(scene.spec, along) + tilt(), number=number)  # fmt: skip
        found.append(scene.deepened(flaw, scene.target(), min(width, 0.6 * scene.spec.plate_thickness_mm)))
    return found


def _elongated(scene: Scene) -> list[Flaw]:
    return _long_cavities(scene, "2015", lambda: scene.rng.normal(0, 6))


def _wormholes(scene: Scene) -> list[Flaw]:
    lean = scene.rng.uniform(30, 90)
    return _long_cavities(scene, "2016", lambda: float(scene.rng.choice([-1, 1])) * lean + scene.rng.normal(0, 8))


def _line(scene: Scene, kind: FlawKind, number: str, share: float, width: float, pieces: tuple[float, float],
          most_mm: float, *, wander: float = 0.0, spared: float | None = None) -> list[Flaw]:  # fmt: skip
    """A line along the seam in pieces of ``pieces`` mm; spared: share of its length that is sound."""
    rng, found = scene.rng, []
    spared = (0.0 if rng.random() < 0.4 else rng.uniform(0.1, 0.7)) if spared is None else spared
    length = spread(rng, 4.0, 2.2 * scene.half_mm)
    position, target = scene.anywhere() - length / 2, scene.target()
    end = position + length
    while position < end:
        piece = spread(rng, *pieces)
        size = (piece + (0.4 if spared == 0 else 0.0), width * rng.uniform(0.7, 1.3), 0.5)
        middle = position + piece / 2
        if abs(middle - scene.spec.start_mm) < scene.half_mm + piece:
            flaw = Flaw(kind=kind, centre_mm=scene.at(middle, share + rng.normal(0, wander)), size_mm=size,
                        angle_deg=seam_angle(scene.spec, middle), shape_seed=scene.seed(), number=number)  # fmt: skip
            found.append(scene.deepened(flaw, target * rng.uniform(0.7, 1.4), most_mm))
        position += piece + piece * rng.uniform(0.5, 1.5) * spared / (1 - spared)
    return found


def _lack_of_penetration(scene: Scene) -> list[Flaw]:
    spec, rng = scene.spec, scene.rng
    share, width = spec.seam.root_offset + rng.normal(0, 0.03), spread(rng, 0.15, 1.6)
    return _line(scene, "lack_of_penetration", "402", share, width, (1.5, 14.0), 0.4 * spec.plate_thickness_mm)


def _lack_of_fusion(scene: Scene) -> list[Flaw]:
    spec, rng = scene.spec, scene.rng
    number = str(rng.choice(["4011", "4012", "4013"], p=[0.6, 0.15, 0.25]))
    share = {
        "4011": rng.choice([-1, 1]) * rng.uniform(0.4, 0.9),
        "4012": rng.uniform(-0.4, 0.4),
        "4013": spec.seam.root_offset + rng.choice([-1, 1]) * 0.6 * spec.seam.root_share,
    }[number]
    width = spread(rng, 0.15, 1.2)
    return _line(scene, "lack_of_fusion", number, float(share), width, (1.0, 12.0), 0.3 * spec.plate_thickness_mm,
                 wander=0.01)  # fmt: skip


def _long_crack(scene: Scene) -> list[Flaw]:
    share = float(np.clip(scene.rng.normal(0, 0.25), -0.95, 0.95))
    width, spared = spread(scene.rng, 0.1, 1.6), 0.0 if scene.rng.random() < 0.7 else 0.3
    return _line(scene, "crack", "1011", share, width, (5.0, 30.0), 0.5 * scene.spec.plate_thickness_mm, wander=0.015,
                 spared=spared)  # fmt: skip


def _cross_cracks(scene: Scene) -> list[Flaw]:
    rng, spec = scene.rng, scene.spec
    middle, half, found = scene.anywhere(), spread(rng, 2, 25), []
    for _ in range(int(rng.integers(1, 8))):
        size = (spec.seam.width_mm * rng.uniform(0.15, 0.8), spread(rng, 0.08, 0.3), 0.5)
        along = middle + rng.uniform(-half, half)
        flaw = Flaw(kind="crack", centre_mm=scene.at(along, _share(rng, 0.4)), size_mm=size,
                    angle_deg=90 + rng.normal(0, 15), shape_seed=scene.seed(), number="1021")  # fmt: skip
        found.append(scene.deepened(flaw, scene.target(), 0.5 * spec.plate_thickness_mm))
    return found


def _crater_cracks(scene: Scene) -> list[Flaw]:
    rng, along, found = scene.rng, scene.anywhere(), []
    position, target = scene.at(along, rng.normal(0, 0.1)), scene.target()
    for _ in range(int(rng.integers(2, 5))):
        flaw = Flaw(kind="crack", centre_mm=position, size_mm=(rng.uniform(1.5, 5.0), rng.uniform(0.1, 0.3), 0.5),
                    angle_deg=rng.uniform(0, 180), shape_seed=scene.seed(), number="104")  # fmt: skip
        found.append(scene.deepened(flaw, target, 0.4 * scene.spec.plate_thickness_mm))
    return found


def _slag_line(scene: Scene) -> list[Flaw]:
    rng, spec = scene.rng, scene.spec
    share, width = rng.choice([-1, 1]) * rng.uniform(0.2, 0.8), spread(rng, 0.3, 1.4)
    found = _line(
        scene, "slag_inclusion", "3011", share, width, (1.5, 12.0), 0.3 * spec.plate_thickness_mm, wander=0.02
    )
    if rng.random() < 0.25:  # wagon tracks
        twins = [
            replace(flaw, centre_mm=scene.at(flaw.centre_mm[0], -share), shape_seed=scene.seed()) for flaw in found
        ]
        found += [twin for twin in twins if rng.random() < 0.8]
    return found


def _slag_lumps(scene: Scene) -> list[Flaw]:
    rng, spec = scene.rng, scene.spec
    middle, half, found = scene.anywhere(), spread(rng, 2, 60), []
    number = str(rng.choice(["3012", "3013", "303"], p=[0.5, 0.3, 0.2]))
    for _ in range(int(rng.integers(1, 8))):
        length = spread(rng, 0.6, 6.0)
        flaw = Flaw(kind="slag_inclusion", centre_mm=scene.at(middle + rng.uniform(-half, half), _share(rng, 0.75)),
                    size_mm=(length, length * rng.uniform(0.2, 0.9), 0.5), angle_deg=rng.normal(0, 35),
                    shape_seed=scene.seed(), number=number)  # fmt: skip
        found.append(scene.deepened(flaw, scene.target(), 0.3 * spec.plate_thickness_mm))
    return found


def _tungsten(scene: Scene) -> list[Flaw]:
    """Splinters and drops of the electrode: about as deep as wide, so that even small ones stop most of the beam."""
    rng, found = scene.rng, []
    middle, half = scene.anywhere(), spread(rng, 3, 120)
    for _ in range(int(rng.integers(1, 14))):
        size, along = spread(rng, 0.12, 1.6), middle + rng.uniform(-half, half)
        wide, deep = size * rng.uniform(0.4, 1.0), size * rng.uniform(0.4, 1.0)
        found.append(Flaw(kind="tungsten_inclusion", centre_mm=scene.at(along, _share(rng)), number="3041",
                          angle_deg=rng.uniform(0, 180), size_mm=(size, wide, deep)))  # fmt: skip
    return found


def _undercut(scene: Scene) -> list[Flaw]:
    rng, spec = scene.rng, scene.spec
    root = rng.random() < 0.2
    share = rng.choice([-1, 1]) * (spec.seam.root_share if root else 1.0) * rng.uniform(0.93, 1.05)
    spared = 0.0 if rng.random() < 0.5 else 0.4
    number = "5013" if root else "5011" if spared == 0.0 else "5012"
    return _line(scene, "undercut", number, float(share), spread(rng, 0.3, 2.0), (1.5, 15.0),
                 0.35 * spec.plate_thickness_mm, wander=0.01, spared=spared)  # fmt: skip


def _root_shape(kind: FlawKind, number: str) -> Callable[[Scene], list[Flaw]]:
    def draw(scene: Scene) -> list[Flaw]:
        spec, rng = scene.spec, scene.rng
        width = float(np.clip(spec.seam.root_share * spec.seam.width_mm * rng.uniform(0.4, 1.0), 0.8, 5.0))
        return _line(scene, kind, number, spec.seam.root_offset, width, (2.0, 12.0), 0.15 * spec.plate_thickness_mm,
                     spared=0.5)  # fmt: skip

    return draw


_STORIES: dict[str, tuple[Callable[[Scene], list[Flaw]], float]] = {
    "2011, 2017": (_single_pores, 3.0),
    "2012": (_uniform_pores, 0.8),
    "2013": (_cluster, 1.5),
    "2014": (_linear_pores, 1.5),
    "2015": (_elongated, 1.0),
    "2016": (_wormholes, 1.0),
    "1011": (_long_crack, 1.6),
    "1021": (_cross_cracks, 0.8),
    "104": (_crater_cracks, 0.4),
    "3011": (_slag_line, 1.2),
    "3012, 3013, 303": (_slag_lumps, 1.0),
    "3041": (_tungsten, 1.6),
    "4011 to 4013": (_lack_of_fusion, 1.6),
    "402": (_lack_of_penetration, 1.6),
    "5011 to 5013": (_undercut, 0.9),
    "504": (_root_shape("excess_penetration", "504"), 0.4),
    "515": (_root_shape("root_concavity", "515"), 0.4),
}
"""What is drawn, by the numbers of ISO 6520-1, and how often."""

DRAWN_NUMBERS = frozenset(
    {"2011", "2012", "2013", "2014", "2015", "2016", "2017", "1011", "1021", "104", "3011", "3012", "3013", "303",
     "3041", "4011", "4012", "4013", "402", "5011", "5012", "5013", "504", "515"}
)  # fmt: skip
"""Every number of ISO 6520-1 that a made film may carry."""
