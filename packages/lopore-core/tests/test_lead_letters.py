"""Lead letters are read on request: a film's number, groups of one number, and marks on letters set aside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from lopore.cli import main
from lopore.data.film_numbers import with_film_numbers
from lopore.data.leaks import find_leaks
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import About, Row
from lopore.indications import InspectionOptions
from lopore.indications.letters import without_letters
from lopore.reading.lead_letters import LeadText, LetterReader, film_number


def lettered(text: str, seed: int, shape: tuple[int, int] = (220, 420)) -> np.ndarray:
    """A grainy film, darker than its lead letters, as 8-bit grey."""
    import cv2

    film = np.random.default_rng(seed).normal(90, 6, shape).astype(np.float32)
    letters = cv2.putText(np.zeros(shape, np.uint8), text, (40, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 5)
    film += cv2.GaussianBlur(letters, (0, 0), 1.2) * 0.45
    return np.clip(film, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def reader() -> LetterReader:
    pytest.importorskip("rapidocr", reason="the extra letters is not installed")
    return LetterReader()


def text(written: str, left: int = 0) -> LeadText:
    return LeadText(written, 0.9, (left, 0, left + 40, 20), 0)


@pytest.mark.parametrize(
    ("strings", "number"),
    [
        (("SLV", "A12", "10FEDIN"), "A12"),
        (("A48.1",), "A48.1"),
        (("SLV25", "15", "20"), "SLV25"),
        (("10FNDIN", "SLV273A"), "SLV273A"),
        (("C31", "10FEDI"), "C31"),
        (("TOEEDIN", "10ALDIN", "13FEEN", "6FE", "W10FEEN"), ""),
        (("SLV", "R"), ""),
        ((), ""),
    ],
)
def test_a_films_number_leaves_out_indicators_workshops_and_marks_of_a_tape(
    strings: tuple[str, ...], number: str
) -> None:
    assert film_number([text(one) for one in strings]) == number


@pytest.mark.parametrize("quarter", [0, 2])
def test_letters_are_read_on_a_film_of_any_way_up_with_their_place(reader: LetterReader, quarter: int) -> None:
    film = np.rot90(lettered("W481", 1), quarter)
    found = reader.read(np.ascontiguousarray(film))
    assert film_number(found) == "W481"
    assert found[0].turned == (360 - 90 * quarter) % 360
    left, top, right, bottom = found[0].box
    centre = np.array([(left + right) / 2, (top + bottom) / 2])
    expected = np.array([110, 50]) if quarter == 0 else np.array([420 - 110, 220 - 50])
    assert np.abs(centre - expected).max() < 25


def test_sixteen_bit_is_read_as_eight_and_boxes_are_in_pixels_of_the_film(reader: LetterReader) -> None:
    film = lettered("B37", 2)
    (deep,) = reader.read(film.astype(np.uint16) * 200)
    (reduced,) = reader.read(film, scale=0.5)
    assert deep.text == reduced.text == "B37"
    assert np.allclose(np.array(reduced.box) / 2, deep.box, atol=4)


def test_films_of_one_number_are_proposed_or_joined_and_leak_when_parted() -> None:
    rows = tuple(
        Row(path=f"{name}.png", labels=("pore",), split=split)
        for name, split in (("a", "train"), ("b", "test"), ("c", "test"))
    )
    manifest = Manifest(rows, Path(), About())
    proposed, notes = with_film_numbers(manifest, ["A12", "A12", ""], join=False)
    assert "A12 on 2" in notes[1] and "3 groups would become 2" in notes[1]
    assert len(set(proposed.group_ids().tolist())) == 3
    (leak,) = find_leaks(proposed).leaks
    assert (leak.why, leak.name) == ("same film number", "A12")
    joined, notes = with_film_numbers(manifest, ["A12", "A12", ""], join=True)
    assert "3 groups became 2" in notes[1]
    assert joined.rows[0].group == joined.rows[1].group == "A12"


def test_index_reads_the_numbers_of_films_and_joins_them(reader: LetterReader, tmp_path: Path) -> None:
    import cv2

    for name, number, seed in (("x", "W481", 3), ("y", "W481", 4)):
        (tmp_path / "films" / "pore").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "films" / "pore" / f"{name}.png"), lettered(number, seed))
    out = tmp_path / "films.csv"
    words = ["data", "index", str(tmp_path / "films"), "--out", str(out), "--groups", "none", "--letters", "join"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "read on 2 of 2 images" in result.output
    rows = {Path(row.path).stem: row for row in Manifest.read(out).rows}
    assert [rows[name].film_number for name in "xy"] == ["W481", "W481"]
    assert rows["x"].group == rows["y"].group == "W481"


def test_marks_on_letters_are_set_aside_only_where_that_was_asked() -> None:
    letters = [text("A12", 100)]
    assert without_letters(InspectionOptions(letters="read"), letters).exclude == ()
    (area,) = without_letters(InspectionOptions(letters="exclude"), letters).exclude
    assert area.box == (100, 0, 140, 20)
    assert area.reason == "lead letters A12"
