"""Whether a model has met the images that it is scored on: scores on films it learned from prove nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import ANOMALY
from lopore.config.experiment import load_experiment
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.sound_alone import one_defect, sound_alone
from lopore.errors import LoporeError
from lopore.messages import plain

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder

_FOUND = re.compile(r"F[0-9]{5}(~[0-9]+)?")  # numbered anew in every manifest
OTHER_SPLIT = (
    "{name} was split anew since this model was trained: films that it learned from may stand here, "
    "so these scores prove nothing"
)


def training_overlap(folder: ModelFolder, films: Manifest) -> tuple[str, ...]:
    """A line for each way in which the model's training met these films; none where it did not, or nothing tells.

    films: the rows that are scored. The manifest that the model's config names tells what was learned from, as long as
    its split is still the one in the record; images are compared by place, bytes and pixels, and films by the name of
    their group, which only hints at the same film where the manifests are two.
    """
    from .training_manifest import training_manifest

    try:
        own = training_manifest(folder)
    except LoporeError:
        return ()
    if folder.record.split_fingerprint and own.split_fingerprint != folder.record.split_fingerprint:
        here = films.location is not None and films.location == own.location
        return (OTHER_SPLIT.format(name=plain(own.location, 120)),) if here else ()
    config = load_experiment(folder.path / "config.yaml")
    if folder.record.task == ANOMALY:
        own = sound_alone(one_defect(own), regions=config.anomaly.sound_regions)
    learned, chose = (int(_met(films, own.split_of(split)).sum()) for split in ("train", "val"))
    notes = list(_namesakes(films, own))
    if learned:
        notes.append(f"{learned} of {len(films)} images were learned from: these scores are too good and prove nothing")
    what = config.training.chosen_on_validation(folder.record.task)
    if chose and what:
        notes.append(f"{chose} of {len(films)} images chose {' and '.join(what)}, so these scores are too good")
    return tuple(notes)


def _met(films: Manifest, split: Manifest) -> NDArray[np.bool_]:
    """(N,) which of the films stand in a split."""
    known = {key for row in split.rows for key in _keys(split, row)}
    return np.array([any(key in known for key in _keys(films, row)) for row in films.rows], bool)


def _namesakes(films: Manifest, own: Manifest) -> Iterator[str]:
    """A line where other images carry the name of a group that was learned from or chosen on."""
    used = own.select([index for index, row in enumerate(own.rows) if row.split in ("train", "val")])
    names = {row.group for row in used.rows if row.group and not _FOUND.fullmatch(row.group)}
    pairs = zip(films.rows, _met(films, used), strict=True)
    alike = [row.group for row, met in pairs if row.group in names and not met]
    if alike:
        yield (
            f"{len(alike)} of {len(films)} images carry the name of a group that was learned from, such as "
            f"{plain(alike[0], 60)}: if it is the same film or weld, these scores are too good"
        )


def _keys(manifest: Manifest, row: Row) -> Iterator[str]:
    yield f"file {manifest.file(row)}"
    if row.sha256:
        yield f"bytes {row.sha256}"
    if row.pixel_hash:
        yield f"pixels {row.pixel_hash}"
