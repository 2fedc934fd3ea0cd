"""Class folders as a list of images: ``<class>/*``, ``train/<class>/*`` and so on, with masks where they lie."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lopore.errors import DataError
from lopore.messages import counted, plain
from lopore.reading.regular_files import left_by_machines

from .cells import MAX_PATH
from .class_names import clean_label
from .csv_columns import names_images
from .film_copies import leave_copies_out, remarks_on_copies
from .inner_folders import remarks_on_inner_folders
from .listing import Entry, Listing
from .mask_labels import label_entries
from .mask_pairs import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    SPLIT_FOLDERS,
    MaskPairs,
    in_folders_beside_images,
    names_a_mask,
    pair_masks,
    remarks_on_masks,
)

_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom"}
"""Files that claim to be images: these are reported when they are none; any other name counts by its content."""
_NOT_CLASSES = MASK_FOLDERS | {"labels", "annotations"}


def list_folder(folder: Path, *, root: Path | None = None, masks: str = "auto", label: str = "") -> Listing:
    """The images below ``folder``, sorted by path.

    The first folder below (after train, val or test, if the tree is split) names the class; ``images`` and ``Imgs``
    are looked through, and so is a lone folder around the whole set. Images that lie in no class folder have no label.
    root: what paths count from, default ``folder``. masks: "auto" finds folders of masks, ``NAME_mask`` and
    ``NAME_gt``, also several of one image; "beside" takes each PNG beside an image of its name for a mask too; "none"
    takes every file for an image; else the folder that holds the masks. label: the class of images that lie in no
    class folder. Of two files of one film (``W1.tif``, ``W1.png``) the one that holds more is kept, and a note says so.
    Empty class folders, and PNGs that look like masks and are not named so, come back as faults.
    Raises DataError where there is no image at all.
    """
    root = (root or folder).absolute()
    _inside(folder.absolute(), root)
    found = _walk(folder)
    problems = [
        (name, "has a name that is not UTF-8 or too long; rename it") for name in found.images if not _speakable(name)
    ]
    files = [name for name in found.images if _speakable(name)]
    mask_names, folder_of_masks = _find_masks(folder, files, masks)
    copies = leave_copies_out(folder, [name for name in files if name not in mask_names])
    if not copies.used:
        hint = f" ({_suffixes(found.others)} lie there)" if found.others else ""
        raise DataError(f"{plain(folder)} holds no image{hint}; give a folder with one sub-folder a class, or a CSV")
    notes, faults = remarks_on_copies(copies)
    tree = _tree(folder, list(copies.used))
    empty_notes, empty_faults = _empty_classes(list(copies.used), found, tree)
    pairs = pair_masks(copies.used, mask_names, folder_of_masks)
    prefix = Path(os.path.relpath(folder.absolute(), root)).as_posix()
    entries = [_placed(_entry(name, tree, pairs), prefix) for name in copies.used]
    if label:
        entries, label_notes = label_entries(root, entries, label)
        notes += label_notes
    faults = [(_join(prefix, name), why) for name, why in (*faults, *pairs.faults, *empty_faults)]
    notes += [*tree.notes, *remarks_on_inner_folders([tree.meaning(name)[1] for name in copies.used])]
    notes += [*empty_notes, *_remarks(folder, entries, found, label)]
    notes += remarks_on_masks(pairs) if mask_names else []
    return Listing(root, tuple(entries), tuple(notes), tuple(problems), tuple(faults))


@dataclass(frozen=True)
class _Found:
    """What lies below a folder, POSIX, sorted: images, other files, folders, links to folders, folders of machines."""

    images: list[str]
    others: list[str]
    folders: list[str]
    linked: list[str]
    machine: list[str]


def _walk(folder: Path) -> _Found:
    """Hidden names, linked folders and what file servers and systems leave behind are not looked into."""
    from lopore.reading.regular_files import holds_image

    if not folder.is_dir():
        raise DataError(f"{plain(folder)} is not there; name an existing folder or CSV")
    images: list[str] = []
    others: list[str] = []
    folders: list[str] = []
    machine: list[str] = []
    for current, below, files in os.walk(folder, onerror=_raise):
        here = Path(os.path.relpath(current, folder)).as_posix()
        machine += [_join(here, name) for name in below if left_by_machines(name) and not name.startswith(".")]
        below[:] = sorted(name for name in below if not left_by_machines(name))
        folders += [_join(here, name) for name in below]
        for name in files:
            if not left_by_machines(name):
                is_image = PurePosixPath(name).suffix.lower() in _SUFFIXES or holds_image(Path(current, name))
                (images if is_image else others).append(_join(here, name))
    linked = [name for name in folders if (folder / name).is_symlink()]
    return _Found(sorted(images), sorted(others), sorted(folders), linked, sorted(machine))


def _raise(error: OSError) -> None:
    raise DataError(f"{plain(error.filename)} cannot be listed ({error.strerror}); mend its rights") from None


def _inside(path: Path, root: Path) -> None:
    if Path(os.path.normpath(root)) not in (Path(os.path.normpath(path)), *Path(os.path.normpath(path)).parents):
        raise DataError(f"{plain(path)} lies outside the root {plain(root)}; give a --root that holds both")


def _join(prefix: str, name: str) -> str:
    return name if prefix == "." else f"{prefix}/{name}"


def _placed(entry: Entry, prefix: str) -> Entry:
    return replace(entry, path=_join(prefix, entry.path), mask=tuple(_join(prefix, name) for name in entry.mask))


def _speakable(name: str) -> bool:
    try:
        return len(name.encode("utf-8")) <= MAX_PATH
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True)
class _Tree:
    """How folder names are read. wrapping: folders around the whole set. split: whether train, val, test come next."""

    wrapping: tuple[str, ...]
    split: bool
    notes: tuple[str, ...] = ()

    def meaning(self, name: str) -> tuple[str, list[str]]:
        """(split, folders that may name a class) of a path."""
        parts = PurePosixPath(name).parent.parts
        folders = [part for part in parts[len(self.wrapping) :] if part.lower() not in IMAGE_FOLDERS]
        if self.split and folders and folders[0].lower() in SPLIT_FOLDERS:
            return SPLIT_FOLDERS[folders[0].lower()], folders[1:]
        return "", folders


def _tree(folder: Path, images: list[str]) -> _Tree:
    """Lone folders around the whole set are looked through: ``archive/set/train/...`` is no class "archive"."""
    wrapping: tuple[str, ...] = ()
    while True:
        below = {PurePosixPath(name).parts[len(wrapping) : -1] for name in images}
        tops = {parts[:1] for parts in below}
        (top,) = tops.pop() if len(tops) == 1 and () not in tops else ("",)
        inner = {parts[1] for parts in below if len(parts) > 1 and parts[1].lower() not in IMAGE_FOLDERS}
        deeper = all(len(parts) > 1 for parts in below) and (len(inner) > 1 or _wraps(below))
        if not top or top.lower() in {*SPLIT_FOLDERS, *IMAGE_FOLDERS} or not deeper:
            break
        wrapping += (top,)
    tree = _Tree(wrapping, False)
    split = _is_split(folder, images, tree)
    if not wrapping:
        return replace(tree, split=split)
    around = plain("/".join(wrapping), 80)
    note = f"{around} holds the whole set and names no class; the folders below it do (index it itself to be exact)"
    return _Tree(wrapping, split, (note,))


def _wraps(below: set[tuple[str, ...]]) -> bool:
    """Whether the one folder that all lie in holds one more folder that branches, or a split."""
    inner = {parts[1:] for parts in below}
    depth = 0
    while inner and all(len(parts) > depth for parts in inner):
        names = {parts[depth] for parts in inner}
        if len(names) > 1 or next(iter(names)).lower() in SPLIT_FOLDERS:
            return True
        depth += 1
    return False


def _is_split(folder: Path, images: list[str], tree: _Tree) -> bool:
    folders = [tree.meaning(name)[1] for name in images]
    tops = {below[0] for below in folders if below}
    splits = {top for top in tops if top.lower() in SPLIT_FOLDERS}
    if not splits:
        return False
    if tops - splits or not all(folders):
        beside = ", ".join(plain(top, 40) for top in sorted(tops - splits)[:3]) or "loose images"
        raise DataError(f"{plain(folder)} has {', '.join(sorted(splits))} beside {beside}; index one kind or the other")
    return True


def _entry(name: str, tree: _Tree, pairs: MaskPairs) -> Entry:
    split, folders = tree.meaning(name)
    labels = (clean_label(folders[0], where=name),) if folders else ()
    return Entry(path=name, labels=labels, split=split, mask=pairs.partner.get(name, ()))


def _empty_classes(images: list[str], found: _Found, tree: _Tree) -> tuple[list[str], list[tuple[str, str]]]:
    """Notes on classes that one split lacks, and faults for class folders without any image."""
    filled = {(split, below[0]) for split, below in map(tree.meaning, images) if below}
    notes: list[str] = []
    faults: list[tuple[str, str]] = []
    for name in found.folders:
        split, below = tree.meaning(f"{name}/x")
        leaf = PurePosixPath(name).name
        is_class_folder = len(below) == 1 and leaf == below[0] and leaf.lower() not in _NOT_CLASSES
        if not is_class_folder or (split, leaf) in filled or not filled or name in tree.wrapping:
            continue
        if name in found.linked:
            faults.append((name, "is a link to a folder, which is not followed; put the folder itself there"))
        elif tree.split and any(known == leaf for _, known in filled):
            notes.append(f"{split} has no image of {plain(leaf, 60)}")
        else:
            faults.append((name, "is a class folder without any image; put images in, or remove it"))
    return notes, faults


def _find_masks(folder: Path, files: list[str], masks: str) -> tuple[set[str], str]:
    """Names of masks, and the folder that was said to hold them."""
    if masks == "none":
        return set(), ""
    if masks not in ("auto", "beside"):
        given = Path(os.path.relpath(Path(masks).absolute(), folder.absolute())).as_posix()
        if given.startswith("..") or not Path(masks).is_dir():
            raise DataError(f"mask folder {plain(masks)} is not inside {plain(folder)}; index what holds both")
        return {name for name in files if name.startswith(f"{given}/")}, given
    found = {name for name in files if names_a_mask(name)} | in_folders_beside_images(files)
    if masks == "beside":
        others = [PurePosixPath(name) for name in files if not name.lower().endswith(".png")]
        stems = {(path.parent, path.stem) for path in others}
        drawn = [PurePosixPath(name) for name in files if name.lower().endswith(".png")]
        found |= {str(path) for path in drawn if (path.parent, path.stem) in stems}
    return found, ""


def _suffixes(names: list[str]) -> str:
    counts = Counter(PurePosixPath(name).suffix.lower() or "no suffix" for name in names)
    return ", ".join(f"{number} x {plain(suffix, 12)}" for suffix, number in counts.most_common(4))


def _remarks(folder: Path, entries: list[Entry], found: _Found, label: str) -> list[str]:
    remarks = []
    unlabelled = sum(not entry.labels for entry in entries)
    if unlabelled == len(entries) > 1:
        where = f"none of {counted(len(entries), 'image')} lies in a class folder, so none has a label"
        remarks.append(f"{where}; index the folder above, a CSV of labels, or say --label CLASS")
    elif unlabelled and not label:
        remarks.append(f"{counted(unlabelled, 'image lies', 'images lie')} in no class folder, so without a label")
    if found.machine:
        count = counted(len(found.machine), "folder", "folders")
        remarks.append(
            f"{count} of the machine passed over: {', '.join(plain(name, 60) for name in found.machine[:3])}"
        )
    if unused := [name for name in found.linked if not any(name == entry.path for entry in entries)]:
        count = counted(len(unused), "linked folder was", "linked folders were")
        remarks.append(f"{count} not followed: {', '.join(plain(name, 60) for name in unused[:3])}")
    if found.others:
        count = counted(len(found.others), "other file was", "other files were")
        remarks.append(f"{count} passed over ({_suffixes(found.others)})")
    return remarks + _remarks_on_tables(folder, found.others)


def _remarks_on_tables(folder: Path, others: list[str]) -> list[str]:
    tables = [name for name in others if name.lower().endswith((".csv", ".tsv")) and f"{name}.json" not in others]
    usable = [name for name in tables if names_images(folder / name)]
    return [f"{plain(usable[0], 80)} lies there too; index that file instead to use its columns"] if usable else []
