"""``lopore eval``: an answer for every image, scores that agree with a hand count, a page that needs no network."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from hypothesis import assume, given
from hypothesis import strategies as st
from made.models import publish, record_for

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.errors import DataError
from lopore.evaluation.evaluate import evaluate
from lopore.evaluation.report.curves import precision_recall_points, roc_points
from lopore.evaluation.training_manifest import training_manifest
from lopore.models.opening import open_model
from lopore.reading.encode import write_radiograph
from lopore.record.folder import ModelFolder
from lopore.record.model import LeakReport, Threshold

Invoke = Callable[..., Result]


@pytest.fixture
def manifest(films: Path) -> Path:
    """Twelve films of six welds; a bright one is wrongly called sound, a dark one wrongly called a pore."""
    rows = []
    for path in sorted(films.rglob("*.png")):
        name, number = path.parent.name, int(path.stem[-1])
        label = {"pore5": "no_defect", "no_defect5": "pore"}.get(path.stem, name)
        group, side = f"weld {number}", ("test" if number else "train")
        rows.append(Row(path=f"films/{name}/{path.name}", labels=(label,), group=group, split=side))
    return Manifest(tuple(rows), films.parent).write(films.parent / "films.csv").location or Path()


def scored(invoke: Invoke, *arguments: object) -> Result:
    return invoke("eval", "bright", "--manifest", "films.csv", "--out", "report", *arguments)


def test_the_scores_are_those_of_a_hand_count(manifest: Path, invoke: Invoke) -> None:
    found = scored(invoke, "--json")
    assert found.exit_code == 0, found.stderr
    metrics = json.loads(found.stdout)
    assert json.loads(Path("report/metrics.json").read_text()) == metrics
    assert (metrics["images"], metrics["groups"]) == (10, 5)
    assert metrics["confusion"] == [[4, 1], [1, 4]]
    pore = metrics["per_class"]["pore"]
    assert (pore["tp"], pore["fp"], pore["fn"]) == (4, 1, 1)
    assert pore["precision"]["value"] == pore["recall"]["value"] == pytest.approx(0.8)
    low, high = pore["recall"]["low"], pore["recall"]["high"]
    assert 0 <= low < 0.8 < high <= 1


def test_every_picture_has_its_row_with_truth_and_answer(manifest: Path, invoke: Invoke) -> None:
    scored(invoke)
    with Path("report/predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 10
    wrong = {row["path"] for row in rows if row["correct"] == "0"}
    assert wrong == {"films/pore/pore5.png", "films/no_defect/no_defect5.png"}
    assert all((row["predicted"] == "pore") == (float(row["score:pore"]) > 0.5) for row in rows)


class _Page(HTMLParser):
    """What a browser would make of the report."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "action")]
        assert not any(name.startswith("on") for name, _ in attributes)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_report_loads_nothing_and_shows_the_worst_mistakes_with_heat(manifest: Path, invoke: Invoke) -> None:
    scored(invoke)
    text = Path("report/report.html").read_text()
    page = _Page(text)
    outside = [link for link in page.links if not link.startswith(("data:image/", "#"))]
    assert outside == []
    assert not re.search(r"url\((?!#)|@import|<script", text)
    assert page.tags.count("svg") == 2
    assert page.words.count("Too few films to tell whether scores") == 3
    assert page.tags.count("img") == 4  # one false positive and one false negative, each with its heat
    assert "one scale for all images" in page.words
    assert "films/no_defect/no_defect5.png" in page.words
    assert "no certification" in page.words


