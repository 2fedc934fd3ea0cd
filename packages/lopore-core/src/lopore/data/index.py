"""From a folder or CSV to a manifest: read every image once, find copies, put together what must stay together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from lopore.data.near_duplicates.families import Families, find_families
from lopore.data.near_duplicates.fingerprints import Fingerprint
from lopore.errors import DataError
from lopore.messages import counted, plain

from .film_names import films_in_a_line, joined_by_film, unused_films
from .film_numbers import read_film_numbers, with_film_numbers
from .folders import list_folder
from .grouping import join_groups, name_key
from .label_conflicts import Conflict, Conflicts, family_conflicts, merge_equal_files, resolve_conflicts
from .label_csv import list_table
from .listing import Entry, Listing
from .manifest import Manifest
from .manifest_row import About, Row
from .scan import Scanned, Stage, Unreadable, facts_of, scan, silent
from .sound_class import sound_declared, sound_proposal


@dataclass(frozen=True)
class Origin:
    """Where a set comes from and what may be done with it; kept in the manifest's JSON."""

    source: str = ""
    licence: str = ""
    attribution: str = ""


@dataclass(frozen=True)
class Grouping:
    """What joins images into a group: the CSV's group column always, and these.

    pattern: of file names, None for ``NAME.rf.<hash>``. images: families found from the pixels. film_names: whether
    the films that names state (tile coordinates and the like taken off) are joined, or proposed in a note. letters: the
    numbers in lead letters are read, and films of one number proposed in a note, or joined; "" reads none.
    """

    pattern: re.Pattern[str] | None = None
    images: bool = True
    film_names: bool = False
    letters: Literal["", "propose", "join"] = ""


