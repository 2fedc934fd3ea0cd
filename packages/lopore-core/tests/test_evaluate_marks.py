"""``lopore eval`` counts single indications: of images with masks, of whole films, by sections; and grades them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from made.models import bright_areas, publish, publish_areas, record_for
from made.whole_films import disc, ground

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.errors import ConfigError, DataError
from lopore.evaluation.marks.grading import read_recognition_profile
from lopore.evaluation.marks.sections import read_sections
from lopore.reading.radiograph import write_radiograph
from lopore.record.model import Threshold
from lopore.record.preprocessing import Preprocessing

Invoke = Callable[..., Result]
MARKS = {"a": [(40, 30, 12), (120, 60, 20)], "b": [(60, 50, 16)], "c": []}
"""Discs on each film: x, y and diameter in px; the truth."""
DRAWN = {"a": [(40, 30, 12)], "b": [(63, 50, 16), (150, 25, 14)], "c": []}
"""What shows on the film: one mark of a is invisible, one of b is 3 px off, another disc is no mark."""


@pytest.fixture
def welds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three whole films of 200 x 80 px with masks, and a model of tiles of 32 px whose probability is brightness."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "masks").mkdir()
    rows = []
    for name in MARKS:
        film, mask = ground(80, 200), np.zeros((80, 200), np.uint8)
        for x, y, diameter in DRAWN[name]:
            disc(film, x, y, diameter)
        for x, y, diameter in MARKS[name]:
            disc(mask, x, y, diameter, 255)
        mask = np.where(mask > 127, 1, 0).astype(np.uint8)
        mask[:, 190:] = 255 * bool(MARKS[name])  # the end of the film was not looked at
        write_radiograph(film, tmp_path / f"{name}.png")
        write_radiograph(mask, tmp_path / "masks" / f"{name}.png")
        marked = bool(MARKS[name])
        rows.append(
            Row(
                path=f"{name}.png", labels=("pore",) if marked else ("no_defect",), split="test", mm_per_pixel=0.1,
                mask=(f"masks/{name}.png",) if marked else (), group=name,
            )
        )  # fmt: skip
    Manifest(tuple(rows), tmp_path).write(tmp_path / "films.csv")
    plan = Preprocessing(size=(32, 32), resize="tile", mm_per_pixel=0.1)
    threshold = Threshold(value=0.6, rule="f1", chosen_on="val")
    record = record_for(
        name="tiles", task="segmentation", classes=("pore", "slag"), preprocessing=plan, threshold=threshold
    )
    publish(tmp_path / "models" / "final" / "tiles" / "1", bright_areas(), record)
    return tmp_path


def test_whole_films_are_scored_mark_by_mark(welds: Path, invoke: Invoke) -> None:
    asked = ("eval", "tiles", "--manifest", "films.csv", "--out", "report")
    found = invoke(*asked, "--json")
    assert found.exit_code == 0, found.stderr
    metrics = json.loads(found.stdout)
    pore = metrics["indications"]["per_class"]["pore"]
    assert (pore["films"], pore["marks"], pore["hit"], pore["false_calls"]) == (3, 3, 2, 1)
    assert pore["hits"]["value"] == pytest.approx(2 / 3)
    assert pore["false_per_film"]["value"] == pytest.approx(1 / 3)
    assert pore["false_per_100_mm"]["value"] == pytest.approx(1 / 0.58)  # 19 + 19 + 20 mm are known
    assert metrics["indications"]["per_class"]["slag"]["marks"] == 0
    assert metrics["images"] == 3
    with Path("report/marks.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["film"], row["class"], row["hit"]) for row in rows] == [
        ("a.png", "pore", "1"), ("a.png", "pore", "0"), ("b.png", "pore", "1"),
    ]  # fmt: skip
    assert float(rows[0]["diameter_mm"]) == pytest.approx(1.2, abs=0.06)
    with Path("report/false_calls.csv").open(newline="") as stream:
        (call,) = csv.DictReader(stream)
    assert (call["film"], call["class"]) == ("b.png", "pore")
    assert float(call["x0"]) == pytest.approx(143, abs=1.5)
    page = Path("report/report.html").read_text()
    for text in ("<h2>Indications</h2>", "Free response", "<h2>Missed marks</h2>", "<h2>False calls</h2>"):
        assert text in page
    assert page.count("pore, missed") == 1
    summary = invoke(*asked).stdout
    assert "  pore: 2 of 3 marks hit; 1 false calls" in summary
    assert "    hits at 0.5      1.000" in summary  # at 0.1 this model's ground is a region that meets every mark


def test_the_table_of_marks_is_what_pod_reads(welds: Path, invoke: Invoke) -> None:
    invoke("eval", "tiles", "--manifest", "films.csv", "--out", "report")
    found = invoke("pod", "report/marks.csv", "--size", "diameter_mm", "--group", "film")
    assert found.exit_code == 3
    assert "3 flaws on 2 films, 2 found" in found.stdout


def test_images_that_the_network_sees_whole_are_scored_alike(welds: Path, invoke: Invoke) -> None:
    publish_areas(welds / "models" / "final" / "areas" / "1")
    films = Manifest.read(welds / "films.csv")
    found = invoke("eval", "areas", "--manifest", films.location, "--out", "report", "--json")
    assert found.exit_code == 0, found.stderr
    pore = json.loads(found.stdout)["indications"]["per_class"]["pore"]
    assert (pore["marks"], pore["hit"], pore["false_calls"]) == (3, 2, 1)


SECTIONS = "film,begin_mm,end_mm,class,length_mm\na,0,10,pore,1.2\na,10,20,pore,2\nb,0,10,gas cavity,\nc,,,,\n"


def test_sections_give_hits_by_place_and_a_grade(welds: Path, invoke: Invoke) -> None:
    Path("sections.csv").write_text(SECTIONS)
    Path("levels.yaml").write_text(
        "title: Own levels\nsource: tests\niou: 0.1\nkey_classes: [pore]\n"
        "levels:\n  - {name: low, wdr: 0.5, kdr: 0.4, frr: 0.5}\n  - {name: high, wdr: 0.9, kdr: 0.9, frr: 0.1}\n"
    )
    options = ("--sections", "sections.csv", "--grade", "levels.yaml", "--json")
    found = invoke("eval", "tiles", "--manifest", "films.csv", "--out", "report", *options)
    assert found.exit_code == 0, found.stderr
    seen = json.loads(found.stdout)["indications"]
    any_class = seen["per_class"]["any class"]
    assert seen["matched_by"] == "place along the film"
    # a: the first pore is met; b: the cavity by its disc, and the other disc at 15 mm meets nothing.
    assert (any_class["marks"], any_class["hit"], any_class["false_calls"]) == (3, 2, 1)
    assert any_class["by_truth"] == {"pore": [1, 2], "gas cavity": [1, 1]}
    grade = json.loads(Path("report/grade.json").read_text())
    assert (grade["marks"], grade["key_marks"], grade["sound_films"]) == (3, 2, 1)
    assert grade["rates"]["wdr"]["value"] == pytest.approx(2 / 3)
    assert grade["rates"]["tdr"]["value"] == pytest.approx(1 / 3)  # the cavity is called a pore
    assert grade["rates"]["kdr"]["value"] == pytest.approx(1 / 2)
    assert grade["rates"]["frr"]["value"] == 0
    assert (grade["observed"], grade["supported"]) == ("low", "")
    assert "Level that their 95 % bounds support: none." in found.stderr


def test_masks_are_graded_by_the_overlap_of_boxes(welds: Path, invoke: Invoke) -> None:
    text = "title: T\nsource: S\niou: {}\nlevels: [{{name: one, wdr: 0.5}}]\n"
    for iou, found in ((0.1, 2 / 3), (0.9, 1 / 3)):
        Path("levels.yaml").write_text(text.format(iou))
        invoke("eval", "tiles", "--manifest", "films.csv", "--out", "report", "--grade", "levels.yaml")
        assert json.loads(Path("report/grade.json").read_text())["rates"]["wdr"]["value"] == pytest.approx(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("film,begin_mm\na,1\n", "has no column 'end_mm'; it needs film, begin_mm, end_mm, class"),
        ("film,begin_mm,end_mm,class\na,9,3,pore\n", "line 2: '9' to '3' is no place in mm"),
        ("film,begin_mm,end_mm,class,length_mm\na,1,3,pore,-1\n", "line 2: length_mm '-1' is no positive number"),
        ("film,begin_mm,end_mm,class\n,1,3,pore\n", "line 2: film is empty"),
        ("film,begin_mm,end_mm,class\n", "holds no film"),
    ],
)
def test_a_table_of_sections_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "sections.csv").write_text(text)
    with pytest.raises(DataError) as refused:
        read_sections(tmp_path / "sections.csv")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "holds no profile"),
        ("title: T\nsource: S\niou: 0.1\nlevels: [{name: a, wdr: 2}]", "wdr"),
        ("title: T\nsource: S\niou: 0.1\nlevels: [{name: a, wdrr: 0.5}]", "wdr"),
        ("title: T\nsource: S\niou: 0.1\nlevels: [{name: a, wdr: 0.5}, {name: a, wdr: 0.6}]", "two levels are called"),
        ("title: T\nsource: S\niou: 0.1\nlevels: [{name: a, wdr: 0.9}, {name: b, wdr: 0.6}]", "asks 0.6 of wdr, less"),
        ("title: T\nsource: S\niou: 0.1\nlevels: [{name: a, frr: 0.1}, {name: b, frr: 0.2}]", "asks 0.2 of frr, less"),
        ("title: T\nsource: S\niou: 0.1\nlevels: [{name: a, kdr: 0.9}]", "key_classes names no class"),
    ],
)
def test_a_profile_of_levels_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "levels.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        read_recognition_profile(tmp_path / "levels.yaml")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_example_profile_is_read_and_says_that_it_is_invented() -> None:
    root = Path(__file__).parents[3]
    profile = read_recognition_profile(root / "examples" / "recognition" / "grades.yaml")
    assert profile.invented
    assert len(profile.levels) == 3
    assert len(profile.sha256) == 64
