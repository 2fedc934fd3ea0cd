"""``lopore inspect``: films to a folder each, done once, one bad film never stopping the rest."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from made.models import publish_areas
from made.whole_films import disc, ground

from lopore.indications.film_inspection import FilmInspection
from lopore.inference.jobs import folder_names
from lopore.reading.encode import write_radiograph

Invoke = Callable[..., Result]
RULES = """
title: Own rules
source: made up for a test
variables: {thickness: {}}
rules:
- {name: Size of a pore, applies_to: [pore], check: largest, measure: diameter, limit: 0.1 * thickness, unit: mm}
- {name: No crack, applies_to: ["100"], check: not_permitted}
"""
FILES = {
    "inspection.json", "indications.csv", "indications.coco.json", "indications.dcm", "marked.png", "heat.png",
    "report.html",
}  # fmt: skip


@pytest.fixture
def welds(tmp_path: Path) -> Path:
    """Three films, one without a mark, and a broken file; the model ``areas``."""
    publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    for number, marks in enumerate([[(50, 40, 12), (150, 60, 25)], [], [(90, 30, 9)]]):
        pixels = ground(100, 220)
        for x, y, diameter in marks:
            disc(pixels, x, y, diameter)
        write_radiograph(pixels, tmp_path / "welds" / f"film{number}.png")
    (tmp_path / "welds" / "broken.png").write_bytes((tmp_path / "welds" / "film0.png").read_bytes()[:300])
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path / "welds"


def test_a_folder_of_films_is_inspected_and_a_bad_film_is_reported(invoke: Invoke, welds: Path) -> None:
    result = invoke("inspect", "areas", "welds", "--out", "out", "--no-pdf", "--mm-per-pixel", "0.1")
    assert result.exit_code == 1
    assert "3 inspected, 1 failed" in result.stderr
    out = welds.parent / "out"
    for number, count in enumerate((2, 0, 1)):
        folder = out / f"film{number}"
        assert {path.name for path in folder.iterdir()} == FILES
        found = FilmInspection.from_json((folder / "inspection.json").read_bytes())
        assert len(found.indications) == count
    rows = list(csv.DictReader((out / "films.csv").open()))
    assert [row["indications"] for row in rows] == ["2", "0", "1"]
    assert float(rows[0]["largest_mm"]) == pytest.approx(2.5, abs=0.2)
    assert not (out / ".work").exists()


def test_the_tables_and_images_show_the_marks(invoke: Invoke, welds: Path) -> None:
    invoke("inspect", "areas", str(welds / "film0.png"), "--out", "out", "--no-pdf", "--mm-per-pixel", "0.1")
    folder = welds.parent / "out" / "film0"
    rows = list(csv.DictReader((folder / "indications.csv").open()))
    assert [(row["class"], row["iso_6520"], row["status"]) for row in rows] == [("pore", "2011", "indication")] * 2
    coco = json.loads((folder / "indications.coco.json").read_text())
    large = max(coco["annotations"], key=lambda item: item["area"])
    assert large["bbox"] == pytest.approx([137.5, 47.5, 25, 25], abs=1.5)
    assert coco["categories"][large["category_id"] - 1]["name"] == "pore"
    polygon = np.array(large["segmentation"][0], np.float32).reshape(-1, 2)
    assert cv2.contourArea(polygon) == pytest.approx(large["area"], rel=0.05)
    marked = cv2.imread(str(folder / "marked.png"))
    assert marked.shape == (100, 220, 3)
    assert np.ptp(marked[60, 137:140].astype(int), axis=1).max() > 60  # the outline is drawn in colour
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png") == 2 + 2 * 2
    assert "http:" not in page
    assert 'src="http' not in page


def test_a_verdict_names_the_rule_and_the_marks(invoke: Invoke, welds: Path) -> None:
    asked = ("inspect", "areas", str(welds / "film0.png"), "--profile", "rules.yaml", "--mm-per-pixel", "0.1")
    result = invoke(*asked, "--set", "thickness=20", "--json")
    found = FilmInspection.from_json(result.stdout)
    assert found.verdict is not None
    assert (found.verdict.answer, [rule.answer for rule in found.verdict.rules]) == ("reject", ["broken", "undecided"])
    (fired,) = found.verdict.fired
    assert found.indications[fired - 1].diameter_mm == pytest.approx(2.5, abs=0.1)
    without = FilmInspection.from_json(invoke(*asked, "--json").stdout)
    assert without.verdict is not None
    assert without.verdict.answer == "undecided"
    assert "--set thickness=" in without.verdict.rules[0].reason


def test_what_is_done_is_passed_over_and_other_options_are_not_mixed_in(invoke: Invoke, welds: Path) -> None:
    asked = ("inspect", "areas", str(welds / "film0.png"), "--out", "out", "--no-pdf")
    assert invoke(*asked).exit_code == 0
    record = welds.parent / "out" / "film0" / "inspection.json"
    before = record.stat().st_mtime_ns
    again = invoke(*asked)
    assert again.exit_code == 0
    assert "is done in" in again.stderr
    other = invoke(*asked, "--threshold", "0.8")
    assert other.exit_code == 1
    assert "holds another inspection; name another --out, or remove it" in other.stderr
    assert record.stat().st_mtime_ns == before


def test_films_of_one_name_get_folders_of_their_own() -> None:
    paths = [Path("a/weld.png"), Path("b/weld.png"), Path("c/other one.tif")]
    assert folder_names(paths) == ["a__weld.png", "b__weld.png", "other_one"]


BAD = [
    (("--profile", "absent.yaml"), "absent.yaml cannot be read"),
    (("--profile", "rules.yaml", "--set", "thicknes=3"), "did you mean thickness"),
    (("--profile", "rules.yaml", "--set", "thickness"), "is no NAME=VALUE"),
    (("--set", "thickness=3"), "name one with --profile"),
    (("--exclude", "1,2,3"), "is no rectangle"),
    (("--shard", "3/2"), "write I/N"),
    (("--halo", "16"), "leaves nothing of a tile"),
    (("--min-length-mm", "1"), "give the pitch with --mm-per-pixel"),
    (("--mode", "dense"), "dense"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_a_wrong_option_is_one_line(invoke: Invoke, welds: Path, options: tuple[str, ...], message: str) -> None:
    result = invoke("inspect", "areas", str(welds / "film0.png"), "--out", "out", *options)
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if message in line]
    assert len(lines) == 1, result.stderr
    assert not list((welds.parent / "out").glob("film*")) if (welds.parent / "out").exists() else True


def test_names_from_outside_are_text_in_the_report(invoke: Invoke, welds: Path) -> None:
    hostile = welds / "<img src=x onerror=alert(1)>.png"
    (welds / "film0.png").rename(hostile)
    assert invoke("inspect", "areas", str(hostile), "--out", "out", "--no-pdf").exit_code == 0
    (page,) = (welds.parent / "out").glob("*/report.html")
    assert "<img src=x" not in page.read_text()
    assert "&lt;img src=x" in page.read_text()
