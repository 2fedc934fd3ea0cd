"""The sound class of a set that calls it by a name of its own: declared by a person, proposed where one is near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lopore.errors import DataError
from lopore.messages import did_you_mean, plain

from .class_names import NO_DEFECT, is_sound, maybe_sound
from .listing import Listing
from .manifest import Manifest
from .manifest_row import Row


def declare_sound(manifest: Manifest, names: Sequence[str]) -> Manifest:
    """The manifest with the classes ``names`` called ``no_defect``, as every other part of lopore knows them.

    What was declared stays in ``about.sound``. Raises DataError for a name that no image carries, and where an image
    would be sound and defective at once.
    """
    if not names or (set(names) <= set(manifest.about.sound) and not set(names) & set(manifest.classes)):
        return manifest
    unknown = sorted(set(names) - set(manifest.classes) - set(manifest.about.sound))
    if unknown:
        have = plain(", ".join(manifest.classes), 300) or "none"
        near = did_you_mean(unknown[0], manifest.classes, most=1)
        raise DataError(f"data.sound names {plain(unknown[0], 60)!r}; the images carry {have}{near}")
    rows = tuple(replace(row, labels=_renamed(row, set(names))) for row in manifest.rows)
    sound = tuple(sorted({*manifest.about.sound, *names}))
    return replace(manifest, rows=rows, about=manifest.about.model_copy(update={"sound": sound}))


def _renamed(row: Row, names: set[str]) -> tuple[str, ...]:
    labels = tuple(sorted({NO_DEFECT if label in names else label for label in row.labels}))
    if len(labels) > 1 and NO_DEFECT in labels:
        both = plain(" and ".join(row.labels), 80)
        raise DataError(f"{plain(row.path)} is labelled {both}: sound and defective at once; mend its labels")
    return labels


def sound_declared(listing: Listing, names: Sequence[str]) -> Listing:
    """The listing with the classes ``names`` called ``no_defect``."""
    rows = tuple(Row(path=entry.path, labels=entry.labels) for entry in listing.entries)
    manifest = declare_sound(Manifest(rows, listing.root), names)
    pairs = zip(listing.entries, manifest.rows, strict=True)
    return replace(listing, entries=tuple(replace(entry, labels=row.labels) for entry, row in pairs))


def sound_proposal(classes: Sequence[str]) -> str:
    """A line that proposes the class which may be the sound one; empty where one is known or none is near."""
    near = maybe_sound(classes)
    if not near or len(classes) < 2 or any(is_sound(name) for name in classes):
        return ""
    named = " or ".join(plain(name, 60) for name in near[:3])
    option = plain(near[0], 60)
    way_out = f"say --sound {option!r} at `lopore data index`, or data.sound in a config"
    return f"no class is known as the sound one; if {named} is, {way_out}"
