"""A segmentation model at work: detections from the command line, and their pixels against masks."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from made.films import film_with
from made.models import publish_areas
from numpy.typing import NDArray

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.errors import ModelError
from lopore.evaluation.evaluate import evaluate
from lopore.inference.predict import prepare
from lopore.inference.regions import DetectionRule
from lopore.inference.segment import SegmentationPrediction, detect, detect_files
from lopore.models.opening import open_model
from lopore.reading.encode import write_radiograph
from lopore.record.folder import ModelFolder

Invoke = Callable[..., Result]


@pytest.fixture
def unet(tmp_path: Path, model_folder: ModelFolder) -> ModelFolder:
    """``areas``: a segmentation model in models/final, beside the classifier ``bright``."""
    return publish_areas(tmp_path / "models" / "final" / "areas" / "1")


PORE, SPECK = (10, 20, 30, 36), (50, 50, 52, 52)


@pytest.fixture
def marked(tmp_path: Path, unet: ModelFolder) -> Path:
    """Films of four welds: pore with speck, pore, speck alone, nothing; masks half as wide as the pore of weld 1."""
    shown = {"a": (PORE, SPECK), "b": (PORE,), "c": (SPECK,), "d": ()}
    masks = {"a": PORE, "b": (10, 20, 20, 36)}
    rows = []
    for name, marks in shown.items():
        write_radiograph(film_with(*marks), tmp_path / "films" / f"{name}.png")
        mask = ""
        if name in masks:
            left, top, right, bottom = masks[name]
            truth = np.zeros((64, 64), np.uint8)
            truth[top:bottom, left:right] = 255
            mask = f"masks/{name}.png"
            write_radiograph(truth, tmp_path / mask)
        labels = ("pore",) if mask else ("no_defect",)
        rows.append(Row(path=f"films/{name}.png", labels=labels, group=f"weld {name}", split="test", mask=mask))
    return Manifest(tuple(rows), tmp_path).write(tmp_path / "films.csv").location or Path()


def test_one_prepared_film_gives_detections_for_the_app(marked: Path, unet: ModelFolder) -> None:
    model = open_model(unet)
    prepared = prepare(model.record, marked.parent / "films" / "a.png")
    seen = detect(model, prepared, DetectionRule(minimum_area_px=10))
    (found,) = seen.found
    assert (found.class_name, found.box, found.area_px) == ("pore", PORE, 320)
    assert found.centre == (20, 28)
    there = prepared.pixels[10:18, 5:15] / 255
    assert (found.peak, found.mean) == (pytest.approx(there.max()), pytest.approx(there.mean()))
    assert seen.dropped == 1
    assert seen.regions[0].sum() == 80


def test_the_threshold_of_a_rule_stands_for_that_of_the_model(marked: Path, unet: ModelFolder) -> None:
    path = marked.parent / "films" / "b.png"
    decisions = {}
    for threshold in (None, 0.89, 0.95):
        (answer,) = detect_files(open_model(unet), [path], DetectionRule(threshold=threshold))
        assert isinstance(answer, SegmentationPrediction)
        decisions[threshold] = answer.decision.threshold, answer.decision.labels, len(answer.detections)
        assert answer.rule.threshold == threshold
    assert decisions == {None: (0.6, ("pore",), 1), 0.89: (0.89, ("pore",), 1), 0.95: (0.95, (), 0)}


def test_predict_writes_a_table_of_detections_and_ignores_what_is_too_small(marked: Path, invoke: Invoke) -> None:
    arguments = ("predict", "films", "--model", "areas", "--json", "--mm-per-pixel", 0.2, "--detections", "found.csv")
    every = invoke(*arguments)
    assert every.exit_code == 0, every.stderr
    with Path("found.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [Path(row["path"]).stem for row in rows]
    assert names == ["a", "a", "b", "c"]
    assert [float(row["area_px"]) for row in rows] == pytest.approx([320, 4, 320, 4])
    assert [float(row["area_mm2"]) for row in rows] == pytest.approx([12.8, 0.16, 12.8, 0.16])
    assert [float(rows[0][key]) for key in ("left", "top", "right", "bottom")] == list(PORE)
    called = {Path(entry["source"]).stem: entry for entry in map(json.loads, every.stdout.splitlines())}
    assert [called[name]["decision"]["labels"] for name in "abcd"] == [["pore"], ["pore"], ["pore"], []]
    large = invoke(*arguments, "--min-area", 10)
    called = {Path(entry["source"]).stem: entry for entry in map(json.loads, large.stdout.splitlines())}
    assert [called[name]["decision"]["labels"] for name in "abcd"] == [["pore"], ["pore"], [], []]
    assert [len(called[name]["detections"]) for name in "abcd"] == [1, 1, 0, 0]
    assert [called[name]["dropped"] for name in "abcd"] == [1, 0, 1, 0]
    assert 100 / 255 < called["c"]["scores"]["pore"] < 0.5  # what the resize left beside the speck
    assert len(Path("found.csv").read_text().splitlines()) == 3


def test_the_terminal_tells_how_many_were_found_and_dropped(marked: Path, invoke: Invoke) -> None:
    found = invoke("predict", "films/a.png", "films/b.png", "--model", "areas", "--min-area", 10)
    assert [line.split(")")[1] for line in found.stdout.splitlines()] == ["  1 detection, 1 dropped", "  1 detection"]


def test_a_segmentation_model_without_a_rule_answers_as_before(marked: Path, invoke: Invoke) -> None:
    found = invoke("predict", "films/c.png", "--model", "areas", "--json")
    answer = json.loads(found.stdout)
    assert "detections" not in answer
    assert answer["decision"]["labels"] == ["pore"]


@pytest.mark.parametrize("options", [("--min-area", 10), ("--detections", "found.csv"), ("--opening", 1)])
def test_a_classifier_has_no_detections_and_says_so_in_one_line(
    marked: Path, invoke: Invoke, options: tuple[object, ...]
) -> None:
    found = invoke("predict", "films", "--model", "bright", *options)
    assert found.exit_code == 1
    assert found.stderr == (
        "lopore: bright/1 has no maps: it is a multiclass model, which answers for the image as a whole; "
        "use a segmentation model for detections\n"
    )
    assert not Path("found.csv").exists()
    scored = invoke("eval", "bright", "--manifest", "films.csv", "--min-area", 10)
    assert "bright/1 has no maps" in scored.stderr


def test_millimetres_without_a_pitch_fail_film_by_film_with_advice(marked: Path, invoke: Invoke) -> None:
    found = invoke("predict", "films", "--model", "areas", "--min-area-mm2", 0.5)
    assert found.exit_code == 1
    *failures, counts = found.stderr.splitlines()
    assert counts == "0 predicted, 4 failed"
    assert failures[0].endswith("so 0.5 mm2 is no known area; give the pitch, or a minimum area in pixels")
    known = invoke("predict", "films", "--model", "areas", "--min-area-mm2", 0.5, "--mm-per-pixel", 0.2)
    assert known.exit_code == 0, known.stderr
    assert known.stdout.count("1 dropped") == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--detections", "found.txt"), "--detections found.txt ends in '.txt'; allowed is .csv"),
        (("--detections", "a.csv", "--out", "a.csv"), "--out and --detections both name a.csv"),
        (("--min-area", "nan"), "nan is not in the range"),
        (("--mm-per-pixel", "nan"), "nan is not in the range"),
    ],
)
def test_wrong_options_are_told_before_the_work(
    marked: Path, invoke: Invoke, options: tuple[str, ...], said: str
) -> None:
    found = invoke("predict", "films", "--model", "areas", *options)
    assert found.exit_code != 0
    assert said in found.stderr


def test_pixel_scores_are_those_of_a_hand_count_before_and_after(marked: Path, invoke: Invoke) -> None:
    arguments = ("eval", "areas", "--manifest", "films.csv", "--out", "report", "--json")
    found = invoke(*arguments, "--min-area", 10)
    assert found.exit_code == 0, found.stderr
    metrics = json.loads(found.stdout)
    assert json.loads(Path("report/metrics.json").read_text()) == metrics
    pixels = metrics["pixels"]
    assert (pixels["images"], pixels["groups"]) == (4, 4)
    pore = pixels["per_class"]["pore"]
    # On the input a pore has 80 pixels, the narrower mask 40, a speck 1.
    right, marked_px = 80 + 40, 80 + 40
    for side, answered, false_calls, regions in ((pore["before"], 162, 2, 4), (pore["after"], 160, 0, 2)):
        assert side["dice"]["value"] == pytest.approx(2 * right / (marked_px + answered))
        assert side["iou"]["value"] == pytest.approx(right / (marked_px + answered - right))
        assert (side["found"], side["missed"], side["false_calls"]) == (2, 0, false_calls)
        assert side["detections"] == regions
        assert side["dice"]["low"] < side["dice"]["value"] < side["dice"]["high"]
    slag = pixels["per_class"]["slag"]
    assert slag["images"] == slag["pixels"] == 0
    assert slag["before"]["dice"]["value"] is None
    page = Path("report/report.html").read_text()
    assert "<h2>Pixels</h2>" in page
    assert "The rule drops regions under 10 px of the original." in page
    alone = json.loads(invoke(*arguments).stdout)
    assert alone["pixels"]["per_class"]["pore"]["after"] is None
    assert alone["pixels"]["per_class"]["pore"]["before"] == pore["before"]
    of_marks = {"pixels": None, "indications": None}  # which follow the rule
    assert {**metrics, **of_marks} == {**alone, **of_marks}


def test_the_summary_of_an_evaluation_tells_dice_and_iou(marked: Path, invoke: Invoke) -> None:
    found = invoke("eval", "areas", "--manifest", "films.csv", "--out", "report", "--min-area", 10)
    assert "  pore, before: 4 detections; marks: found 2, missed 0; false calls 2" in found.stdout
    assert "  pore, after: 2 detections; marks: found 2, missed 0; false calls 0" in found.stdout
    assert "    dice             0.857" in found.stdout


def test_pictures_without_a_fitting_mask_count_in_no_pixel_score(marked: Path, invoke: Invoke) -> None:
    write_radiograph(np.zeros((10, 10), np.uint8), Path(marked.parent / "masks" / "b.png"))
    metrics = json.loads(invoke("eval", "areas", "--manifest", "films.csv", "--out", "report", "--json").stdout)
    assert metrics["images"] == 4
    assert metrics["pixels"]["images"] == 3
    (note,) = metrics["pixels"]["notes"]
    assert note.startswith("1 of 4 images count in no pixel score; first: mask b.png is 10 x 10 px")
    assert note in Path("report/report.html").read_text()


def test_a_record_keeps_dice_and_iou_before_the_scores_of_whole_images(marked: Path, unet: ModelFolder) -> None:
    metrics = evaluate(open_model(unet), Manifest.read(marked), split="test").metrics
    flat = metrics.flat()
    assert list(flat)[:2] == ["dice", "iou"]
    assert metrics.pixels is not None
    assert flat["dice"].value == metrics.pixels.mean_dice
    assert flat["dice/pore"] == metrics.pixels.per_class["pore"].before.dice
    assert flat["dice/slag"].value is None


def test_a_side_without_masks_has_no_pixel_scores(marked: Path, unet: ModelFolder) -> None:
    films = Manifest.read(marked)
    plain = Manifest(tuple(Row(path=row.path, labels=row.labels, split="test") for row in films.rows), films.root)
    metrics = evaluate(open_model(unet), plain, split="test").metrics
    assert metrics.pixels is None
    assert "dice" not in metrics.flat()


def test_a_runtime_without_maps_is_named(marked: Path, unet: ModelFolder) -> None:
    from dataclasses import replace

    model = open_model(unet)

    class Scores:
        def predict(self, batch: NDArray[Any]) -> NDArray[np.float32]:
            return model.session.predict(batch)

        def close(self) -> None:
            model.session.close()

    with pytest.raises(ModelError, match="areas/1 has no maps when onnxruntime opens it"):
        detect(replace(model, session=Scores()), prepare(model.record, marked.parent / "films" / "a.png"))
