"""Everything that is wrong with a set of images, found before it costs a training run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lopore.data.near_duplicates.families import find_families
from lopore.messages import counted, plain

from .check_classes import check_classes, check_splits
from .check_masks import check_masks
from .check_sources import check_sources
from .class_names import is_sound
from .film_names import films_in_a_line, unused_films
from .findings import HAS, IS, MOST_PATHS, CheckReport, Finding, about
from .leaks import Between, find_leaks
from .listing import Entry, Listing
from .manifest import Manifest
from .manifest_row import SPLITS, Row
from .scan import Scanned, Stage, Unreadable, facts_of, scan, silent

LOW_CONTRAST_LEVELS = 8
"""Grey values between 1 and 99 % of an image below which hardly anything can be seen on it."""


def check_listing(listing: Listing, *, threads: int | None = None, stage: Stage | None = None) -> CheckReport:
    """Check a folder or CSV that was not indexed: the same findings, families found from the images."""
    rows = tuple(Row(**{name: getattr(entry, name) for name in Entry.__slots__}) for entry in listing.entries)
    known = [Finding("error", "fault", f"{plain(path, 80)} {what}", (path,)) for path, what in listing.faults]
    known += [Finding("error", "bad-name", f"{plain(path, 80)} {what}", (path,)) for path, what in listing.problems]
    return check_manifest(Manifest(rows=rows, root=listing.root), threads=threads, stage=stage, known=known)


def check_manifest(
    manifest: Manifest, *, threads: int | None = None, stage: Stage | None = None, known: Sequence[Finding] = ()
) -> CheckReport:
    """Read every image and mask of a manifest and list what is wrong.

    Errors stop a training run or make its score a lie: unreadable or changed files, masks that are absent or of another
    size, leaks between splits or folds, contradicting labels of one image, a class with one image. Warnings are worth
    a look: blank images, mixed depths and sizes, thin classes, label conflicts within a family, missing notes.
    """
    if reason := lost(manifest):
        moved = Finding("error", "moved", reason, tuple(row.path for row in manifest.rows[:MOST_PATHS]))
        return CheckReport((*known, moved), _facts(manifest, manifest.select([])))
    stage = stage or silent
    wants_families = any(not row.family for row in manifest.rows)
    files = [manifest.file(row) for row in manifest.rows]
    seen = scan(files, fingerprints=wants_families, threads=threads, progress=stage("reading"))
    readable = [index for index, one in enumerate(seen) if isinstance(one, Scanned)]
    images = [one for one in seen if isinstance(one, Scanned)]
    filled = _filled(manifest.select(readable), images, wants_families, stage)
    findings = [*known, *_unreadable(manifest, seen), *_changed(manifest.select(readable), images)]
    for check_rows in (_labels, check_classes, check_splits, _leaks, _grouping, _rights):
        findings += check_rows(filled)
    findings += _appearance(filled, images)
    findings += check_sources(filled, images)
    mask_findings, mask_facts = check_masks(filled, threads=threads, progress=stage("opening masks"))
    findings += mask_findings
    findings.sort(key=lambda finding: finding.level != "error")
    return CheckReport(tuple(findings), {**_facts(manifest, filled), **mask_facts})


def lost(manifest: Manifest) -> str:
    """What to do where no image is at its place, as after films or manifest were moved; empty where any is."""
    if len(manifest) < 2 or any(manifest.file(row).exists() for row in manifest.rows):
        return ""
    says = plain(manifest.location.name, 80) if manifest.location else "its list"
    where = f"is where {says} says, such as {plain(manifest.file(manifest.rows[0]), 300)}"
    way_out = "move them back, or index them where they are (a manifest moves with its films and its .json)"
    return f"none of the {counted(len(manifest), 'image')} {where}; {way_out}"


def _filled(part: Manifest, images: list[Scanned], wants_families: bool, stage: Stage) -> Manifest:
    """The readable rows with what the images say; families only where the manifest has none."""
    names = [row.family for row in part.rows]
    if wants_families and images:
        prints = [one.fingerprint for one in images if one.fingerprint is not None]
        names = [f"F{int(number):05d}" for number in find_families(prints, progress=stage("comparing")).labels]
    rows = tuple(
        replace(row, family=name, **facts_of(one)) for row, one, name in zip(part.rows, images, names, strict=True)
    )
    return replace(part, rows=rows)


def _facts(manifest: Manifest, filled: Manifest) -> dict[str, Any]:
    return {
        "images": len(manifest),
        "readable": len(filled),
        "classes": manifest.class_counts,
        "groups": len(set(filled.group_ids().tolist())) if filled.rows else 0,
        "families": len({row.family for row in filled.rows}),
        "depths": dict(sorted(Counter(str(row.depth) for row in filled.rows).items())),
        "sizes": dict(Counter(f"{row.width}x{row.height}" for row in filled.rows).most_common(20)),
        "splits": {split: count for split in SPLITS if (count := sum(row.split == split for row in manifest.rows))},
        "split_kind": manifest.about.split_kind,
    }


def _unreadable(manifest: Manifest, seen: Sequence[Scanned | Unreadable]) -> Iterator[Finding]:
    for row, one in zip(manifest.rows, seen, strict=True):
        if isinstance(one, Unreadable):
            yield Finding("error", "unreadable", f"{plain(row.path, 200)} {plain(one.reason, 300)}", (row.path,))


def _changed(part: Manifest, images: list[Scanned]) -> Iterator[Finding]:
    pairs = zip(part.rows, images, strict=True)
    changed = [row for row, one in pairs if row.sha256 and row.sha256 != one.sha256]
    yield from about("error", "changed", changed, "file is", "files are", "not as indexed any more; index again")
    if part.about.fingerprint and part.location and part.about.fingerprint != Manifest.read(part.location).fingerprint:
        yield Finding("warning", "edited", "the CSV was edited by hand; its JSON tells of the older state")


def _labels(part: Manifest) -> Iterator[Finding]:
    both = [row for row in part.rows if len(row.labels) > 1 and any(is_sound(name) for name in row.labels)]
    yield from about("error", "label-contradiction", both, *IS, "labelled sound and defective at once")
    bare = [row for row in part.rows if not row.labels]
    yield from about("warning", "unlabelled", bare, *HAS, "no label and no part in training")
    same = _disagreeing(part.rows, lambda row: row.pixel_hash)
    yield from about("error", "label-conflict", same, *HAS, "a copy, pixel for pixel, in another class")
    same_paths = {row.path for row in same}
    kin = [row for row in _disagreeing(part.rows, lambda row: row.family) if row.path not in same_paths]
    way_out = "a near copy in another class; index with --conflicts join or drop, or mend the labels"
    yield from about("warning", "family-conflict", kin, *HAS, way_out)


def _disagreeing(rows: Sequence[Row], key: Callable[[Row], str]) -> list[Row]:
    clusters: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.labels and key(row):
            clusters[key(row)].append(row)
    return [row for found in clusters.values() if len({one.labels for one in found}) > 1 for row in found]


def _leaks(part: Manifest) -> Iterator[Finding]:
    comparisons: tuple[tuple[Between, str], ...] = ((SPLITS, "leak"), ("folds", "fold-leak"))
    for between, code in comparisons:
        findings = find_leaks(part, between)
        by_reason: dict[str, list[str]] = defaultdict(list)
        for leak in findings.leaks:
            by_reason[leak.why].append(f"{leak.path} ({leak.split}) = {leak.other} ({leak.other_split})")
        for why, pairs in by_reason.items():
            where = "folds" if code == "fold-leak" else "splits"
            message = f"{counted(len(pairs), 'pair')} in two {where}: {why}"
            yield Finding("error", code, message, tuple(pairs[:MOST_PATHS]))


def _grouping(part: Manifest) -> Iterator[Finding]:
    counts = Counter(row.pixel_hash for row in part.rows)
    copies = [row for row in part.rows if counts[row.pixel_hash] > 1]
    yield from about("warning", "duplicates", copies, *IS, "there more than once, pixel for pixel")
    films = unused_films(part)
    if said := films_in_a_line(films):
        groups = part.group_ids()
        apart = len({int(group) for group, key in zip(groups, films.keys, strict=True) if key})
        way_out = "index with --film-names join, or name the film with --group-pattern or a group column"
        paths = tuple(row.path for row, key in zip(part.rows, films.keys, strict=True) if key)[:MOST_PATHS]
        yield Finding("warning", "films-in-names", f"{said}, which stand in {apart} groups; {way_out}", paths)
    if part.location and not any(row.group for row in part.rows):
        yield Finding("warning", "no-groups", "no image has a group; index with a group column or from images")


def _rights(part: Manifest) -> Iterator[Finding]:
    if part.location and not part.about.licence:
        yield Finding("warning", "no-licence", "no licence is recorded; index with --licence, --source, --attribution")


def _appearance(part: Manifest, images: list[Scanned]) -> Iterator[Finding]:
    pairs = list(zip(part.rows, images, strict=True))
    blank = [row for row, one in pairs if one.high <= one.low]
    yield from about("warning", "blank", blank, "image shows", "images show", "one grey")
    faint = [row for row, one in pairs if 0 < one.high - one.low < LOW_CONTRAST_LEVELS]
    few = f"fewer than {LOW_CONTRAST_LEVELS} grey values"
    yield from about("warning", "low-contrast", faint, "image uses", "images use", few)
    depths = Counter(one.depth for one in images)
    if len(depths) > 1:
        depths_text = ", ".join(f"{count} of {depth} bits" for depth, count in sorted(depths.items()))
        yield Finding(
            "warning", "mixed-depths", f"images have several depths ({depths_text}); a model may learn the depth"
        )
    shorter = [min(one.width, one.height) for one in images]
    if shorter and max(shorter) > 4 * min(shorter):
        smallest, largest = (part.rows[where(shorter)].path for where in (np.argmin, np.argmax))
        message = f"shorter sides: {min(shorter)} to {max(shorter)} px; the network sees defects at unlike sizes"
        yield Finding("warning", "mixed-sizes", message, (smallest, largest))
    for note, count in Counter(note for one in images for note in one.notes).most_common(5):
        rows = [row for row, one in pairs if note in one.notes]
        paths = tuple(row.path for row in rows)[:MOST_PATHS]
        yield Finding("warning", "note", f"{plain(note, 200)} ({counted(count, 'image')})", paths)
    scaled = [row for row in part.rows if row.mm_per_pixel is None]
    if 0 < len(scaled) < len(part.rows):
        yield from about("warning", "no-scale", scaled, *HAS, "no mm per pixel, others have")
