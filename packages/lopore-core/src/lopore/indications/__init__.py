"""From a film's map to marks with place and size, and to a verdict by a user's rules.

``inspect_film`` does the whole; ``decide_on_map`` decides anew on a map that is there.
"""

from .acceptance import FilmMarks, RuleResult, Verdict, apply_profile
from .acceptance_profile import Profile, Rule, parse_profile, read_profile
from .film_inspection import FilmInspection
from .indication import Group, Indication, SetAside
from .inspect_film import decide_on_map, inspect_film
from .options import Excluded, InspectionOptions

__all__ = [
    "Excluded",
    "FilmInspection",
    "FilmMarks",
    "Group",
    "Indication",
    "InspectionOptions",
    "Profile",
    "Rule",
    "RuleResult",
    "SetAside",
    "Verdict",
    "apply_profile",
    "decide_on_map",
    "inspect_film",
    "parse_profile",
    "read_profile",
]
