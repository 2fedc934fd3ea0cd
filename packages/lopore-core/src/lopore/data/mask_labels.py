"""Labels of images that lie in no class folder: one class for all, checked against their masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lopore.errors import LoporeError
from lopore.messages import counted, plain

from .class_names import NO_DEFECT, clean_label, is_sound
from .listing import Entry
from .mask_files import read_mask_file


def label_entries(root: Path, entries: Sequence[Entry], label: str) -> tuple[list[Entry], list[str]]:
    """The entries with ``label`` where they have none, and notes for a person.

    Where masks are there, an image whose masks mark nothing is ``no_defect``, and one without a mask stays unlabelled:
    nobody looked at it. Masks that cannot be read count as marked; the check of the masks names them.
    """
    wanted = clean_label(label, where="--label")
    masked = any(entry.mask for entry in entries) and not is_sound(wanted)
    done: list[Entry] = []
    empty = bare = 0
    for entry in entries:
        labels = entry.labels
        if not labels and not (masked and not entry.mask):
            marked = not masked or _marks(root, entry)
            labels = (wanted,) if marked else (NO_DEFECT,)
            empty += not marked
        bare += not labels
        done.append(replace(entry, labels=labels))
    given = sum(before.labels != after.labels for before, after in zip(entries, done, strict=True)) - empty
    notes = [f"{counted(given, 'image is', 'images are')} labelled {plain(wanted, 60)}, as --label says"]
    if empty:
        notes.append(f"{counted(empty, 'image has', 'images have')} a mask that marks nothing: labelled {NO_DEFECT}")
    if bare:
        notes.append(f"{counted(bare, 'image has', 'images have')} no mask: left without a label, since nobody looked")
    return done, notes


def _marks(root: Path, entry: Entry) -> bool:
    try:
        return any(bool(read_mask_file(root / name).numbers.any()) for name in entry.mask)
    except LoporeError:
        return True