@dataclass(frozen=True)
class Indexed:
    """A manifest and what was met on the way: bad files (path, why), label conflicts, notes for a person."""

    manifest: Manifest
    problems: tuple[tuple[str, str], ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    notes: tuple[str, ...] = field(default=())


def list_images(
    source: Path,
    *,
    root: Path | None = None,
    masks: str = "auto",
    label_column: str | None = None,
    group_column: str | None = None,
    label: str = "",
    sound: Sequence[str] = (),
) -> Listing:
    """What ``source``, a folder or a CSV, names; see ``list_folder`` and ``list_table``.

    label: class of the images of a folder that lie in no class folder. sound: classes that mean a sound weld.
    """
    if source.is_dir():
        if label_column or group_column:
            raise DataError(
                f"{plain(source)} is a folder and has no columns; name the CSV, or leave the column options out"
            )
        return sound_declared(list_folder(source, root=root, masks=masks, label=label), sound)
    if not source.exists():
        raise DataError(f"{plain(source)} is not there; name an existing folder of class folders, or a CSV")
    if label:
        raise DataError(f"{plain(source)} is a CSV, which gives the labels itself; leave --label out")
    if masks != "auto":
        raise DataError(f"{plain(source)} is a CSV, whose masks stand in a column 'mask'; leave --masks out")
    listing = list_table(source, root=root, label_column=label_column, group_column=group_column)
    return sound_declared(listing, sound)


def index_images(
    listing: Listing,
    *,
    origin: Origin | None = None,
    grouping: Grouping | None = None,
    mm_per_pixel: float | None = None,
    conflicts: Conflicts = "keep",
    skip_bad: bool = False,
    threads: int | None = None,
    stage: Stage | None = None,
) -> Indexed:
    """Read every image of ``listing`` and describe it.

    mm_per_pixel: for images whose CSV line gives none; wins over what the file says.
    conflicts: copies of one image with different labels "keep" their own, "join" all get all defects of the family,
    or "drop" are left out. Equal files in two classes of one side become one row with both labels in any case.
    skip_bad: go on where names and disk disagree (``listing.faults``); otherwise nothing is read and DataError says so.
    Unreadable files come back as problems. Raises DataError where no image is left.
    """
    if listing.faults and not skip_bad:
        raise DataError(_faults_in_a_line(listing))
    stage = stage or silent
    origin, grouping = origin or Origin(), grouping or Grouping()
    pairs, problems = _read(listing, grouping, threads, stage)
    pairs, merged, found = merge_equal_files(pairs)
    families = _families([one for _, one in pairs], grouping, stage)
    rows = [_row(entry, one, mm_per_pixel) for entry, one in pairs]
    rows, joined_by = _with_groups(rows, [entry.group for entry, _ in pairs], families, grouping)
    found += family_conflicts(rows)
    rows = resolve_conflicts(rows, found, conflicts)
    if not rows:
        raise DataError("every image has conflicting labels and was dropped; index with --conflicts keep and look")
    split_kind = "given" if any(row.split for row in rows) else ""
    about = About(**asdict(origin), groups="; ".join(joined_by), split_kind=split_kind, merged=tuple(merged))
    manifest, film_notes = _with_film_names(Manifest(tuple(rows), listing.root, about), grouping)
    manifest, letter_notes = _with_film_numbers(manifest, grouping, stage)
    proposal = filter(None, [sound_proposal(manifest.classes)])
    return Indexed(
        manifest, tuple(problems), tuple(found), (*listing.notes, *joined_by, *film_notes, *letter_notes, *proposal)
    )


def _read(
    listing: Listing, grouping: Grouping, threads: int | None, stage: Stage
) -> tuple[list[tuple[Entry, Scanned]], list[tuple[str, str]]]:
    """Every image that can be read beside its entry, and what is wrong with the others; DataError where none can."""
    files = [listing.root / entry.path for entry in listing.entries]
    seen = scan(files, fingerprints=grouping.images, threads=threads, progress=stage("reading"))
    problems = [*listing.faults, *listing.problems]
    pairs: list[tuple[Entry, Scanned]] = []
    for entry, one in zip(listing.entries, seen, strict=True):
        if isinstance(one, Unreadable):
            problems.append((entry.path, one.reason))
        else:
            pairs.append((entry, one))
    if not pairs:
        first = f"{plain(problems[0][0])} {plain(problems[0][1])}" if problems else "there is none"
        raise DataError(f"none of {counted(len(listing.entries), 'image')} can be read; the first: {first}")
    return pairs, problems


def _faults_in_a_line(listing: Listing) -> str:
    first = "; ".join(f"{plain(path, 80)} {what}" for path, what in listing.faults[:3])
    more = f" (and {len(listing.faults) - 3} more)" if len(listing.faults) > 3 else ""
    wrong = counted(len(listing.entries) + len(listing.faults), "entry is", "entries are")
    return f"{len(listing.faults)} of {wrong} wrong: {first}{more}; mend that, or go on with --skip-bad"


def complete(manifest: Manifest, *, threads: int | None = None, stage: Stage | None = None) -> Manifest:
    """The manifest with checksums and image families where rows lack them (hand-made or indexed without images).

    Reads all images only if something lacks; groups, labels and sides stay as they are. Training asks for this
    before it looks for leaks. Raises DataError naming the first image that cannot be read.
    """
    if all(row.sha256 and row.pixel_hash and row.family for row in manifest.rows):
        return manifest
    stage = stage or silent
    seen = scan([manifest.file(row) for row in manifest.rows], threads=threads, progress=stage("reading"))
    bad = [(row.path, one.reason) for row, one in zip(manifest.rows, seen, strict=True) if isinstance(one, Unreadable)]
    if bad:
        first = f"{plain(bad[0][0])} {plain(bad[0][1])}"
        raise DataError(f"{counted(len(bad), 'image')} of the manifest cannot be read; the first: {first}")
    good = [one for one in seen if isinstance(one, Scanned)]
    families = _families(good, Grouping(), stage)
    names = _family_names(families, len(good))
    rows = tuple(
        replace(row, family=name, **facts_of(one)) for row, one, name in zip(manifest.rows, good, names, strict=True)
    )
    return replace(manifest, rows=rows)


def _families(seen: Sequence[Scanned], grouping: Grouping, stage: Stage) -> Families | None:
    if not grouping.images:
        return None
    prints: list[Fingerprint] = [one.fingerprint for one in seen if one.fingerprint is not None]
    return find_families(prints, progress=stage("comparing"))


def _family_names(families: Families | None, count: int) -> list[str]:
    if families is None:
        return [""] * count
    return [f"F{int(number):05d}" for number in families.labels]


def _row(entry: Entry, one: Scanned, mm_per_pixel: float | None) -> Row:
    return Row(
        path=entry.path,
        labels=entry.labels,
        split=entry.split,
        fold=entry.fold,
        mask=entry.mask,
        mm_per_pixel=entry.mm_per_pixel or mm_per_pixel or one.mm_per_pixel,
        **facts_of(one),
    )


def _with_groups(
    rows: list[Row], given: list[str], families: Families | None, grouping: Grouping
) -> tuple[list[Row], list[str]]:
    """Rows with family and group, and how the groups were made, in words."""
    names = _family_names(families, len(rows))
    keys = {
        "column": given,
        "name": [name_key(row.path, grouping.pattern) for row in rows],
        "images": names,
        "bytes": [row.sha256 for row in rows],
        "pixels": [row.pixel_hash for row in rows],
    }
    groups = join_groups(len(rows), keys)
    notes = []
    if any(given):
        notes.append(f"groups from a column ({counted(len(set(filter(None, given))), 'value')})")
    if found := sum(map(bool, keys["name"])):
        pattern = grouping.pattern.pattern if grouping.pattern else "NAME.rf.<hash>"
        notes.append(
            f"groups from file names {plain(pattern, 80)} ({found} of {counted(len(rows), 'name fits', 'names fit')})"
        )
    elif grouping.pattern and rows:
        pattern, name = plain(grouping.pattern.pattern, 80), plain(Path(rows[0].path).name, 80)
        raise DataError(f"no file name fits the group pattern '{pattern}', such as {name}; mend it, or leave it out")
    if families is not None:
        kin = counted(len(set(names)), "family", "families")
        notes.append(f"groups from images ({kin}, agreement at least {families.threshold:.2f})")
    together = [replace(row, family=names[i], group=groups[i]) for i, row in enumerate(rows)]
    return together, notes


def _with_film_names(manifest: Manifest, grouping: Grouping) -> tuple[Manifest, list[str]]:
    """The manifest with the films of its file names joined where that was asked for, else a note that proposes it."""
    films = unused_films(manifest)
    found = films_in_a_line(films)
    if not found:
        return manifest, []
    before = len(set(manifest.group_ids().tolist()))
    joined = joined_by_film(manifest, films)
    after = len(set(joined.group_ids().tolist()))
    if grouping.film_names:
        return joined, [f"{found}: {before} groups became {after}"]
    return manifest, [f"{found}; {before} groups would become {after}: say --film-names join to keep each film whole"]


def _with_film_numbers(manifest: Manifest, grouping: Grouping, stage: Stage) -> tuple[Manifest, list[str]]:
    """The manifest with the numbers in lead letters, where they were asked for, and what they say of its groups."""
    if not grouping.letters:
        return manifest, []
    numbers = read_film_numbers([manifest.file(row) for row in manifest.rows], stage("reading lead letters"))
    return with_film_numbers(manifest, numbers, join=grouping.letters == "join")
