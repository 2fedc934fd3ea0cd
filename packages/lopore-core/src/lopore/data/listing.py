"""Images as a folder or a CSV names them, before anything of them is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image as a folder or CSV names it; fields as in a manifest's Row."""

    path: str
    labels: tuple[str, ...] = ()
    group: str = ""
    split: str = ""
    fold: int | None = None
    mask: tuple[str, ...] = ()
    mm_per_pixel: float | None = None


@dataclass(frozen=True)
class Listing:
    """Entries with paths from ``root``.

    notes: for a person. problems: (path, what is wrong) of files that are passed over. faults: (path, what is wrong)
    where names and disk disagree (missing files, empty class folders), which forbid indexing until they are mended.
    """

    root: Path
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
