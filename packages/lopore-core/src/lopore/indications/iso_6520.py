"""Numbers of imperfections by ISO 6520-1 for the names that classes usually bear.

Only numbers are given, no text of the standard. A name that is not known has no number; a user's own map comes first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

CLUSTERED, LINEAR = "2013", "2014"
_NUMBERS = {
    "crack": "100", "cracks": "100",
    "pore": "2011", "pores": "2011", "porosity": "2011", "gas_pore": "2011", "gas_pores": "2011",
    "uniform_porosity": "2012",
    "clustered_porosity": CLUSTERED, "cluster": CLUSTERED,
    "linear_porosity": LINEAR,
    "elongated_cavity": "2015", "elongated_pore": "2015",
    "wormhole": "2016", "worm_hole": "2016",
    "surface_pore": "2017",
    "slag": "301", "slag_inclusion": "301",
    "oxide": "303", "oxide_inclusion": "303",
    "metallic_inclusion": "304", "tungsten": "304", "tungsten_inclusion": "304",
    "lack_of_fusion": "401", "lof": "401",
    "lack_of_penetration": "402", "lop": "402",
    "incomplete_root_penetration": "4021",
}  # fmt: skip
_PORES = {"2011", "2012", CLUSTERED, LINEAR, "2015", "2016", "2017"}


def iso_6520_number(class_name: str, own: Mapping[str, str] | None = None) -> str | None:
    """The number of a class: the user's, else that of its usual name, a number as a name itself, or None."""
    if own and class_name in own:
        return own[class_name]
    plain = re.sub(r"[^a-z0-9]+", "_", class_name.casefold()).strip("_")
    return plain if re.fullmatch(r"[1-6]\d{2,3}", plain) else _NUMBERS.get(plain)


def is_pore(class_name: str, own: Mapping[str, str] | None = None) -> bool:
    """Whether a class is a kind of pore, so that a group of it is clustered (2013) or linear (2014) porosity."""
    return iso_6520_number(class_name, own) in _PORES


def known_numbers(own: Mapping[str, str] | None = None) -> frozenset[str]:
    """Every number that a usual class name or the user's map leads to."""
    return frozenset(_NUMBERS.values()) | frozenset((own or {}).values())


def usual_name(number: str) -> str | None:
    """The usual class name of a number, such as ``lack of penetration``; None for one that is not listed."""
    return next((name.replace("_", " ") for name, own in _NUMBERS.items() if own == number), None)
