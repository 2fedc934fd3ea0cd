"""Detection figures: AFROC and wAFROC areas, reader studies, COCO's average precision, sizing, recognition levels."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from lopore.metrics.average_precision import ImageOverlaps, average_precision, box_overlaps, mask_overlaps
from lopore.metrics.free_response import FilmCalls, calls_of, free_response_areas, leave_one_out
from lopore.metrics.mark_precision import mark_precision
from lopore.metrics.matching import Call, FilmMatches, TruthMark
from lopore.metrics.reader_study import reader_study
from lopore.metrics.recognition_grade import GradedMark, RecognitionLevel, RecognitionProfile, recognition_grade
from lopore.metrics.sizing import sizing_error
from lopore.metrics.statement import Refusal

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@pytest.fixture
def published(shared_data):
    return json.loads((shared_data / "statistics" / "vectors.json").read_text(encoding="utf-8"))


def cells_of(path: Path) -> list[list[list[str]]]:
    """Three sheets of a workbook: true positives, false positives, truth."""
    with zipfile.ZipFile(path) as book:
        found = []
        for number in (1, 2, 3):
            rows = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml")).iter(f"{SHEET}row")
            found.append([[cell.findtext(f"{SHEET}v", "") for cell in row.iter(f"{SHEET}c")] for row in rows][1:])
        return found


def readings(path: Path) -> dict[tuple[int, int], list[FilmCalls]]:
    """By modality and reader, the films of a reader study."""
    hits, false, truth = cells_of(path)
    marks: dict[int, list[int]] = {}
    for row in truth:
        marks.setdefault(int(row[0]), []).append(int(row[1]))
    found = {}
    for reader, modality in sorted({(int(row[0]), int(row[1])) for row in hits}):
        own = (str(reader), str(modality))
        rated = {(int(row[2]), int(row[3])): float(row[4]) for row in hits if tuple(row[:2]) == own}
        called = [(int(row[2]), float(row[3])) for row in false if tuple(row[:2]) == own]
        found[modality, reader] = [
            FilmCalls(
                false=tuple(score for case, score in called if case == film),
                marks=tuple(rated.get((film, lesion)) for lesion in lesions if lesion > 0),
            )
            for film, lesions in sorted(marks.items())
        ]
    return found


def test_afroc_and_wafroc_of_the_published_example_are_exact(published):
    toy = published["froc_toy"]
    sound = [FilmCalls(false=tuple(scores)) for scores in toy["NL_all"][:4]]
    marked = [
        FilmCalls(false=tuple(false), marks=tuple(marks), weights=tuple(weights))
        for false, marks, weights in zip(toy["NL_all"][4:], toy["LL"], toy["weights"], strict=True)
    ]
    found = free_response_areas([*sound, *marked])
    assert found.afroc.value == pytest.approx(toy["AFROC_AUC"], abs=1e-7)
    assert found.wafroc.value == pytest.approx(toy["wAFROC_AUC"], abs=1e-12)
    assert found.wafroc.low < found.wafroc.value < found.wafroc.high


def test_eighteen_of_eighteen_published_reader_areas_are_exact(published, shared_data):
    want = published["froc_mrmc"]["JT_wAFROC_equal_weights_2x9"]
    found = readings(shared_data / "statistics" / "JT.xlsx")
    areas = [free_response_areas(films, resamples=0).wafroc.value for _, films in sorted(found.items())]
    assert areas == pytest.approx(np.ravel(want), abs=1e-8)


def test_obuchowski_and_rockette_give_the_published_f_and_p(published, shared_data):
    want = published["froc_mrmc"]["JT2Rdrs_OR_RRRC_published"]
    found = readings(shared_data / "statistics" / "JT2Rdrs.xlsx")
    keys = sorted(found)
    treatments, readers = sorted({key[0] for key in keys}), sorted({key[1] for key in keys})
    figures = [[free_response_areas(found[t, r], resamples=0).wafroc.value for r in readers] for t in treatments]
    study = reader_study(figures, [[leave_one_out(found[t, r]) for r in readers] for t in treatments])
    assert study.f == pytest.approx(want["F"], rel=1e-7)
    assert study.p == pytest.approx(want["p"], rel=1e-6)
    assert study.degrees[1] == pytest.approx(want["ddf"], rel=1e-7)
    assert study.ms_treatment == pytest.approx(want["MST"], rel=1e-7)
    assert study.denominator == pytest.approx(want["denominator"], rel=1e-6)


def test_leaving_a_film_out_is_the_area_without_it():
    rng = np.random.default_rng(0)
    films = [FilmCalls(false=tuple(rng.normal(size=k % 3))) for k in range(6)]
    films += [FilmCalls(marks=tuple(rng.normal(size=1 + k % 2) + 1)) for k in range(7)]
    found = leave_one_out(films)
    for number in range(len(films)):
        rest = free_response_areas(films[:number] + films[number + 1 :], resamples=0)
        assert found[number] == pytest.approx(rest.wafroc.value, abs=1e-12)


def test_few_films_give_no_area_or_no_interval():
    only_marked = free_response_areas([FilmCalls(marks=(0.3,))] * 3)
    assert only_marked.afroc.value is None
    one_sound = free_response_areas([FilmCalls(marks=(0.3,))] * 3 + [FilmCalls(false=(0.1,))])
    assert one_sound.afroc.value == 1
    assert one_sound.afroc.low is None
    with pytest.raises(ValueError, match="add up to"):
        free_response_areas([FilmCalls(marks=(0.3, 0.4), weights=(0.9, 0.9)), FilmCalls()])


def test_matched_films_give_each_mark_the_highest_score_that_met_it():
    calls = (Call(0.4, (1,), False), Call(0.9, (1, 2), False), Call(0.7, (), True))
    film = calls_of(FilmMatches("F1", calls, (TruthMark(1), TruthMark(2), TruthMark(3))))
    assert film == FilmCalls(false=(0.7,), marks=(0.9, 0.9, None))


def coco_images(folder: Path) -> list[list[ImageOverlaps]]:
    truth = json.loads((folder / "instances_val2014_100.json").read_text(encoding="utf-8"))
    calls = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text(encoding="utf-8"))
    marks: dict[tuple[int, int], list] = {}
    found: dict[tuple[int, int], list] = {}
    for table, entries in ((marks, truth["annotations"]), (found, calls)):
        for one in entries:
            table.setdefault((one["image_id"], one["category_id"]), []).append(one)
    images = []
    for image in sorted(one["id"] for one in truth["images"]):
        entries = []
        for name in sorted({key[1] for key in (*marks, *found) if key[0] == image}):
            there, called = marks.get((image, name), []), found.get((image, name), [])
            crowd = np.array([bool(one["iscrowd"]) for one in there], bool)
            boxes = [np.array([one["bbox"] for one in part], float).reshape(-1, 4) for part in (called, there)]
            scores = np.array([one["score"] for one in called], float)
            entries.append(ImageOverlaps(str(name), scores, box_overlaps(*boxes, crowd), crowd))
        images.append(entries)
    return images


def test_average_precision_equals_cocos_own_to_four_digits(published, shared_data):
    want = published["detection_coco"]["bbox"]
    found = average_precision(coco_images(shared_data / "statistics" / "coco"), resamples=20)
    assert found.ap.value == pytest.approx(want["AP"], abs=5e-5)
    assert found.ap50.value == pytest.approx(want["AP50"], abs=1e-8)
    assert found.ap75.value == pytest.approx(want["AP75"], abs=5e-5)
    assert found.ap.low < found.ap.value < found.ap.high


def test_mask_precision_equals_cocos_own_to_four_digits(published, shared_data):
    from faster_coco_eval import COCO

    folder = shared_data / "statistics" / "coco"
    truth = COCO(str(folder / "instances_val2014_100.json"))
    calls = truth.loadRes(str(folder / "instances_val2014_fakesegm100_results.json"))

    def masks(of, image, name, height, width):
        entries = of.loadAnns(of.getAnnIds(imgIds=[image], catIds=[name]))
        drawn = np.array([of.annToMask(one) for one in entries], bool).reshape(-1, height, width)
        return entries, drawn

    images = []
    for image in sorted(truth.getImgIds()):
        size = truth.loadImgs([image])[0]
        entries = []
        for name in sorted(truth.getCatIds()):
            there, marks = masks(truth, image, name, size["height"], size["width"])
            called, found = masks(calls, image, name, size["height"], size["width"])
            if there or called:
                crowd = np.array([bool(one["iscrowd"]) for one in there], bool)
                scores = np.array([one["score"] for one in called], float)
                entries.append(ImageOverlaps(str(name), scores, mask_overlaps(found, marks, crowd), crowd))
        images.append(entries)
    want, got = published["detection_coco"]["segm"], average_precision(images, resamples=20)
    assert got.ap.value == pytest.approx(want["AP"], abs=5e-5)
    assert got.ap50.value == pytest.approx(want["AP50"], abs=5e-5)
    assert got.ap75.value == pytest.approx(want["AP75"], abs=5e-5)
    assert got.ap.low < got.ap.value < got.ap.high


def test_average_precision_equals_faster_coco_eval_on_made_boxes():
    from faster_coco_eval import COCO, COCOeval_faster

    rng = np.random.default_rng(5)
    truth, calls = [], []
    for image in range(1, 21):
        for _ in range(rng.integers(0, 5)):
            box = [*rng.uniform(0, 80, 2), *rng.uniform(5, 30, 2)]
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": 1, "bbox": box, "iscrowd": 0,
                          "area": box[2] * box[3]})  # fmt: skip
            if rng.random() < 0.8:
                moved = [float(v) for v in np.array(box) + rng.normal(size=4)]
                calls.append({"image_id": image, "category_id": 1, "bbox": moved, "score": float(rng.random())})
        if rng.random() < 0.5:
            box = [*rng.uniform(0, 80, 2), 10.0, 10.0]
            calls.append({"image_id": image, "category_id": 1, "bbox": box, "score": float(rng.random())})
    data = {
        "images": [{"id": k} for k in range(1, 21)],
        "annotations": truth,
        "categories": [{"id": 1, "name": "pore"}],
    }
    oracle = COCO(data)
    judge = COCOeval_faster(oracle, oracle.loadRes(calls), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    images = []
    for image in range(1, 21):
        boxes = [
            np.array([one["bbox"] for one in part if one["image_id"] == image], float).reshape(-1, 4)
            for part in (calls, truth)
        ]
        scores = np.array([one["score"] for one in calls if one["image_id"] == image])
        crowd = np.zeros(len(boxes[1]), bool)
        images.append([ImageOverlaps("pore", scores, box_overlaps(*boxes, crowd), crowd)])
    assert average_precision(images, resamples=0).ap.value == pytest.approx(judge.stats[0], abs=1e-8)


def test_sizing_tells_bias_and_limits_or_what_is_missing():
    rng = np.random.default_rng(1)
    true = rng.uniform(0.5, 4, 60)
    found = sizing_error(true, true + 0.2 + 0.1 * rng.normal(size=60), np.arange(60) // 5)
    assert found.bias.low < 0.2 < found.bias.high
    assert found.low == pytest.approx(0.0, abs=0.08)
    assert found.high == pytest.approx(0.4, abs=0.08)
    assert isinstance(sizing_error([1.0], [1.1]), Refusal)


def test_the_supported_level_is_that_of_the_bounds():
    levels = (
        RecognitionLevel(name="A", wdr=0.5, frr=0.5),
        RecognitionLevel(name="B", wdr=0.95, frr=0.2),
        RecognitionLevel(name="C", wdr=0.97, frr=0.05),
    )
    profile = RecognitionProfile(
        title="Invented", source="tests", edition="1", iou=0.1, key_classes=("crack",), levels=levels
    )
    marks = [GradedMark(f"F{k}", "pore" if k % 2 else "crack", k % 40 != 0, True) for k in range(40)]
    grade = recognition_grade(marks, 40, 0, profile)
    assert grade.observed == "C"
    assert grade.supported == "A"
    assert grade.key_marks == 20
    assert recognition_grade([], 0, 0, profile).observed == ""


def test_mask_and_box_precision_of_indications_by_hand():
    """Two marks; one is covered by 3/4 (box IoU 1), one is missed; a call beside a mark counts neither way."""
    marks = (TruthMark(1, box=(0.0, 0.0, 10.0, 10.0)), TruthMark(2, box=(50.0, 0.0, 60.0, 10.0)))
    calls = (
        Call(0.9, (1,), False, overlaps=(0.74,), box=(0.0, 0.0, 10.0, 10.0)),
        Call(0.8, (), False, box=(12.0, 0.0, 14.0, 4.0)),
        Call(0.7, (), True, box=(80.0, 0.0, 90.0, 10.0)),
    )
    masks, boxes = mark_precision([[FilmMatches("a", calls, marks)]], np.zeros(1, np.int64))
    half = 51 / 101  # precision 1 up to recall 0.5, none beyond
    assert masks.ap50.value == pytest.approx(half)
    assert masks.ap75.value == 0
    assert masks.ap.value == pytest.approx(half * 5 / 10)  # 0.50 to 0.70
    assert boxes.ap.value == pytest.approx(half)
    assert masks.ap.low is None
    nothing, _ = mark_precision([[FilmMatches("a", calls[2:], ())]], np.zeros(1, np.int64))
    assert nothing.ap.value is None
