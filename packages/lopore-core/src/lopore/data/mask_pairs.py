"""Which files are masks, and of which image: by documented names alone, never because a PNG lies beside a JPEG."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from lopore.messages import counted, plain

from .name_forms import nfc

MASK_FOLDERS = frozenset(
    {"mask", "masks", "ground_truth", "groundtruth", "ground-truth", "gt", "segmentation", "segmentations"}
    | {"segmentationclass", "segmentationobject", "seg", "segs", "gts", "labels_masks", "mask_images", "maskes"}
)
DRAWN_FOLDERS = frozenset(
    {"label", "labels", "ann", "anno", "annos", "annot", "annotation", "annotations", "target", "targets", "truth"}
)
"""Folders of masks where a folder of images stands beside them; elsewhere a class may be called so."""
IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "jpegimages"})
SPLIT_FOLDERS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_WORD = r"(?:mask|masks|gt|ground[_-]?truth|seg|segmentation)"
_MASK_NAME = re.compile(rf"^(?P<image>.+?)[_.-]{_WORD}(?:[_-]?[0-9]{{1,4}})?$", re.IGNORECASE)
_NUMBERED = re.compile(r"^(?P<image>.+?)[_-][0-9]{1,4}$")
_IMAGE_SUFFIX = re.compile(r"^(?P<image>.+)[._](?:png|jpe?g|tiff?|bmp|dcm)$", re.IGNORECASE)


def names_a_mask(name: str) -> bool:
    """Whether a path names a mask: ``NAME_mask``, ``NAME_gt``, also numbered, or anything in a folder of masks."""
    path = PurePosixPath(name)
    in_folder = any(part.lower() in MASK_FOLDERS for part in path.parent.parts)
    return in_folder or _MASK_NAME.match(path.stem) is not None


def in_folders_beside_images(names: Collection[str]) -> set[str]:
    """The images below ``labels``, ``annotations`` and the like where ``images`` stands beside them: masks."""
    homes = {
        path.parents[depth].parent
        for path in map(PurePosixPath, names)
        for depth in range(len(path.parts) - 1)
        if path.parents[depth].name.lower() in IMAGE_FOLDERS
    }
    return {
        name
        for name in names
        if any(up.name.lower() in DRAWN_FOLDERS and up.parent in homes for up in PurePosixPath(name).parents)
    }


@dataclass(frozen=True)
class MaskPairs:
    """partner: image -> its masks, sorted. alone: masks of no image. faults: (mask, why it is not paired)."""

    partner: dict[str, tuple[str, ...]]
    alone: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()


def pair_masks(images: Sequence[str], masks: Collection[str], folder_of_masks: str = "") -> MaskPairs:
    """Pair by name, within the class folder of the mask where it lies in one.

    ``NAME.png``, ``NAME_mask.png``, ``NAME_gt.png`` and the numbered ``NAME_0.png``, ``NAME_mask_1.png`` are masks of
    the image NAME; several are marks of one image. A mask in a class folder (``ground_truth/lop/000_mask.png``)
    belongs to an image of that folder only, one on a split to an image of that split.
    folder_of_masks: POSIX, a folder that holds masks, whatever its name.
    """
    by_stem: dict[str, list[str]] = defaultdict(list)
    for image in images:
        by_stem[nfc(PurePosixPath(image).stem)].append(image)
    partner: dict[str, list[str]] = defaultdict(list)
    alone: list[str] = []
    faults: list[tuple[str, str]] = []
    for mask in sorted(masks):
        found = _images_of(mask, by_stem, folder_of_masks)
        if len(found) == 1:
            partner[found[0]].append(mask)
        elif found:
            fits = f"fits {len(found)} images, such as {plain(found[0], 80)} and {plain(found[1], 80)}"
            faults.append((mask, f"{fits}; put masks into a folder for each class, or name them in a CSV"))
        else:
            alone.append(mask)
    return MaskPairs({image: _of_classes(found) for image, found in partner.items()}, tuple(alone), tuple(faults))


def _of_classes(masks: list[str]) -> tuple[str, ...]:
    """Without Pascal VOC's masks of objects where those of classes lie beside them: numbers would be added up."""
    objects = {mask for mask in masks if "segmentationobject" in map(str.lower, PurePosixPath(mask).parts)}
    return tuple(mask for mask in masks if mask not in objects) or tuple(masks)


def stems_of(mask: str) -> list[str]:
    """Names of the image that a mask may belong to, the most literal first."""
    stem = nfc(PurePosixPath(mask).stem)
    found = [stem]
    for pattern in (_IMAGE_SUFFIX, _MASK_NAME, _NUMBERED):
        found += [hit.group("image") for name in tuple(found) if (hit := pattern.match(name))]
    return list(dict.fromkeys(found))


def _images_of(mask: str, by_stem: dict[str, list[str]], folder_of_masks: str) -> list[str]:
    """The images that a mask may belong to: those of its own folders, else those on the test split (MVTec)."""
    folders = _folders(mask, folder_of_masks)
    for stem in stems_of(mask):
        near = [image for image in by_stem.get(stem, []) if _ends_alike(folders, _folders(image, ""))]
        exact = [image for image in near if _folders(image, "") == folders]
        tested = [image for image in near if _split_of(image) == "test"]
        for found in (exact, near if len(near) == 1 else [], tested if len(tested) == 1 else []):
            if found:
                return found
        if near:
            return near
    return []


def _folders(name: str, folder_of_masks: str) -> tuple[str, ...]:
    if folder_of_masks and name.startswith(f"{folder_of_masks}/"):
        name = name[len(folder_of_masks) + 1 :]
    parts = PurePosixPath(name).parent.parts
    return tuple(nfc(part) for part in parts if part.lower() not in MASK_FOLDERS | IMAGE_FOLDERS | DRAWN_FOLDERS)


def _ends_alike(mask: tuple[str, ...], image: tuple[str, ...]) -> bool:
    """Whether every folder that a mask lies in is one of its image's, from the innermost outwards."""
    return not mask or image[-len(mask) :] == mask or mask[-len(image) :] == image != ()


def _split_of(name: str) -> str:
    return next(
        (SPLIT_FOLDERS[part.lower()] for part in PurePosixPath(name).parts[:-1] if part.lower() in SPLIT_FOLDERS), ""
    )


def remarks_on_masks(pairs: MaskPairs) -> list[str]:
    """How many images have masks, and which masks fit none, for a person."""
    several = sum(len(found) > 1 for found in pairs.partner.values())
    text = counted(len(pairs.partner), "image has", "images have") + " a mask"
    text += f" ({several} of them several, added up)" if several else ""
    if pairs.alone:
        lone = counted(len(pairs.alone), "mask fits", "masks fit")
        text += f"; {lone} no image, such as {plain(pairs.alone[0], 80)}: a mask bears its image's name"
    return [text]
