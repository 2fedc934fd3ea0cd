"""Models that come as packages: entry-point group ``lopore.models``, each entry a folder of models.

    [project.entry-points."lopore.models"]
    weld = "lopore_weld:MODELS"

``MODELS`` is the ``pathlib.Path`` of a folder that holds a model folder, or of the model folder itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from lopore.messages import plain
from lopore.plugins.entry_points import blocked_names, distribution_name, load_entry, source_of
from lopore.record.folder import BrokenModel

GROUP = "lopore.models"


def installed_roots() -> Iterator[Path | BrokenModel]:
    """The folder of every installed package of models, sorted by name, and what is wrong with one that has none.

    Packages that ``LOPORE_BLOCK`` names are left out.
    """
    blocked = blocked_names()
    for entry in sorted(_entries(), key=lambda entry: (distribution_name(entry), entry.name)):
        if distribution_name(entry) not in blocked:
            yield _root_of(entry)


def _entries() -> list[EntryPoint]:
    try:
        return list(entry_points(group=GROUP))
    except Exception:  # a garbled list of some distribution; `lopore plugins` names it
        return []


def _root_of(entry: EntryPoint) -> Path | BrokenModel:
    try:
        root = load_entry(entry)
    except Exception as error:  # a stranger's module may raise anything
        reason = f"{source_of(entry)} cannot be imported ({plain(str(error), 200)}); reinstall it"
        return BrokenModel(Path(entry.value), reason)
    if not isinstance(root, Path) or not root.is_dir():
        reason = f"{source_of(entry)} names {plain(str(root), 200)} as its models, which is no folder; reinstall it"
        return BrokenModel(Path(entry.value), reason)
    return root
