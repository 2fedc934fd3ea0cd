"""Every mask of a set opened before training: the values met, the share marked, and where label and mask disagree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import IGNORE
from lopore.errors import DataError, LoporeError
from lopore.messages import counted, plain

from .class_names import is_sound
from .findings import MOST_PATHS, Finding, about
from .manifest import Manifest
from .manifest_row import Row
from .mask_files import MaskFile, read_mask_file
from .masks import numbers_of
from .scan import Progress, in_order

INVERTED_SHARE = 0.5
"""A mark over more of the image than this, which also touches all four borders, is most likely the ground."""
_MOST_VALUES = 8
_AGREEING = 0.8


@dataclass(frozen=True)
class MaskFacts:
    """What the masks of one image hold.

    values: greatest few of the values met, 0 left out. coding: see MaskFile. share: of the image that is marked, None
    where the masks were refused. unknown: share that is not known. touches_all: whether the mark reaches all borders.
    refused: why the masks do not fit the image's labels.
    """

    values: tuple[int, ...] = ()
    coding: str = ""
    share: float | None = None
    unknown: float = 0.0
    touches_all: bool = False
    refused: str = ""
    code: str = ""


def check_masks(part: Manifest, *, threads: int | None, progress: Progress) -> tuple[list[Finding], dict[str, Any]]:
    """Open every mask of the readable rows; findings, and facts on all masks for the report."""
    rows = [row for row in part.rows if row.mask]
    if not rows:
        return [], {}
    classes = part.defect_classes
    facts: dict[str, MaskFacts] = {}
    for row, found in zip(rows, in_order(rows, lambda row: _facts(part, row, classes), threads), strict=True):
        facts[row.path] = found
        progress(len(facts), len(rows))
    findings = [
        *_refused(rows, facts), *_empty(rows, facts), *_inverted(rows, facts), *_foreign_numbers(rows, facts),
        *_ring_alone(rows, facts), *_absent(part),
    ]  # fmt: skip
    return findings, {"masks": _summary(rows, facts)}


def _facts(part: Manifest, row: Row, classes: tuple[str, ...]) -> MaskFacts:
    files = part.mask_files(row)
    if absent := next((name for name, file in zip(row.mask, files, strict=True) if not file.is_file()), ""):
        return MaskFacts(refused=f"{plain(absent, 200)} is not there", code="mask-missing")
    try:
        masks = [read_mask_file(file) for file in files]
    except LoporeError as error:
        return MaskFacts(refused=plain(error, 300), code="mask-unreadable")
    for mask in masks:
        if mask.numbers.shape != (row.height, row.width):
            size = f"{mask.numbers.shape[1]} x {mask.numbers.shape[0]} px, its image {row.width} x {row.height}"
            return MaskFacts(refused=f"mask {mask.name} is {size}; they must be equal", code="mask-size")
    values = tuple(sorted({value for mask in masks for value in mask.values if value}))[-_MOST_VALUES:]
    coding = next((mask.coding for mask in masks if mask.coding in ("lossy", "colours")), masks[0].coding)
    labels = [classes.index(label) + 1 for label in row.labels if label in classes]
    if not row.labels:
        return MaskFacts(values, coding)
    try:
        numbers = numbers_of(masks, labels, len(classes))
    except DataError as error:
        return MaskFacts(values, coding, refused=_with_classes(plain(error, 300), classes), code=_code(masks, labels))
    marked = (numbers > 0) & (numbers != IGNORE)
    return MaskFacts(values, coding, float(marked.mean()), float((numbers == IGNORE).mean()), _touches_all(marked))


def _code(masks: Sequence[MaskFile], labels: Sequence[int]) -> str:
    return "mask-of-a-sound-image" if not labels else "mask-values"


def _with_classes(message: str, classes: tuple[str, ...]) -> str:
    names = ", ".join(f"{number} {plain(name, 40)}" for number, name in enumerate(classes, start=1))
    return f"{message} (classes: {names})" if "class" in message and classes else message


def _touches_all(marked: NDArray[np.bool_]) -> bool:
    return bool(marked[0].any() and marked[-1].any() and marked[:, 0].any() and marked[:, -1].any())


def _refused(rows: Sequence[Row], facts: dict[str, MaskFacts]) -> Iterator[Finding]:
    """One finding for each kind of refusal, with the first one's words."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if facts[row.path].refused:
            found[facts[row.path].code].append(row)
    for code, refused in found.items():
        first = facts[refused[0].path].refused
        count = counted(len(refused), "image has", "images have")
        message = f"{count} masks that cannot be used; the first: {first}"
        yield Finding("error", code, message, tuple(row.path for row in refused)[:MOST_PATHS])


