"""Models: listed with what matters, opened on demand, chosen for Inspect, compared on the same film."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.films import film_with
from made.images import coded, even
from made.models import publish, publish_areas, record_for
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.inference.explain import HeatMap
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.record.interval import Interval
from lopore.record.model import LeakReport
from lopore.record.preprocessing import Preprocessing
from lopore_app.inspection.comparison import agreement, ask, score_table, verdict
from lopore_app.models import opening

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))


@pytest.fixture
def two(tmp_path: Path, model_folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> tuple[ModelFolder, ModelFolder]:
    """``bright/1``, and a newer one that knows the classes the other way round and was trained on a leaking split."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    facts = record_for(
        name="upside_down",
        created="2026-02-01T00:00:00+00:00",
        classes=("pore", "no_defect"),
        metrics={"roc_auc": Interval(value=0.91, low=0.8, high=0.97)},
        metrics_split="test",
        leaks=LeakReport(split_kind="random", checked_pairs=10, leaks=3),
    )
    other = publish(tmp_path / "models" / "final" / "upside_down" / "1", record=facts)
    return model_folder, other


@pytest.fixture
def app(two: tuple[ModelFolder, ModelFolder]) -> AppTest:
    return AppTest.from_file(MAIN, default_timeout=60).run().switch_page("app_pages/models.py").run()


def words(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.info, app.error)
    return "\n".join(str(item.value).replace("\\", "") for kind in kinds for item in kind)


def test_the_table_says_score_interval_split_and_leaks(app: AppTest) -> None:
    assert not app.exception
    rows = {row["Name"]: row for row in app.dataframe[0].value.to_dict("records")}
    assert rows["upside_down"]["Score"] == "ROC AUC 0.910"
    assert rows["upside_down"]["95 % interval"] == "0.800 to 0.970"
    assert rows["upside_down"]["Leaks"] == "\N{WARNING SIGN} 3 pairs"
    assert rows["bright"]["Made"] == "2026-01-01"
    assert "proves nothing" in words(app)


def test_a_model_is_checked_and_opened_on_demand_and_an_altered_one_is_one_line(
    app: AppTest, two: tuple[ModelFolder, ModelFolder]
) -> None:
    opened = next(button for button in app.button if button.label == "Check and open").click().run()
    assert not opened.exception
    assert "whole and open" in opened.toast[0].value.replace("\\", "")
    path = two[1].path / "model.onnx"
    path.write_bytes(path.read_bytes() + b"x")

    opening.forget_opened()
    again = next(button for button in app.button if button.label == "Check and open").click().run()
    assert not again.exception
    assert "sha256 differs" in words(again)


def test_a_model_is_chosen_for_inspect(app: AppTest, two: tuple[ModelFolder, ModelFolder]) -> None:
    app.session_state["model"] = "bright/1"
    chosen = next(button for button in app.run().button if button.label == "Use in Inspect").click().run()
    assert not chosen.exception
    assert chosen.session_state["model"] == "bright/1"


def test_two_models_answer_the_same_film_side_by_side(app: AppTest) -> None:
    view = next(item for item in app.get("button_group") if "Compare two" in item.options)
    page = view.set_value("Compare two").run()
    assert not page.exception
    assert "different calls" in words(page)
    rows = {row["Class"]: row for row in page.dataframe[-1].value.to_dict("records")}
    assert rows["pore"]["Difference"] == pytest.approx(rows["pore"]["Second"] - rows["pore"]["First"])
    assert len(page.image) == 2


def compared(app: AppTest) -> AppTest:
    app = app.switch_page("app_pages/models.py").run()
    view = next(item for item in app.get("button_group") if "Compare two" in item.options)
    return view.set_value("Compare two").run()


def test_a_model_that_cannot_be_opened_takes_nothing_from_the_other(
    app: AppTest, two: tuple[ModelFolder, ModelFolder]
) -> None:
    path = two[1].path / "model.onnx"
    path.write_bytes(path.read_bytes() + b"x")
    opening.forget_opened()
    page = compared(app)
    assert not page.exception
    assert "One of the two models does not answer" in words(page)
    assert "sha256 differs" in words(page)
    assert str(two[1].path) not in words(page)
    assert len(page.image) == 1


