"""Marks of a whole film: found, decided on, drawn, undone, kept over runs and days, and the same figures everywhere."""

from __future__ import annotations

import csv
import io
import math
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from made.images import coded
from made.models import publish_areas
from made.whole_films import disc, ground

from lopore.affine import Affine
from lopore.arrays import IGNORE
from lopore.cli.data import index
from lopore.data.annotations.formats import read_annotations, write_masks
from lopore.data.annotations.label_table import marked_classes
from lopore.data.manifest import Manifest
from lopore.errors import ConfigError, DataError, LoporeError
from lopore.indications import inspect_film
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.options import InspectionOptions
from lopore.indications.report.film_report import film_report
from lopore.inference.doubts import Doubt
from lopore.models.opening import OpenModel, open_model
from lopore_app.film.acceptance_panel import profile_of
from lopore_app.film.corrections import annotations_of, corrections_coco
from lopore_app.film.film_queue import FilmQueue
from lopore_app.film.film_review import FilmReview, Reviewer, review_of
from lopore_app.film.film_viewer import desk_data
from lopore_app.film.film_work import FilmWork, decided_anew, verdict_of
from lopore_app.film.films_to_label import films_csv, films_to_label
from lopore_app.film.inspection_run import InspectionRun
from lopore_app.film.mark_table import marks_csv
from lopore_app.film.review_store import ReviewStore
from lopore_app.film.reviewed_film import reviewed
from lopore_app.film.uploaded_film import film_source, laid_flat, read_film, to_shown
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload

PORES = [(40.0, 30.0), (100.0, 60.0), (160.0, 90.0), (220.0, 30.0), (280.0, 60.0)]
EVA = Reviewer(name="Eva Rößler", level="RT 2")


@pytest.fixture(scope="module")
def areas(tmp_path_factory: pytest.TempPathFactory) -> OpenModel:
    return open_model(publish_areas(tmp_path_factory.mktemp("models") / "areas"))


def made_upload(pores: list[tuple[float, float]] = PORES) -> Upload:
    pixels = ground(120, 330)
    for x, y in pores:
        disc(pixels, x, y, 9)
    return Upload.of("film.png", coded(".png", pixels))


@pytest.fixture(scope="module")
def run(areas: OpenModel) -> InspectionRun:
    upload = made_upload()
    source = film_source(upload, read_film(upload), 0.05)
    run = InspectionRun(areas, source, InspectionOptions(), None, VISITOR).start()
    run.wait(60)
    return run


VISITOR = Memory()


@pytest.fixture
def found(run: InspectionRun) -> FilmInspection:
    assert run.result is not None, run.error
    return run.result


def test_a_run_finds_what_the_command_line_finds_and_names_the_file(areas: OpenModel, found: FilmInspection) -> None:
    upload = made_upload()
    same = inspect_film(areas, film_source(upload, read_film(upload), 0.05))
    assert found.indications == same.indications
    assert found.film.sha256 == upload.sha256
    assert found.film.format == "png"
    assert sorted((round(mark.centre[0]), round(mark.centre[1])) for mark in found.indications) == sorted(PORES)


def test_a_run_ends_when_it_is_stopped_and_when_its_visitor_is_gone(areas: OpenModel) -> None:
    upload = Upload.of("long.png", coded(".png", np.zeros((64, 20_000), np.uint8)))
    source, visitor = film_source(upload, read_film(upload)), Memory()
    stopped = InspectionRun(areas, source, InspectionOptions(overlap=0.9), None, visitor).start()
    left = InspectionRun(areas, source, InspectionOptions(overlap=0.9), None, visitor).start()
    stopped.stop()
    del visitor
    for one in (stopped, left):
        one.wait(60)
        assert not one.running
        assert one.result is None
        assert one.error is None


def acts(*given: dict[str, Any]) -> dict[str, Any]:
    return {"film": "film", "acts": [{"seq": number, **one} for number, one in enumerate(given, start=1)]}


