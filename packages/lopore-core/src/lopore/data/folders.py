"""Class folders as a list of images: ``<class>/*``, ``train/<class>/*`` and so on, with masks where they lie."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lopore.errors import DataError
from lopore.messages import counted, plain

from .manifest import MAX_PATH, clean_label

SIDE_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"}
"""Files that claim to be pictures: these are reported when they are none; any other name counts by its content."""
_TRANSPARENT = {"images", "imgs", "image", "img"}
_MASK_FOLDERS = {"masks", "mask", "ground_truth", "groundtruth", "gt"}
_NOT_CLASSES = _MASK_FOLDERS | {"labels", "annotations"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image as a folder or CSV names it; fields as in a manifest's Row."""

    path: str
    labels: tuple[str, ...] = ()
    group: str = ""
    split: str = ""
    fold: int | None = None
    mask: str = ""
    mm_per_pixel: float | None = None


@dataclass(frozen=True)
class Listing:
    """Entries with paths from ``root``.

    notes: for a person. problems: (path, what is wrong) of files that are passed over. faults: (path, what is wrong)
    where names and disk disagree (missing files, empty class folders), which forbid indexing until they are mended.
    """

    root: Path
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    faults: tuple[tuple[str, str], ...] = ()


def list_folder(folder: Path, *, root: Path | None = None, masks: str = "auto") -> Listing:
    """The images below ``folder``, sorted by path.

    The first folder below (after train, val or test, if the tree is split) names the class; ``images`` and ``Imgs``
    are looked through. Images that lie in ``folder`` itself have no label.
    root: what paths count from, default ``folder``. masks: "auto" finds ``masks/``, ``*_mask.png`` and a PNG beside a
    photograph of the same name; "none" takes every picture for an image; else the folder that holds the masks.
    Empty class folders come back as faults. Raises DataError where there is no image at all.
    """
    root = (root or folder).absolute()
    _inside(folder.absolute(), root)
    pictures, others, folders = _walk(folder)
    problems = [
        (name, "has a name that is not UTF-8 or too long; rename it") for name in pictures if not _speakable(name)
    ]
    pictures = [name for name in pictures if _speakable(name)]
    mask_names = _find_masks(folder, pictures, masks)
    images = [name for name in pictures if name not in mask_names]
    if not images:
        kinds = f" ({_kinds(others)} lie there)" if others else ""
        raise DataError(f"{plain(folder)} holds no image{kinds}; give a folder with one sub-folder a class, or a CSV")
    split = _is_split(folder, images)
    linked = [name for name in folders if (folder / name).is_symlink()]
    notes, faults = _empty_classes(images, folders, linked, split)
    partner = _pair_masks(images, mask_names, masks, folder)
    prefix = Path(os.path.relpath(folder.absolute(), root)).as_posix()
    entries = [_entry(name, split, partner) for name in images]
    entries = [
        replace(entry, path=_join(prefix, entry.path), mask=_join(prefix, entry.mask) if entry.mask else "")
        for entry in entries
    ]
    unused = [name for name in linked if name not in dict(faults)]
    notes += [*_remarks(entries, mask_names, partner, others), *_remarks_on_links(unused)]
    return Listing(root, tuple(entries), tuple(notes), tuple(problems), tuple(faults))


