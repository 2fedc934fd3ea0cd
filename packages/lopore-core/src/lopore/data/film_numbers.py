"""Films that lead letters number: images that carry one number show one film, whatever their files are called."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lopore.errors import LoporeError
from lopore.messages import counted, plain

from .grouping import join_groups
from .manifest import Manifest
from .scan import Progress


def read_film_numbers(files: Sequence[Path], progress: Progress) -> list[str]:
    """The number in lead letters of each file, "" where none is read; PluginError without the extra ``letters``.

    Costs 6 to 12 CPU seconds an image of 1600 pixels.
    """
    from lopore.reading.lead_letters import LetterReader, film_number
    from lopore.reading.radiograph import read_radiograph

    reader, numbers = LetterReader(), []
    for done, file in enumerate(files, start=1):
        try:
            numbers.append(film_number(reader.read(read_radiograph(file).pixels)))
        except LoporeError:  # what the index left out, or kept with its reason
            numbers.append("")
        progress(done, len(files))
    return numbers


def with_film_numbers(manifest: Manifest, numbers: Sequence[str], *, join: bool) -> tuple[Manifest, list[str]]:
    """The manifest with ``numbers`` in its rows, groups of one number joined or proposed, and notes for a person."""
    rows = tuple(replace(row, film_number=number) for row, number in zip(manifest.rows, numbers, strict=True))
    manifest = replace(manifest, rows=rows)
    read = sum(map(bool, numbers))
    notes = [f"lead letters: a film's number was read on {read} of {counted(len(numbers), 'image')}"]
    shared = _parted(manifest)
    if not shared:
        return manifest, notes
    shown = ", ".join(f"{plain(name, 40)} on {count}" for name, count in shared.most_common(4))
    more = f" and {len(shared) - 4} more" if len(shared) > 4 else ""
    before, joined = len(set(manifest.group_ids().tolist())), _joined(manifest)
    after = len(set(joined.group_ids().tolist()))
    if join:
        return joined, [*notes, f"one number on several images ({shown}{more}): {before} groups became {after}"]
    way = "look at them, then say --letters join to keep each film whole"
    return manifest, [
        *notes, f"one number on several images ({shown}{more}): {before} groups would become {after}; {way}",
    ]  # fmt: skip


def _parted(manifest: Manifest) -> Counter[str]:
    """Images of each number that stands in more than one group."""
    groups: dict[str, set[int]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for row, group in zip(manifest.rows, manifest.group_ids().tolist(), strict=True):
        if row.film_number:
            groups[row.film_number].add(group)
            counts[row.film_number] += 1
    return Counter({number: counts[number] for number, ids in groups.items() if len(ids) > 1})


def _joined(manifest: Manifest) -> Manifest:
    groups = [row.group or (f"family {row.family}" if row.family else "") for row in manifest.rows]
    names = join_groups(len(manifest), {"letters": [row.film_number for row in manifest.rows], "group": groups})
    rows = tuple(replace(row, group=name) for row, name in zip(manifest.rows, names, strict=True))
    said = "; ".join(filter(None, [manifest.about.groups, "films by the numbers in lead letters"]))
    return replace(manifest, rows=rows, about=manifest.about.model_copy(update={"groups": said[:2000]}))