def test_what_the_browser_does_is_taken_once_in_order_and_can_be_undone(found: FilmInspection) -> None:
    work = FilmWork()
    work.set_found(found)
    said = acts({"act": "accept", "mark": 1}, {"act": "reject", "mark": 2}, {"act": "draw", "shape": "box",
                 "points": [10, 80, 20, 100]})  # fmt: skip
    assert work.take_acts(said, EVA, Affine(), "pore")
    assert not work.take_acts(said, EVA, Affine(), "pore")
    assert work.review is not None
    assert [mark.verdict for mark in work.review.marks] == ["accepted", "rejected", "open", "open", "open", "accepted"]
    drawn = work.review.marks[-1]
    assert (drawn.origin, drawn.indication.length_px) == ("drawn", pytest.approx(math.hypot(10, 20), rel=0.01))
    assert drawn.indication.length_mm == pytest.approx(math.hypot(10, 20) * 0.05, rel=0.01)
    assert drawn.reviewer == EVA
    more = {"film": "film", "acts": [{"seq": 4, "act": "undo"}, {"seq": 5, "act": "undo"}]}
    assert work.take_acts(more, EVA, Affine(), "pore")
    assert [mark.verdict for mark in work.review.marks] == ["accepted", "open", "open", "open", "open"]


def test_another_class_is_an_acceptance_as_that_class_and_a_choice_changes_nothing(found: FilmInspection) -> None:
    work = FilmWork()
    work.set_found(found)
    assert not work.take_acts(acts({"act": "select", "mark": 4}), EVA, Affine(), "pore")
    assert work.selected == 4
    more = {"film": "film", "acts": [{"seq": 2, "act": "label", "mark": 4, "class": "slag  line"}]}
    assert work.take_acts(more, EVA, Affine(), "pore")
    assert work.review is not None
    assert (work.review.mark(4).class_name, work.review.mark(4).verdict) == ("slag line", "accepted")


@pytest.mark.parametrize(
    "hostile",
    [
        None,
        {"acts": "all"},
        {"acts": [None, 3, {"seq": True, "act": "accept", "mark": 1}]},
        {"acts": [{"seq": 1, "act": "accept", "mark": 99}]},
        {"acts": [{"seq": 1, "act": "erase", "mark": 1}]},
        {"acts": [{"seq": 1, "act": "draw", "shape": "box", "points": [float("nan")] * 4}]},
        {"acts": [{"seq": 1, "act": "draw", "shape": "box", "points": ["0", 0, 9, 9]}]},
        {"acts": [{"seq": 1, "act": "format", "mark": 1}]},
    ],
)
def test_nothing_that_arrives_is_trusted(found: FilmInspection, hostile: object) -> None:
    work = FilmWork()
    work.set_found(found)
    before = work.review
    assert not work.take_acts(hostile, EVA, Affine(), "pore")
    assert work.review == before


def test_a_verdict_belongs_to_film_and_mark_whatever_the_threshold(areas: OpenModel, found: FilmInspection) -> None:
    upload = made_upload()
    source = film_source(upload, read_film(upload), 0.05)
    review = review_of(found)
    number = review.marks[2].number
    review = review.decided(number, "rejected", EVA, class_name="slag", note="a scratch")
    review = review.drawn("ellipse", [150, 10, 170, 20], "pore", EVA)
    again = decided_anew(found, areas, source, InspectionOptions(threshold=0.8, mm_per_pixel=0.05), None)
    after = review_of(again, review)
    kept = after.mark(number)
    assert (kept.verdict, kept.class_name, kept.note) == ("rejected", "slag", "a scratch")
    assert [mark.number for mark in after.marks if mark.origin == "drawn"] == [review.marks[-1].number]
    assert again.options.threshold == 0.8
    assert again.model.weights_sha256 == found.model.weights_sha256


def test_table_session_file_and_inspection_hold_the_same_figures(found: FilmInspection) -> None:
    review = review_of(found)
    rows = list(csv.DictReader(io.StringIO(marks_csv(review))))
    assert len(rows) == len(found.indications)
    for row, one in zip(rows, found.indications, strict=True):
        assert float(row["length_mm"]) == one.length_mm
        assert float(row["x_px"]) == one.centre[0]
        assert float(row["score"]) == pytest.approx(one.peak, abs=1e-6)
    assert FilmReview.from_json(review.to_json()) == review
    assert '"pixels"' not in review.to_json()
    with pytest.raises(DataError, match="no film review"):
        FilmReview.from_json("{}")


def test_notes_and_classes_are_no_formulas_in_the_table(found: FilmInspection) -> None:
    review = review_of(found).decided(1, "accepted", EVA, class_name="=cmd()", note="@sum(1)")
    row = next(csv.DictReader(io.StringIO(marks_csv(review))))
    assert (row["class"], row["note"]) == ("'=cmd()", "'@sum(1)")


