"""What is known of a film before a verdict: every statement with its source; boxes that are measured; doubts."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from made.images import coded
from made.models import bright_areas, publish, record_for
from made.whole_films import disc, ground

from lopore.affine import Affine
from lopore.indications import inspect_film
from lopore.models.opening import OpenModel, open_model
from lopore.reading.film_source import ArrayFilm
from lopore.record.model import LeakReport, Threshold
from lopore.record.preprocessing import Preprocessing
from lopore_app.film.areas import Box, area_row, area_statistics, parse_areas
from lopore_app.film.film_review import Reviewer, empty_review, review_of
from lopore_app.film.quality import measure_quality, quality_lines
from lopore_app.film.reviewed_film import everything_zip, reviewed
from lopore_app.film.uploaded_film import film_source, read_film
from lopore_app.inspection.upload import Upload

EVA = Reviewer(name="Eva", level="RT 2")


def grainy(pitch: float | None = 0.05) -> ArrayFilm:
    """A weld of grey 140 along a plate of grey 100, both with a noise of 2."""
    pixels = np.random.default_rng(3).normal(100, 2, (400, 900))
    pixels[150:250] += 40
    return ArrayFilm(np.rint(pixels).astype(np.uint8), name="film.png", pixel_pitch_mm=pitch, pitch_source="PNG file")


def test_every_statement_on_quality_has_its_source_and_a_reader_stands_at_the_wire() -> None:
    source = grainy()
    review = empty_review("film.png", "a" * 64, 1, source.shape, 0.05).with_wire(13, EVA)
    told = dict(quality_lines(source, measure_quality(source), review))
    assert told["Grey"].startswith("9")
    assert float(told["SNR"].split(",")[0]) == pytest.approx(50, rel=0.15)
    assert "SNRn is at most this" in told["SNRn"]
    assert told["Pitch"] == "0.05 mm, PNG file"
    assert told["Wires"].startswith("W13 is the thinnest that is seen, says Eva (RT 2), 20")
    assert told["Weld"].startswith("45.0 mm of 45.0 mm are looked at (100%)")
    beside, over = [0.0, 0, 90, 50], [0.0, 150, 90, 250]
    told = dict(quality_lines(source, measure_quality(source), review.ignoring(beside).ignoring(over)))
    assert told["Weld"].startswith("40.5 mm of 45.0 mm are looked at (90%)")


def test_without_a_pitch_nothing_is_told_in_mm() -> None:
    source = grainy(None)
    told = dict(quality_lines(source, measure_quality(source), None))
    assert told["Pitch"] == "not known: sizes are in pixels"
    assert told["SNRn"] == "not known without the pixel pitch"
    assert "mm" not in told["Weld"]


def test_a_box_is_measured_at_the_films_own_pixels_and_against_the_first_one() -> None:
    source = grainy()
    weld, plate = (100, 170, 300, 230), (100, 20, 300, 80)
    found = area_statistics(source, weld, plate)
    assert found.mean == pytest.approx(140, abs=0.5)
    assert found.sigma == pytest.approx(2, rel=0.05)
    assert found.snr == pytest.approx(70, rel=0.1)
    assert found.cnr == pytest.approx(20, rel=0.1)
    small = area_row(2, area_statistics(source, (0, 0, 5, 5), plate))
    assert (small["Box"], small["SNR"]) == ("B2", "\N{EN DASH}")


@pytest.mark.parametrize("points", [None, [1, 2], [1, 2, 3, "4"], [1, 2, float("nan"), 4], [5, 5, 5, 5]])
def test_no_box_of_the_browser_is_trusted(points: object) -> None:
    def parsed(film: str, *drawn: object) -> list[tuple[int, Box]]:
        return parse_areas({"film": film, "drawn": list(drawn)}, "a", Affine(), (100, 100))

    good = {"seq": 2, "points": [-5, 0, 300, 9]}
    assert parsed("a", {"seq": 1, "points": points}, None, {"seq": "3", "points": [0, 0, 9, 9]}, good) == [
        (2, (0, 0, 100, 9))
    ]
    assert parsed("b", good) == []
    assert parse_areas({"film": "a", "drawn": "all"}, "a", Affine(), (100, 100)) == []


@pytest.fixture(scope="module")
def doubted(tmp_path_factory: pytest.TempPathFactory) -> OpenModel:
    """A model whose training films were all bright."""
    record = record_for(
        name="areas", task="segmentation", classes=("pore", "slag"), leaks=LeakReport(split_kind="random"),
        preprocessing=Preprocessing(size=(32, 32), resize="tile"),
        threshold=Threshold(value=0.6, rule="f1", chosen_on="val"),
        training_grey={"mean_low": 0.5, "mean_high": 0.9},
    )  # fmt: skip
    return open_model(publish(tmp_path_factory.mktemp("models") / "areas", bright_areas(), record))


def test_a_film_unlike_the_training_cannot_be_judged_and_every_file_says_so(doubted: OpenModel) -> None:
    pixels = ground(120, 320)
    disc(pixels, 60, 60, 9)
    upload = Upload.of("film.png", coded(".png", pixels))
    source = film_source(upload, read_film(upload), 0.05)
    found = inspect_film(doubted, source)
    assert not found.judged
    assert [doubt.kind for doubt in found.doubts] == ["appearance", "training"]
    seen = reviewed(review_of(found), found, None, (("Grey", "as it is"),))
    with zipfile.ZipFile(io.BytesIO(everything_zip(review_of(found), seen, None, source, upload.content))) as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    for name in ("report.html", "inspection.json", "indications.csv", "indications.coco.json", "indications.dcm",
                 "marks.csv", "session.json", "corrections.coco.json"):  # fmt: skip
        for doubt in found.doubts:
            assert doubt.text.encode() in texts[name], name
    assert b"Cannot be judged by this model" in texts["report.html"]
    assert json.loads(texts["session.json"])["sha256"] == upload.sha256
    assert texts["report.pdf"].startswith(b"%PDF") or "NOTES.txt" in texts


def test_a_film_like_those_of_training_has_no_such_doubt(doubted: OpenModel) -> None:
    found = inspect_film(doubted, ArrayFilm(ground(64, 64, 180), name="bright.png"))
    assert found.judged