def test_names_with_markup_are_shown_as_text(films: Path, invoke: Invoke) -> None:
    bad = "<script>alert(1)</script>"
    record = record_for(classes=("no_defect", bad), name="bright", licence=bad)
    shutil.rmtree("models")
    publish(Path("models/final/bright/1"), record=record)
    name = "films/<img src=x onerror=alert(1)>.png"
    write_radiograph(np.full((20, 20), 20, np.uint8), Path(name))
    rows = [Row(path=name, labels=(bad,), split="test", group="</title>")]
    rows += [Row(path=f"films/no_defect/no_defect{i}.png", labels=("no_defect",), split="test") for i in range(3)]
    Manifest(tuple(rows), films.parent).write(Path("films.csv"))
    found = scored(invoke)
    assert found.exit_code == 0, found.stderr
    page = _Page(Path("report/report.html").read_text())
    assert "script" not in page.tags
    assert bad in page.words
    assert name in page.words
    assert page.links
    assert all(link.startswith(("data:image/", "#")) for link in page.links)


def test_files_that_cannot_be_read_are_named_and_in_none_of_the_scores(manifest: Path, invoke: Invoke) -> None:
    Path("films/pore/pore1.png").unlink()
    Path("films/pore/pore2.png").write_bytes(Path("films/pore/pore2.png").read_bytes()[:200])
    found = scored(invoke)
    assert found.exit_code == 1
    assert "lopore: films/pore/pore1.png does not exist" in found.stderr.replace(f"{Path.cwd()}/", "")
    assert "pore2.png is cut short or damaged" in found.stderr
    assert found.stderr.splitlines()[-1] == "8 scored, 2 failed"
    metrics = json.loads(Path("report/metrics.json").read_text())
    assert metrics["images"] == 8
    assert "2 files could not be read" in metrics["notes"][0]


def test_a_leaky_model_says_so_in_its_report(films: Path, manifest: Path, invoke: Invoke) -> None:
    leaks = LeakReport(split_kind="random", leaks=7, allowed=True)
    shutil.rmtree("models")
    publish(Path("models/final/bright/1"), record=record_for(leaks=leaks))
    assert "too good and prove nothing" in scored(invoke).stderr
    assert "too good and prove nothing" in Path("report/report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--split", "val"), "no image stands in 'val'; split the manifest with `lopore data split`"),
        (("--manifest", "gone.csv"), "name the manifest with --manifest"),
    ],
)
def test_nothing_to_score_is_one_line_and_writes_nothing(
    manifest: Path, invoke: Invoke, arguments: tuple[str, str], said: str
) -> None:
    found = scored(invoke, *arguments)
    assert found.exit_code == 1
    assert len(found.stderr.splitlines()) == 1
    assert said in found.stderr
    assert not Path("report").exists()


def test_a_model_without_a_config_asks_for_the_manifest(model_folder: ModelFolder) -> None:
    with pytest.raises(
        DataError, match=r"has no config\.yaml that names its manifest; name the manifest with --manifest"
    ):
        training_manifest(model_folder)


def test_classes_that_the_model_does_not_know_are_refused(manifest: Path, model_folder: ModelFolder) -> None:
    films = Manifest.read(manifest)
    foreign = Manifest((*films.rows, Row(path="films/x.png", labels=("crack",), split="test")), films.root)
    with pytest.raises(
        DataError, match="the images carry crack, which the model does not know; it knows no_defect, pore"
    ):
        evaluate(open_model(model_folder), foreign, split="test")


def test_a_binary_model_scores_a_side_of_sound_films_alone(manifest: Path, tmp_path: Path) -> None:
    threshold = Threshold(value=0.5, rule="fixed", chosen_on="")
    record = record_for(task="binary", positive="pore", threshold=threshold)
    folder = publish(tmp_path / "binary" / "1", record=record)
    films = Manifest.read(manifest)
    sound = films.select(
        [i for i, row in enumerate(films.rows) if row.labels == ("no_defect",) and row.split == "test"]
    )
    found = evaluate(open_model(folder), sound, split="test")
    assert found.metrics.overall["roc_auc"].value is None
    assert found.metrics.per_class["pore"].fp == 1