def test_a_tall_film_lies_flat_and_what_is_drawn_on_it_lands_on_the_film() -> None:
    pixels = np.arange(300 * 100, dtype=np.uint16).reshape(300, 100)
    flat, move = laid_flat(pixels), to_shown(pixels.shape)
    assert flat.shape == (100, 300)
    for x, y in ((0, 0), (99, 0), (40, 250)):
        u, v = move(x + 0.5, y + 0.5)
        assert flat[int(v), int(u)] == pixels[y, x]
        assert move.inverse()(u, v) == (pytest.approx(x + 0.5), pytest.approx(y + 0.5))


def test_places_of_a_tall_film_are_shown_where_they_are(areas: OpenModel) -> None:
    pixels = ground(330, 120)
    disc(pixels, 30, 250, 9)
    upload = Upload.of("tall.png", coded(".png", pixels))
    work = FilmWork()
    work.set_found(inspect_film(areas, film_source(upload, read_film(upload))))
    (mark,) = desk_data("film", work, to_shown(pixels.shape))["marks"]
    left, top, right, bottom = mark["box"]
    assert ((left + right) / 2, (top + bottom) / 2) == (pytest.approx(250, abs=1), pytest.approx(120 - 30, abs=1))


def test_reviews_are_taken_up_again_each_reader_s_own(found: FilmInspection, tmp_path: Path) -> None:
    review = review_of(found).decided(1, "rejected", EVA)
    ReviewStore(tmp_path).save(review, EVA.name)
    assert ReviewStore(tmp_path).load(review.sha256, 1, EVA.name) == review
    assert ReviewStore(tmp_path).load(review.sha256, 1, "another reader") is None
    ReviewStore(tmp_path).save(review_of(found), "another reader")
    assert [name for name, _ in ReviewStore(tmp_path).everything()] == [EVA.name, "another reader"]
    assert ReviewStore(tmp_path).load(review.sha256, 1, EVA.name) == review


def test_a_file_that_is_no_store_is_one_line(found: FilmInspection, tmp_path: Path) -> None:
    store = ReviewStore(tmp_path)
    store.path.write_bytes(b"not a database" * 100)
    with pytest.raises(LoporeError, match="cannot be kept") as told:
        store.save(review_of(found), "eva")
    assert "\n" not in str(told.value)


PROFILE = b"""
title: House rule of the workshop
source: invented for a test
invented: true
rules:
  - name: no pore over 0.4 mm
    check: largest
    measure: length
    limit: 0.4
    unit: mm
"""


def test_the_profile_s_answer_follows_what_the_reviewer_leaves(found: FilmInspection) -> None:
    profile = profile_of(PROFILE, "rules.yaml")
    review = review_of(found)
    assert verdict_of(review, found, profile).answer == "reject"
    for mark in review.marks:
        review = review.decided(mark.number, "rejected", EVA)
    assert verdict_of(review, found, profile).answer == "accept"
    with pytest.raises(ConfigError, match=r"rules.yaml"):
        profile_of(b"title: [", "rules.yaml")


def test_the_report_shows_what_the_reviewer_left_and_why_the_rest_is_set_aside(found: FilmInspection) -> None:
    upload = made_upload()
    source = film_source(upload, read_film(upload), 0.05)
    review = review_of(found).decided(2, "rejected", EVA, note="a <b>scratch</b>")
    review = review.decided(3, "accepted", EVA).drawn("box", [10, 80, 20, 100], "slag", EVA)
    review = review.ignoring([0, 0, 30, 20], "lead letters")
    after = reviewed(review, found, profile_of(PROFILE, "rules.yaml"))
    assert [mark.id for mark in after.indications] == [1, 3, 4, 5, 6]
    assert after.set_aside[-1].indication.id == 2
    assert after.verdict is not None
    page = film_report(reviewed(review, found, profile_of(PROFILE, "rules.yaml")), source, found.map)
    for text in ("rejected by Eva Rößler (RT 2)", "3 of 6 marks are open", "lead letters", "slag"):
        assert text in page, text
    assert "<b>scratch" not in page
    for mark in after.indications:
        assert f"{mark.length_mm:.2f}" in page


def test_another_threshold_stays_when_the_page_runs_again(areas: OpenModel, run: InspectionRun) -> None:
    work = FilmWork(run=run)
    work.take_result()
    assert work.found is not None
    upload = made_upload()
    source = film_source(upload, read_film(upload), 0.05)
    work.set_found(decided_anew(work.found, areas, source, InspectionOptions(threshold=0.8, mm_per_pixel=0.05), None))
    work.take_result()
    assert work.found.options.threshold == 0.8