def _walk(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """(pictures, other files, folders) below, POSIX, sorted; hidden names and linked folders are left out."""
    from lopore.reading.regular_files import holds_image

    if not folder.is_dir():
        raise DataError(f"{plain(folder)} is not there; name an existing folder or CSV")
    pictures: list[str] = []
    others: list[str] = []
    folders: list[str] = []
    for place, below, files in os.walk(folder, onerror=_raise):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        here = Path(os.path.relpath(place, folder)).as_posix()
        folders += [_join(here, name) for name in below]
        for name in files:
            if not name.startswith("."):
                picture = PurePosixPath(name).suffix.lower() in _SUFFIXES or holds_image(Path(place, name))
                (pictures if picture else others).append(_join(here, name))
    return sorted(pictures), sorted(others), sorted(folders)


def _raise(error: OSError) -> None:
    raise DataError(f"{plain(error.filename)} cannot be listed ({error.strerror}); mend its rights") from None


def _inside(path: Path, root: Path) -> None:
    if Path(os.path.normpath(root)) not in (Path(os.path.normpath(path)), *Path(os.path.normpath(path)).parents):
        raise DataError(f"{plain(path)} lies outside the root {plain(root)}; give a --root that holds both")


def _join(prefix: str, name: str) -> str:
    return name if prefix == "." else f"{prefix}/{name}"


def _speakable(name: str) -> bool:
    try:
        return len(name.encode("utf-8")) <= MAX_PATH
    except UnicodeEncodeError:
        return False


def _meaning(name: str, split: bool) -> tuple[str, list[str]]:
    """(side, folders that may name a class) of a path."""
    folders = [part for part in PurePosixPath(name).parent.parts if part.lower() not in _TRANSPARENT]
    if split and folders and folders[0].lower() in SIDE_NAMES:
        return SIDE_NAMES[folders[0].lower()], folders[1:]
    return "", folders


def _is_split(folder: Path, images: list[str]) -> bool:
    tops = {_meaning(name, False)[1][0] for name in images if _meaning(name, False)[1]}
    sides = {top for top in tops if top.lower() in SIDE_NAMES}
    if not sides:
        return False
    if tops - sides or any(not _meaning(name, False)[1] for name in images):
        beside = ", ".join(plain(top, 40) for top in sorted(tops - sides)[:3]) or "loose pictures"
        raise DataError(f"{plain(folder)} has {', '.join(sorted(sides))} beside {beside}; index one kind or the other")
    return True


def _entry(name: str, split: bool, partner: dict[str, str]) -> Entry:
    side, folders = _meaning(name, split)
    labels = (clean_label(folders[0], where=name),) if folders else ()
    return Entry(path=name, labels=labels, split=side, mask=partner.get(name, ""))


def _empty_classes(
    images: list[str], folders: list[str], linked: list[str], split: bool
) -> tuple[list[str], list[tuple[str, str]]]:
    """Notes on classes that lack on one side, and faults for class folders without any image."""
    filled = {(side, below[0]) for side, below in (_meaning(name, split) for name in images) if below}
    notes: list[str] = []
    faults: list[tuple[str, str]] = []
    for name in folders:
        side, below = _meaning(f"{name}/x", split)
        leaf = PurePosixPath(name).name
        is_class_folder = len(below) == 1 and leaf == below[0] and leaf.lower() not in _NOT_CLASSES
        if not is_class_folder or (side, leaf) in filled or not filled:
            continue
        if name in linked:
            faults.append((name, "is a link to a folder, which is not followed; put the folder itself there"))
        elif split and any(known == leaf for _, known in filled):
            notes.append(f"{side} has no image of {plain(leaf, 60)}")
        else:
            faults.append((name, "is a class folder without any image; put images in, or remove it"))
    return notes, faults


def _find_masks(folder: Path, pictures: list[str], masks: str) -> set[str]:
    if masks == "none":
        return set()
    if masks != "auto":
        place = Path(os.path.relpath(Path(masks).absolute(), folder.absolute())).as_posix()
        if place.startswith("..") or not Path(masks).is_dir():
            raise DataError(f"mask folder {plain(masks)} is not inside {plain(folder)}; index what holds both")
        return {name for name in pictures if name.startswith(f"{place}/")}
    found = {name for name in pictures if names_a_mask(name)}
    return found | _beside_photographs([name for name in pictures if name not in found])


def names_a_mask(name: str) -> bool:
    path = PurePosixPath(name)
    return path.stem.lower().endswith(("_mask", "-mask")) or any(p.lower() in _MASK_FOLDERS for p in path.parent.parts)


def _beside_photographs(pictures: list[str]) -> set[str]:
    """PNGs that each have a JPEG, BMP or TIFF of the same name beside them, in folders where every PNG has."""
    by_folder: dict[PurePosixPath, list[PurePosixPath]] = defaultdict(list)
    for name in pictures:
        by_folder[PurePosixPath(name).parent].append(PurePosixPath(name))
    found: set[str] = set()
    for paths in by_folder.values():
        drawn = {path for path in paths if path.suffix.lower() == ".png"}
        photographed = {path.stem for path in paths if path not in drawn}
        if drawn and all(path.stem in photographed for path in drawn):
            found |= {str(path) for path in drawn}
    return found


def _mask_key(name: str, mask_place: str) -> tuple[tuple[str, ...], str]:
    path = PurePosixPath(name)
    if mask_place and name.startswith(f"{mask_place}/"):
        path = PurePosixPath(name[len(mask_place) + 1 :])
    hidden = _TRANSPARENT | _MASK_FOLDERS
    stem = path.stem[:-5] if path.stem.lower().endswith(("_mask", "-mask")) else path.stem
    return tuple(part for part in path.parent.parts if part.lower() not in hidden), stem


def _pair_masks(images: list[str], mask_names: set[str], masks: str, folder: Path) -> dict[str, str]:
    """Image -> mask, by the same place and name, else by a name that only one mask and one image bear."""
    place = ""
    if masks not in ("auto", "none"):
        place = Path(os.path.relpath(Path(masks).absolute(), folder.absolute())).as_posix()
    exact = {_mask_key(name, place): name for name in sorted(mask_names)}
    stems = _unique([(_mask_key(name, place)[1], name) for name in mask_names])
    image_stems = Counter(PurePosixPath(name).stem for name in images)
    partner = {}
    for name in images:
        stem = PurePosixPath(name).stem
        found = exact.get(_mask_key(name, ""), stems.get(stem) if image_stems[stem] == 1 else None)
        if found:
            partner[name] = found
    return partner


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    counts = Counter(stem for stem, _ in pairs)
    return {stem: name for stem, name in pairs if counts[stem] == 1}


def _kinds(names: list[str]) -> str:
    counts = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    return ", ".join(f"{number} x {plain(kind, 12)}" for kind, number in counts.most_common(4))


def _remarks_on_links(linked: list[str]) -> list[str]:
    if not linked:
        return []
    count = counted(len(linked), "linked folder was", "linked folders were")
    return [f"{count} not followed: {', '.join(plain(name, 60) for name in linked[:3])}"]


def _remarks(entries: list[Entry], mask_names: set[str], partner: dict[str, str], others: list[str]) -> list[str]:
    remarks = []
    unlabelled = sum(not entry.labels for entry in entries)
    if unlabelled == len(entries) > 1:
        lies = f"none of {counted(len(entries), 'image')} lies in a class folder, so none has a label"
        remarks.append(f"{lies}; index the folder above, or a CSV of labels")
    elif unlabelled:
        remarks.append(f"{counted(unlabelled, 'image lies', 'images lie')} in no class folder, so without a label")
    if mask_names:
        alone = sorted(mask_names - set(partner.values()))
        lone = f"; {counted(len(alone), 'mask fits', 'masks fit')} no image" if alone else ""
        lone += f", such as {plain(alone[0], 80)}: a mask bears its image's name" if alone else ""
        remarks.append(counted(len(partner), "image has", "images have") + f" a mask{lone}")
    if others:
        remarks.append(f"{counted(len(others), 'other file was', 'other files were')} passed over ({_kinds(others)})")
    tables = [name for name in others if name.lower().endswith((".csv", ".tsv")) and f"{name}.json" not in others]
    if tables:
        remarks.append(f"{plain(tables[0], 80)} lies there too; index that file instead to use its columns")
    return remarks