def _empty(rows: Sequence[Row], facts: dict[str, MaskFacts]) -> Iterator[Finding]:
    bare = [row for row in rows if facts[row.path].share == 0 and not all(is_sound(name) for name in row.labels)]
    for name in sorted({label for row in bare for label in row.labels}):
        of_class = [row for row in rows if name in row.labels]
        if len(of_class) > 1 and all(facts[row.path].share == 0 for row in of_class):
            empty = f"all {len(of_class)} masks of class {plain(name, 60)!r} mark nothing; if it is the sound class, "
            way_out = f"say --sound {plain(name, 60)!r} at `lopore data index`, else draw the masks"
            yield Finding("error", "mask-empty-class", empty + way_out, tuple(row.path for row in of_class)[:3])
            bare = [row for row in bare if row.labels != (name,)]
    rest = "labelled with a defect, and the mask marks nothing; mend the label, or draw the mask"
    yield from about("error", "mask-empty", bare, "image is", "images are", rest)


def _inverted(rows: Sequence[Row], facts: dict[str, MaskFacts]) -> Iterator[Finding]:
    wide = [row for row in rows if (facts[row.path].share or 0) > INVERTED_SHARE and facts[row.path].touches_all]
    rest = "covering most of the image and touching all its borders: black and white may be exchanged"
    yield from about("warning", "mask-inverted", wide, "mask is", "masks are", rest)


def _foreign_numbers(rows: Sequence[Row], facts: dict[str, MaskFacts]) -> Iterator[Finding]:
    """Masks of one value each, where a value goes with one label throughout and a few images break the rule."""
    single = [(row, facts[row.path].values[-1]) for row in rows if _single(row, facts[row.path])]
    labels_of: dict[int, Counter[str]] = defaultdict(Counter)
    for row, value in single:
        labels_of[value][row.labels[0]] += 1
    usual = {value: found.most_common(1)[0] for value, found in labels_of.items()}
    names = [name for name, _ in usual.values()]
    agreeing = sum(count for _, count in usual.values())
    if len(usual) < 2 or len(set(names)) < len(names) or agreeing == len(single) or agreeing < _AGREEING * len(single):
        return
    odd = [row for row, value in single if row.labels[0] != usual[value][0]]
    meaning = ", ".join(f"{value} is {plain(name, 40)}" for value, (name, _) in sorted(usual.items()))
    rest = f"labelled with another class than the mask's number says ({meaning} elsewhere); mend label or mask"
    yield from about("error", "mask-class", odd, "image is", "images are", rest)


def _single(row: Row, found: MaskFacts) -> bool:
    return len(row.labels) == 1 and len([v for v in found.values if v not in (255, 65535)]) == 1 and bool(found.share)


def _ring_alone(rows: Sequence[Row], facts: dict[str, MaskFacts]) -> Iterator[Finding]:
    """255 alone, in a set where 255 is the ring around numbers: that image's mark is most likely the ring."""
    rings = [row for row in rows if facts[row.path].unknown > 0]
    alone = [row for row in rows if facts[row.path].values == (255,) and facts[row.path].share]
    if rings and len(rings) >= len(alone):
        rest = "marked by 255 alone, which means 'not known' in the other masks of the set; give it a class number"
        yield from about("error", "mask-ring-alone", alone, "image is", "images are", rest)


def _absent(part: Manifest) -> Iterator[Finding]:
    bare = [row for row in part.rows if not row.mask and any(not is_sound(name) for name in row.labels)]
    have = ("image with a defect has", "images with a defect have")
    yield from about("warning", "mask-absent", bare, *have, "no mask, others have one")


def _summary(rows: Sequence[Row], facts: dict[str, MaskFacts]) -> dict[str, Any]:
    """Facts for people and JSON: values met with the number of images, and the shares marked."""
    met = Counter(_met(facts[row.path].values) for row in rows)
    shares = [share for row in rows if (share := facts[row.path].share)]
    unknown = [facts[row.path].unknown for row in rows if facts[row.path].unknown]
    return {
        "images": len(rows),
        "files": sum(len(row.mask) for row in rows),
        "values": dict(met.most_common(20)),
        "marked_share": {
            "low": min(shares, default=0.0), "median": float(np.median(shares)) if shares else 0.0,
            "high": max(shares, default=0.0),
        },
        "unknown_share": float(np.median(unknown)) if unknown else 0.0,
    }  # fmt: skip


def _met(values: tuple[int, ...]) -> str:
    """Values as one text; many are grey edges, of which the first and the last say enough."""
    return f"0 to {values[-1]} with grey between" if len(values) > 5 else ", ".join(map(str, (0, *values)))


def masks_in_a_line(summary: dict[str, Any]) -> str:
    """The facts on the masks as one line of text."""
    values = "; ".join(f"{plain(met, 60)} in {count}" for met, count in list(summary["values"].items())[:6])
    low, median, high = (summary["marked_share"][name] for name in ("low", "median", "high"))
    ring = f", not known {summary['unknown_share']:.2%}" if summary["unknown_share"] else ""
    count = counted(summary["images"], "image has", "images have")
    return f"{count} masks: values {values}; marked {low:.2%} to {high:.2%} (median {median:.2%}){ring}"
