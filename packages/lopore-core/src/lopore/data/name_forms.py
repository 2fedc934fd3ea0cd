"""One name in several spellings: composed and decomposed letters, case, blanks, and the same file on another disk."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath


def nfc(text: str) -> str:
    """The composed spelling: a Mac writes ``é`` as two signs, a table of another machine as one."""
    return unicodedata.normalize("NFC", text)


def near_form(name: str) -> str:
    """What is left of a class name when case, blanks, ``_`` and ``-`` are no difference."""
    return re.sub(r"[\s_\-.]+", "", nfc(name).casefold())


def near_equal(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Names that differ by case, blanks, ``_`` or ``-`` alone, sorted, each group of them once."""
    groups: dict[str, set[str]] = {}
    for name in names:
        groups.setdefault(near_form(name), set()).add(name)
    return sorted(tuple(sorted(found)) for found in groups.values() if len(found) > 1)


def on_disk(root: Path, path: str) -> str | None:
    """The spelling of ``path`` (POSIX, from ``root``) that the disk holds, or None where no such file is there.

    Every part may be composed or decomposed; where both are there, the given spelling wins.
    """
    if (root / path).exists():
        return path
    if path.isascii():
        return None
    here, found = root, []
    for part in PurePosixPath(path).parts:
        spelt = part if (here / part).exists() else _spellings(here).get(nfc(part))
        if spelt is None:
            return None
        found.append(spelt)
        here = here / spelt
    return "/".join(found)


@lru_cache(maxsize=4096)
def _spellings(folder: Path) -> dict[str, str]:
    """Composed name -> name on disk, of the entries of a folder that are not composed."""
    try:
        return {nfc(item.name): item.name for item in folder.iterdir() if item.name != nfc(item.name)}
    except OSError:
        return {}
