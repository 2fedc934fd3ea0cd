"""Folders inside class folders: they name nothing, and where they look like classes or splits it is said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lopore.messages import plain

from .mask_pairs import SPLIT_FOLDERS


def remarks_on_inner_folders(folders: Sequence[Sequence[str]]) -> list[str]:
    """Notes on what lies below the class folders.

    folders: for each image the folders it lies in, the class folder first; none where it lies in no class folder.
    """
    inner: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for parts in folders:
        if parts:
            inner[parts[0]].add(tuple(parts[1:]))
    names = {name: _branches(below) for name, below in inner.items()}
    if splits := sorted({one for found in names.values() for one in found if one.lower() in SPLIT_FOLDERS}):
        where = f"{_listed(splits)} {'lie' if len(splits) > 1 else 'lies'} inside {_listed(sorted(inner))}"
        return [f"{where}: taken for no split; put splits above the classes, or index each folder that holds them"]
    shared = sorted(set.intersection(*names.values())) if names else []
    if len(shared) < 2:
        return []
    role = "which are the classes" if len(inner) > 1 else "which is the one class"
    where = f"{_listed(shared)} lie inside {_listed(sorted(inner))}, {role}"
    return [f"{where}; if the inner folders are the classes, index the folder that holds them, or a CSV of labels"]


def _branches(below: set[tuple[str, ...]]) -> set[str]:
    """The folder names of the first level below a class at which there are several, or a split."""
    deeper = {parts for parts in below if parts}
    while deeper:
        names = {parts[0] for parts in deeper}
        if len(names) > 1 or names & SPLIT_FOLDERS.keys():
            return names
        deeper = {parts[1:] for parts in deeper if len(parts) > 1}
    return set()


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(plain(name, 40) for name in names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