def test_a_queue_runs_its_films_in_order_and_tells_of_one_that_cannot_be_read(areas: OpenModel) -> None:
    uploads = [made_upload(), Upload.of("broken.png", b"no film"), made_upload(PORES[:2])]
    works = [FilmWork() for _ in uploads]

    def begin(upload: Upload) -> InspectionRun:
        return InspectionRun(areas, film_source(upload, read_film(upload)), InspectionOptions(), None, VISITOR).start()

    films = [(work, partial(begin, upload)) for work, upload in zip(works, uploads, strict=True)]
    queue = FilmQueue(films, VISITOR).start()
    queue.wait(60)
    assert (queue.running, queue.done) == (False, 3)
    for work in works:
        work.take_result()
    assert [None if work.found is None else len(work.found.indications) for work in works] == [5, None, 2]
    assert works[1].problem is not None
    assert "broken.png" in works[1].problem


def test_films_that_teach_most_come_first(found: FilmInspection) -> None:
    uploads = [Upload.of(f"{name}.png", name.encode()) for name in ("open", "new", "done", "unlike")]
    opened, done, unlike = FilmWork(), FilmWork(), FilmWork()
    for work in (opened, done):
        work.set_found(found)
    unlike.set_found(found.model_copy(update={"doubts": (Doubt(kind="appearance", text="darker", blocks=True),)}))
    assert done.review is not None
    for mark in done.review.marks:
        done.review = done.review.decided(mark.number, "accepted", EVA)
    told = films_to_label(zip(uploads, (opened, None, done, unlike), strict=True))
    assert [one.name for one in told] == ["unlike.png", "open.png", "new.png"]
    least = min(abs(mark.peak - found.model.thresholds[mark.class_name]) for mark in found.indications)
    assert told[1].reason == f"5 open marks, the least sure {least:.3f} from the threshold"
    assert films_csv(told).splitlines()[1].startswith("unlike.png,1,")


def test_corrections_become_masks_that_an_index_takes(found: FilmInspection, tmp_path: Path) -> None:
    review = review_of(found).decided(1, "accepted", EVA).decided(2, "rejected", EVA)
    review = review.drawn("box", [10, 80, 20, 100], "pore", EVA).ignoring([300, 100, 330, 120], "film edge")
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "film.png").write_bytes(made_upload().content)
    (tmp_path / "corrections.json").write_text(corrections_coco([review]), encoding="utf-8")
    write_masks(read_annotations(tmp_path / "corrections.json"), tmp_path / "films" / "masks")
    mask = cv2.imread(str(tmp_path / "films" / "masks" / "film.png"), cv2.IMREAD_UNCHANGED)
    classes = marked_classes(annotations_of([review]))  # places that are not judged are of no class
    accepted, rejected = review.mark(1).indication.centre, review.mark(2).indication.centre
    number = classes.index("pore") + 1
    assert mask[round(accepted[1]), round(accepted[0])] == number
    assert mask[round(rejected[1]), round(rejected[0])] == 0
    assert mask[90, 15] == number
    assert mask[110, 310] == IGNORE
    opened = next(mark.indication.centre for mark in review.marks if mark.verdict == "open")
    assert mask[round(opened[1]), round(opened[0])] == IGNORE
    words = [str(tmp_path / "films"), "--masks", str(tmp_path / "films" / "masks"), "--label", "pore"]
    done = CliRunner().invoke(index, [*words, "--out", str(tmp_path / "set.csv")])
    assert done.exit_code == 0, done.output
    (row,) = Manifest.read(tmp_path / "set.csv").rows
    assert row.mask


def test_the_edges_of_a_drawn_mark_are_pulled_and_its_line_follows(found: FilmInspection) -> None:
    review = review_of(found).drawn("ellipse", [100, 10, 120, 20], "pore", EVA)
    number = review.marks[-1].number
    before, after = review.mark(number).indication, review.reshaped(number, [100, 10, 140, 30], EVA).mark(number)
    assert after.indication.box == pytest.approx((100, 10, 140, 30), abs=0.5)
    assert after.indication.area_px == pytest.approx(4 * before.area_px, rel=0.01)  # an ellipse still
    with pytest.raises(ConfigError, match="was found by the model"):
        review.reshaped(1, [0, 0, 9, 9], EVA)


def test_a_region_that_is_not_to_be_judged_can_be_judged_again(found: FilmInspection) -> None:
    review = review_of(found).ignoring([0, 0, 9, 9]).ignoring([20, 0, 29, 9])
    assert [one.box for one in review.judging(0).ignored] == [(20, 0, 29, 9)]
    with pytest.raises(ConfigError, match="no region 3"):
        review.judging(2)
