"""Names of classes: which one is the sound class, which are usable, which are alike."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lopore.errors import DataError
from lopore.messages import CONTROL_SIGNS, plain

from .name_forms import nfc

MAX_LABEL = 100
NO_DEFECT = "no_defect"
SOUND_NAMES = frozenset(
    {"ok", "good", "normal", "sound", "no_defect", "no_defects", "nodefect", "defect_free", "defectfree", "free"}
    | {"non_defective", "nodifetto", "no_difetto", "negative", "none"}
)
_MAYBE_SOUND = frozenset(
    {
        "accept", "acceptable", "accepted", "background", "base", "bg", "bon", "buono", "clean", "clear",
        "conform", "conforme", "conforming", "defectless", "fault_free", "faultless", "fehlerfrei", "flaw_free",
        "flawless", "golden", "gut", "healthy", "hege", "heilt", "i_o", "in_ordnung", "intact", "io", "n_d",
        "nd", "no_anomaly", "no_def", "no_flaw", "no_flaws", "no_indication", "nodef", "nothing", "ok_back",
        "ok_front", "pass", "passed", "perfect", "qualified", "reference", "regular", "sain", "sano",
        "sem_defeito", "sin_defecto", "sin_defectos", "standard", "without_defect", "without_defects", "zero",
    }
)  # fmt: skip
_SOUND_WORDS = frozenset({"ok", "good", "normal", "sound", "gut", "nodefect", "clean", "passed", "fehlerfrei", "free"})


def is_sound(label: str) -> bool:
    """Whether a label names the defect-free class (``ok``, ``no_defect``, ``Good``, ``sound weld`` and the like)."""
    words = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")
    return words in SOUND_NAMES or words.removesuffix("_weld") in SOUND_NAMES


def words_of(name: str) -> str:
    """A name in small letters, its words joined by ``_``."""
    return re.sub(r"[^\w]+", "_", nfc(name).casefold()).strip("_")


def maybe_sound(names: Iterable[str]) -> list[str]:
    """Of a set without a sound class, the names that may mean one (``ND``, ``ok_front``, ``gut``), sorted.

    They are proposed to a person and never taken without a word.
    """
    found = sorted(set(names))
    if any(is_sound(name) for name in found):
        return []
    return [name for name in found if words_of(name) in _MAYBE_SOUND or _SOUND_WORDS & set(words_of(name).split("_"))]


def clean_label(text: str, *, where: str) -> str:
    """A class name as it is kept: composed letters, blanks at the ends off.

    Raises DataError where it holds '|' or control characters, or is too long.
    """
    label = nfc(text.strip())
    if not label or len(label) > MAX_LABEL or "|" in label or CONTROL_SIGNS.search(label) or not is_utf8(label):
        raise DataError(
            f"{where}: class name {plain(text, 60)!r} is not usable; "
            f"1 to {MAX_LABEL} visible characters without '|' are, rename it"
        )
    return label


def is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
