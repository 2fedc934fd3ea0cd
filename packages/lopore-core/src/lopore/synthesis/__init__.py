"""Physics-made weld radiographs with known truth: so that everything runs, and is tested, without a download.

``sample_film("pore", seed=1)`` makes one film, ``write_dataset(folder)`` a labelled data set, and ``make_film`` one
film from your own ``FilmSpec`` and ``Flaw``s.
"""

from .dataset import DEFAULT_COUNTS, write_dataset
from .film import make_film
from .flaws import draw_flaws
from .physics import (
    density_of,
    flaw_contrast,
    intensity_of,
    iron_attenuation_per_mm,
    lead_attenuation_per_mm,
    wire_diameter_mm,
)
from .sampling import sample_film, sample_spec
from .spec import ISO_6520_NUMBERS, MASK_CLASSES, NO_DEFECT, FilmSpec, Flaw, FlawTruth, Markings, Seam, SyntheticFilm

__all__ = [
    "DEFAULT_COUNTS",
    "ISO_6520_NUMBERS",
    "MASK_CLASSES",
    "NO_DEFECT",
    "FilmSpec",
    "Flaw",
    "FlawTruth",
    "Markings",
    "Seam",
    "SyntheticFilm",
    "density_of",
    "draw_flaws",
    "flaw_contrast",
    "intensity_of",
    "iron_attenuation_per_mm",
    "lead_attenuation_per_mm",
    "make_film",
    "sample_film",
    "sample_spec",
    "wire_diameter_mm",
    "write_dataset",
]