def test_a_model_whose_folder_is_gone_is_no_longer_offered(app: AppTest, two: tuple[ModelFolder, ModelFolder]) -> None:
    page = compared(app)
    page.selectbox(key="compare/first").select("upside_down/1").run()
    shutil.rmtree(two[1].path)
    page = page.run()
    assert not page.exception
    assert "Two are needed" in words(page)
    for other in ("inspect", "records", "evaluation", "models"):
        assert not page.switch_page(f"app_pages/{other}.py").run().exception


def test_a_segmentation_model_beside_a_classifier_outlines_what_it_found(
    app: AppTest, two: tuple[ModelFolder, ModelFolder], tmp_path: Path
) -> None:
    areas = publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    page = compared(app)
    page.selectbox(key="compare/first").select("areas/1")
    page.selectbox(key="compare/second").select("bright/1").run()
    assert not page.exception
    assert "indication" in words(page)
    assert len(page.image) == 2
    film = coded(".png", film_with((10, 20, 30, 36)))
    outlined, plain = (ask(open_model(folder), "a.png", film) for folder in (areas, two[0]))
    assert outlined.lines is not None
    assert len(outlined.lines) == 1
    assert plain.lines is None


def test_heat_maps_of_different_classes_are_not_compared(
    app: AppTest, two: tuple[ModelFolder, ModelFolder], tmp_path: Path
) -> None:
    facts = record_for(name="rust", classes=("clean", "rust"))
    publish(tmp_path / "models" / "final" / "rust" / "1", record=facts)
    page = compared(app)
    page.selectbox(key="compare/first").select("bright/1")
    page.selectbox(key="compare/second").select("rust/1").run()
    assert not page.exception
    assert "evidence for different classes" in words(page)
    assert "hottest tenths" not in words(page)


def test_films_are_of_one_size_whatever_each_model_reads(tmp_path: Path, model_folder: ModelFolder) -> None:
    plan = Preprocessing(size=(16, 16), decoder_scaling=True)
    small = publish(tmp_path / "small" / "1", record=record_for(name="small", preprocessing=plan))
    film = coded(".jpg", np.kron(film_with((10, 20, 30, 36)), np.ones((4, 4), np.uint8)))
    one, other = (ask(open_model(folder), "a.jpg", film) for folder in (model_folder, small))
    assert one.original.shape == other.original.shape == (256, 256)
    assert one.heat is not None
    assert other.heat is not None
    assert agreement(one.heat, other.heat) is not None


def test_the_second_model_is_explained_for_the_class_that_the_first_one_called(
    two: tuple[ModelFolder, ModelFolder],
) -> None:
    one = ask(open_model(two[0]), "a.png", even(255))
    other = ask(open_model(two[1]), "a.png", even(255), class_name=one.shown_class)
    assert (one.shown_class, other.shown_class) == ("pore", "pore")
    assert other.prediction.decision.labels == ("no_defect",)
    assert verdict(one, other).startswith("They make different calls; the score of pore differs by")
    table: dict[str, Any] = {name: (a, b) for name, a, b in score_table(one.prediction, other.prediction)}
    assert table["pore"][0] == pytest.approx(table["no_defect"][1], abs=1e-6)


def test_agreement_compares_places_and_not_values() -> None:
    spot = np.zeros((20, 20), np.float32)
    spot[2:6, 2:7] = 1
    away = np.roll(spot, 10, axis=0)
    maps = {
        name: HeatMap(values, "pore", "grad-cam", "raw")
        for name, values in (("spot", spot), ("hotter", spot * 7), ("away", away), ("flat", spot * 0))
    }
    assert agreement(maps["spot"], maps["hotter"]) == 1.0
    assert agreement(maps["spot"], maps["away"]) == 0.0
    assert agreement(maps["spot"], maps["flat"]) is None
