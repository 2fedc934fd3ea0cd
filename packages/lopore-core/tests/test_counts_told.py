"""One image is an image: counts in messages, from sets of one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from click.testing import Result

from lopore.reading.encode import write_radiograph

Invoke = Callable[..., Result]

_ONE_OF_MANY = re.compile(
    r"(?<![\w.])1 (images|films|files|images|groups|pairs|masks|rows|lines|entries|values|families|errors|warnings|"
    r"other files|names|detections|decisions|classes)\b"
)


def film(place: str, seed: int, *, bits: int = 8) -> None:
    kind = np.uint8 if bits == 8 else np.uint16
    write_radiograph(np.random.default_rng(seed).integers(0, 2**bits, (48, 48), kind), Path(place))


def said(invoke: Invoke, *words: str) -> str:
    done = invoke(*words)
    text = f"{done.stdout}\n{done.stderr}"
    assert not _ONE_OF_MANY.findall(text), text
    return text


def test_a_set_with_one_of_everything_is_told_in_the_singular(tmp_path: Path, invoke: Invoke) -> None:
    film("films/pore/a.png", 1)
    film("films/ok/b.png", 2)
    film("films/masks/b_mask.png", 3)
    film("films/masks/c_mask.png", 4)
    film("films/loose.png", 5, bits=16)
    Path("films/notes.txt").write_text("text", encoding="utf-8")
    Path("films/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    told = said(invoke, "data", "index", "films", "--group-pattern", "^(a)")
    assert "1 other file was passed over" in told
    assert "1 image has a mask; 1 mask fits no image, such as masks/c_mask.png: a mask bears its image's name" in told
    assert "1 file was left out" in told
    checked = said(invoke, "data", "check", "films")
    assert "1 image has no label and no part in training" in checked
    assert "4 images: " in checked


def test_a_table_with_one_gap_is_told_in_the_singular(tmp_path: Path, invoke: Invoke) -> None:
    film("a.png", 1)
    film("b.png", 2)
    Path("labels.csv").write_text("path,pore,slag,weld\na.png,0,,W1\nb.png,1,0,W1\n", encoding="utf-8")
    told = said(invoke, "data", "index", "labels.csv")
    assert "1 line leaves class columns empty" in told
    assert "1 image has no label" in told
    assert "groups from a column (1 value)" in told
    assert "2 images in 1 group; wrote" in told


def test_a_leak_of_one_pair_is_told_in_the_singular(tmp_path: Path, invoke: Invoke) -> None:
    film("films/train/pore/a.png", 1)
    film("films/test/pore/b.png", 1)
    film("films/train/ok/c.png", 2)
    assert "1 pair in two splits" in said(invoke, "data", "check", "films")


def test_made_films_of_one_are_told_in_the_singular(tmp_path: Path, invoke: Invoke) -> None:
    told = said(invoke, "data", "synth", "films", "--films", "1", "--size", "64", "--class", "pore")
    assert "1 film in films" in told
