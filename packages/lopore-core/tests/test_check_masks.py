"""`lopore data check` opens every mask: values, share, and where label and mask disagree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from made.commands import lopore
from made.films import smooth
from made.images import save
from numpy.typing import NDArray


def checked(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    report = json.loads(lopore("data", "check", folder, "--json").stdout)
    return {finding["code"]: finding for finding in report["findings"]}, report


def make(folder: Path, **masks: NDArray[np.uint8] | None) -> Path:
    """class_number -> its mask."""
    for number, (name, mask) in enumerate(masks.items()):
        label = name.rsplit("_", 1)[0]
        save(folder / label / f"{name}.png", smooth(number))
        if mask is not None:
            save(folder / "masks" / label / f"{name}.png", mask)
    return folder


def box(value: int, ring: int = 0) -> NDArray[np.uint8]:
    mask = np.zeros((96, 96), np.uint8)
    mask[18:42, 18:42] = ring
    mask[20:40, 20:40] = value
    return mask


def test_masks_that_fit_give_facts_and_no_finding(tmp_path: Path) -> None:
    found, report = checked(make(tmp_path, pore_0=box(255), pore_1=box(255), ok_0=box(0), ok_1=None))
    assert not {code for code in found if code.startswith("mask")}
    assert report["masks"]["values"] == {"0, 255": 2, "0": 1}
    assert report["masks"]["marked_share"]["median"] == 400 / 96**2


def test_an_empty_mask_of_a_defect_and_a_marked_sound_film_are_errors(tmp_path: Path) -> None:
    found, _ = checked(make(tmp_path, pore_0=box(255), pore_1=box(0), ok_0=box(255)))
    assert found["mask-empty"]["paths"] == ["pore/pore_1.png"]
    assert found["mask-of-a-sound-image"]["paths"] == ["ok/ok_0.png"]


def test_a_class_of_empty_masks_may_be_the_sound_one(tmp_path: Path) -> None:
    found, _ = checked(make(tmp_path, pore_0=box(255), pore_1=box(255), MT_Free_0=box(0), MT_Free_1=box(0)))
    assert "--sound 'MT_Free'" in found["mask-empty-class"]["message"]
    assert "mask-empty" not in found
    assert "MT_Free" in found["no-sound-class"]["message"]


def test_a_mark_over_most_of_the_film_may_be_inverted(tmp_path: Path) -> None:
    found, _ = checked(make(tmp_path, pore_0=255 - box(255), pore_1=255 - box(255)))
    assert len(found["mask-inverted"]["paths"]) == 2


def test_a_ring_of_255_is_told_as_not_known_and_255_alone_beside_it_is_an_error(tmp_path: Path) -> None:
    made = make(tmp_path, lop_0=box(1, 255), lop_1=box(1, 255), pore_0=box(2, 255), pore_1=box(0, 255))
    found, report = checked(made)
    assert report["masks"]["unknown_share"] > 0
    assert found["mask-ring-alone"]["paths"] == ["pore/pore_1.png"]


def test_a_number_that_means_another_class_elsewhere_is_an_error(tmp_path: Path) -> None:
    masks = {f"lop_{n}": box(1) for n in range(5)} | {f"pore_{n}": box(2) for n in range(4)} | {"pore_4": box(1)}
    found, _ = checked(make(tmp_path, **masks))
    assert found["mask-class"]["paths"] == ["pore/pore_4.png"]


def test_another_size_a_missing_and_a_broken_mask_are_named_apart(tmp_path: Path) -> None:
    made = make(tmp_path, pore_0=box(255)[:50], pore_1=box(255), pore_2=box(255))
    (made / "masks" / "pore" / "pore_1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    found, _ = checked(made)
    assert found["mask-size"]["paths"] == ["pore/pore_0.png"]
    assert found["mask-unreadable"]["paths"] == ["pore/pore_1.png"]