def test_pictures_that_nobody_labelled_are_no_sound_ones_and_are_told(
    manifest: Path, model_folder: ModelFolder
) -> None:
    films = Manifest.read(manifest)
    blank = replace(films, rows=tuple(replace(row, labels=()) if "pore1" in row.path else row for row in films.rows))
    found = evaluate(open_model(model_folder), blank, split="test")
    assert found.metrics.images == 9
    assert "1 image carries no label and counts in none of the scores." in found.metrics.notes
    nothing = replace(films, rows=tuple(replace(row, labels=()) for row in films.rows))
    with pytest.raises(DataError, match="none of the 10 images in 'test' carries a label"):
        evaluate(open_model(model_folder), nothing, split="test")


def test_defects_that_a_binary_model_never_learned_are_told_and_sound_films_of_another_name_are_not(
    manifest: Path, tmp_path: Path
) -> None:
    threshold = Threshold(value=0.5, rule="fixed", chosen_on="")
    record = record_for(task="binary", positive="pore", threshold=threshold)
    model = open_model(publish(tmp_path / "binary" / "1", record=record))
    films = Manifest.read(manifest)

    def notes(label: str) -> tuple[str, ...]:
        rows = tuple(
            replace(row, labels=(label,)) if row.labels == ("no_defect",) and "1" in row.path else row
            for row in films.rows
        )
        return evaluate(model, replace(films, rows=rows), split="test").metrics.notes

    assert notes("crack") == ("1 image carries crack, which the model was not trained on; it counts as no_defect.",)
    assert notes("sound") == ()


def test_a_report_draws_the_reliability_of_each_class_and_names_with_formulas_as_they_are(
    films: Path, invoke: Invoke
) -> None:
    names = ("$x_{ 气孔", "_pore$")
    shutil.rmtree("models")
    publish(Path("models/final/bright/1"), record=record_for(classes=names, name="bright"))
    rows = []
    for number in range(48):
        path = Path(f"films/{number}.png")
        write_radiograph(np.full((20, 20), 40 + 4 * number, np.uint8), path)
        rows.append(Row(path=path.as_posix(), labels=(names[number % 3 == 0],), split="test", group=f"weld {number}"))
    Manifest(tuple(rows), films.parent).write(Path("films.csv"))
    found = scored(invoke)
    assert found.exit_code == 0, found.stderr
    page = _Page(Path("report/report.html").read_text())
    assert page.tags.count("svg") == 2 + 3  # the top label and two classes
    assert page.tags.count("table") == 1 + 3 + 2  # figures, bins of each, classes, confusion
    assert "Of the" in page.words
    assert all(page.words.count(f"Reliability: {name}") == 1 for name in names)
    paper = json.loads(Path("report/metrics.json").read_text())["calibration"]
    assert [sum(one["images"] for one in paper[key]["bins"]) for key in ("top_label",)] == [48]
    assert "Are scores right as frequencies?" in found.stdout
    assert "brier" in found.stdout


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40))
def test_curves_are_those_of_scikit_learn_ties_included(pairs: list[tuple[int, bool]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    truth = np.array([there for _, there in pairs], np.int64)
    assume(0 < truth.sum() < len(truth))
    scores = np.array([score / 6 for score, _ in pairs], np.float32)
    expected = metrics.roc_curve(truth, scores, drop_intermediate=False)
    assert np.allclose(roc_points(scores, truth), expected[:2])
    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    assert np.allclose(precision_recall_points(scores, truth), (recall[::-1], precision[::-1]))


def test_an_evaluation_needs_no_scikit_learn_and_no_framework(manifest: Path, lopore: Callable[..., Any]) -> None:
    blocker = manifest.parent / "site"
    blocker.mkdir()
    for name in ("sklearn", "torch", "tensorflow", "pandas"):
        (blocker / f"{name}.py").write_text("raise ImportError('is not installed')")
    arguments = ("eval", "bright", "--manifest", "films.csv", "--out", "report")
    found = lopore(*arguments, PYTHONPATH=str(blocker))
    assert found.returncode == 0, found.stderr
