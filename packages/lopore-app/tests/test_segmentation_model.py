"""A segmentation model in the app: outlines, sizes and a least area, on the page, in the records and in what leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.films import film_with
from made.images import coded
from made.models import publish_areas
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.inference.decisions import decide
from lopore.inference.regions import DetectionRule
from lopore.inference.segment import SegmentationPrediction
from lopore.models.opening import open_model
from lopore.preprocessing.enhancement_chain import Chain
from lopore.record.folder import ModelFolder
from lopore_app.inspection import response_curve as curve
from lopore_app.inspection.edited_chain import EditedChain
from lopore_app.inspection.films import Film, InspectionResult
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.panes import marks
from lopore_app.inspection.session import InspectionSession
from lopore_app.inspection.upload import Upload
from lopore_app.inspection.view import view_of
from lopore_app.review import records
from lopore_app.review.prediction_log import log_json
from lopore_app.review.printed_report import report_html
from lopore_app.review.record_images import evidence, images_of, overlay_png
from lopore_app.review.zip_archive import zip_file
from lopore_app.viewer.outlines import area_text, draw, extent_text

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))
PORE, SPECK = (10, 20, 30, 36), (50, 50, 54, 54)
Box = tuple[int, int, int, int]


@pytest.fixture
def areas(tmp_path: Path) -> ModelFolder:
    return publish_areas(tmp_path / "models" / "final" / "areas" / "1")


def asked(
    folder: ModelFolder, pixels: NDArray[Any], chain: Chain | None = None, **rule: Any
) -> tuple[InspectionSession, Film, InspectionResult]:
    session = InspectionSession(Memory(), open_model(folder), DetectionRule(**rule))
    shown = session.film(Upload.of("film.png", coded(".png", pixels)))
    return session, shown, session.answer(shown, chain or Chain())


def corners(answer: InspectionResult) -> list[Box]:
    """The box of each outline, rounded to whole pixels of the film."""
    assert answer.regions is not None
    boxes = []
    for line in answer.regions.lines:
        points = np.array(line.points)
        low, high = points.min(axis=0), points.max(axis=0)
        boxes.append((round(low[0]), round(low[1]), round(high[0]), round(high[1])))
    return sorted(boxes)


def test_outlines_lie_on_the_film_to_half_a_pixel_of_the_network(areas: ModelFolder) -> None:
    _, _, answer = asked(areas, film_with(PORE, SPECK))
    for found, true in zip(corners(answer), (PORE, SPECK), strict=True):
        assert np.abs(np.subtract(found, true)).max() <= 1
    assert isinstance(answer.prediction, SegmentationPrediction)
    assert sorted(round(one.area_px) for one in answer.prediction.detections) == [16, 320]
    assert answer.prediction.decision.labels == ("pore",)


@pytest.mark.parametrize("chain", [["flip-horizontal"], [{"name": "crop", "left": 4, "top": 10}]])
def test_outlines_stay_on_the_original_whatever_the_chain_moves(areas: ModelFolder, chain: list[Any]) -> None:
    _, _, plain = asked(areas, film_with(PORE, SPECK))
    _, _, moved = asked(areas, film_with(PORE, SPECK), Chain.parse(chain))
    assert moved.enhanced.motion != plain.enhanced.motion
    for one, other in zip(corners(plain), corners(moved), strict=True):
        assert np.abs(np.subtract(one, other)).max() <= 2


def test_a_least_area_takes_away_outline_score_and_call(areas: ModelFolder) -> None:
    for least, dropped, call in ((0, 0, "pore"), (10, 0, "pore"), (20, 1, "none found")):
        _, _, answer = asked(areas, film_with(SPECK), minimum_area_px=least)
        assert isinstance(answer.prediction, SegmentationPrediction)
        assert (answer.prediction.dropped, answer.prediction.decision.text) == (dropped, call)
        assert len(corners(answer)) == 1 - dropped
        assert (answer.prediction.scores["pore"] >= 0.6) is (not dropped)


def test_the_strip_says_what_the_card_says(areas: ModelFolder) -> None:
    session, shown, answer = asked(areas, film_with(SPECK), minimum_area_px=20)
    assert session.decision(shown.upload, Chain()) == answer.prediction.decision
    assert session.decision(shown.upload, Chain(), 0.3) == session.answer(shown, Chain(), 0.3).prediction.decision


def test_the_score_beside_a_call_is_that_of_a_class_that_was_called(areas: ModelFolder) -> None:
    point = areas.record.threshold.model_copy(update={"value": 0.7, "per_class": {"pore": 0.2}})
    fields = {"classes": ("lack_of_penetration", "pore", "crack"), "threshold": point}
    record = areas.record.model_copy(update=fields)
    assert decide(record, [0.31, 0.29, 0.1]).model_dump(include={"labels", "score"}) == {
        "labels": ("pore",), "score": pytest.approx(0.29),
    }  # fmt: skip
    assert decide(record, [0.31, 0.1, 0.1]).score == pytest.approx(0.31)


def test_a_threshold_of_ones_own_decides_what_is_outlined(areas: ModelFolder) -> None:
    session, shown, _ = asked(areas, film_with(PORE))
    assert len(corners(session.answer(shown, Chain(), 0.85))) == 1
    high = session.answer(shown, Chain(), 0.95)
    assert corners(high) == []
    assert high.prediction.decision.text == "none found"


def test_the_response_curve_counts_by_the_same_rule(areas: ModelFolder) -> None:
    steps = EditedChain.of([{"name": "gamma", "gamma": 0.9}], 1)
    for least in (0, 20):
        session, shown, _ = asked(areas, film_with(SPECK), minimum_area_px=least)
        found = curve.response(session, shown, steps, 0, "gamma")
        assert found is not None
        at = min(range(len(found.values)), key=lambda index: abs(found.values[index] - 1))
        assert (found.scores[at][0] >= 0.6) is (least == 0)


def test_sizes_are_told_in_mm_only_where_the_film_states_its_pitch(areas: ModelFolder) -> None:
    _, _, answer = asked(areas, film_with(PORE))
    assert isinstance(answer.prediction, SegmentationPrediction)
    (one,) = answer.prediction.detections
    assert (area_text(one), extent_text(one, None)) == ("320 px²", "20 × 16 px")
    measured = one.model_copy(update={"area_mm2": 320 * 0.01})
    assert (area_text(measured), extent_text(measured, 0.1)) == ("3.2 mm²", "2.0 × 1.6 mm")


def test_what_the_browser_draws_is_numbered_as_the_list(areas: ModelFolder) -> None:
    session, shown, answer = asked(areas, film_with(PORE, SPECK))
    drawn = marks(view_of(session, shown.upload, Chain(), None))
    assert drawn is not None
    assert answer.regions is not None
    json.dumps(drawn)
    assert [tag["text"] for tag in drawn["tags"]] == ["1", "2"]
    boxes = [one.box for one in answer.regions.seen.found]
    assert [(tag["x"], tag["y"]) for tag in drawn["tags"]] == [(box[2], box[1]) for box in boxes]


def test_a_classifier_draws_no_outlines(model_folder: ModelFolder) -> None:
    session = InspectionSession(Memory(), open_model(model_folder))
    assert marks(view_of(session, Upload.of("film.png", coded(".png", film_with(PORE))), Chain(), None)) is None


def test_drawn_lines_lie_around_the_region_at_any_size(areas: ModelFolder) -> None:
    _, _, answer = asked(areas, film_with(PORE))
    assert answer.regions is not None
    for side in (64, 200):
        black = np.zeros((side, side, 3), np.uint8)
        drawn = draw(black, answer.regions.lines, (64, 64), ("pore", "slag"))
        rows, columns = np.nonzero(drawn.max(axis=2) > 60)
        scale = side / 64
        box = columns.min() / scale, rows.min() / scale, (columns.max() + 1) / scale, (rows.max() + 1) / scale
        assert np.abs(np.subtract(box, PORE)).max() < 2
        assert not black.any()


def entry_of(folder: ModelFolder, **rule: Any) -> records.Entry:
    session, shown, answer = asked(folder, film_with(PORE, SPECK), **rule)
    assert session.model is not None
    assert answer.regions is not None
    return records.Entry.of(
        session.model, answer.prediction, film="film.png", content=shown.upload.content, outlines=answer.regions.lines
    )


def test_log_zip_and_report_hold_the_regions(areas: ModelFolder) -> None:
    entry = entry_of(areas, minimum_area_px=20)
    (summary,) = json.loads(log_json([entry]))["predictions"]
    (one,) = summary["regions"]["detections"]
    assert (one["class_name"], round(one["area_px"]), summary["regions"]["dropped"]) == ("pore", 320, 1)
    assert summary["regions"]["rule"]["minimum_area_px"] == 20
    found = images_of(entry)
    image, caption = evidence(entry, found, 400)
    assert caption == "outlines of what was found"
    assert not np.array_equal(image[..., 0], image[..., 2])  # the line has a colour, the film has none
    assert overlay_png(entry, found) is not None
    assert b"overlays/0001-film.png" in zip_file([entry])
    assert "outlines of what was found" in report_html([entry])


def test_another_least_area_is_another_record(areas: ModelFolder) -> None:
    assert entry_of(areas).key == entry_of(areas).key
    assert entry_of(areas).key != entry_of(areas, minimum_area_px=20).key


def test_the_page_lists_what_it_outlines_and_leaves_out_what_is_too_small(
    areas: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    page = AppTest.from_file(MAIN, default_timeout=60).run()
    page.file_uploader[0].set_value([("film.png", coded(".png", film_with(PORE, SPECK)), "image/png")])
    page.run()
    assert not page.exception
    assert page.subheader[0].value == "pore"
    said = " ".join(item.proto.body for item in page.get("html"))
    assert "2 indications" in said
    assert "no mm" in said
    page.number_input(key="least_area").set_value(20).run()
    said = " ".join(item.proto.body for item in page.get("html"))
    assert "1 indication<" in said
    assert "1 smaller left out" in said
    kept = records.entries({"records": page.session_state["records"]})
    assert [
        one.prediction.rule.minimum_area_px for one in kept if isinstance(one.prediction, SegmentationPrediction)
    ] == [0, 20]
