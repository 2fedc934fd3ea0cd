"""The Inspect page: films, decisions, dials, response curves, records; nothing computed twice, nothing trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made.models import bright_or_dark, publish, record_for
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.enhance import Chain
from lopore.errors import ImageError
from lopore.model import LeakReport, ModelFolder, open_model
from lopore.overlay import natural_limits
from lopore.predict import predict_radiographs
from lopore.radiograph import describe, read_radiograph
from lopore.registry import discover
from lopore_app import curve, records
from lopore_app.filmstrip import answer_some, state_of, thumbnails, waiting
from lopore_app.inspect.cautions import cautions
from lopore_app.inspect.films import examples
from lopore_app.memory import Memory
from lopore_app.session import Desk, Upload
from lopore_app.steps import Dialled, as_yaml
from lopore_app.widgets import controls, plain

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))
HOSTILE = "<b>bold</b> $x$ [a](b) `c` :material/home:.png"


def png(value: int | np.ndarray[Any, Any], side: int = 40) -> bytes:
    pixels = np.full((side, side), value, np.uint8) if isinstance(value, int) else value
    return cv2.imencode(".png", pixels)[1].tobytes()


def ramp(side: int = 64, top: int = 255) -> np.ndarray[Any, Any]:
    values = np.linspace(top * 0.4, top, side * side).reshape(side, side)
    return values.astype(np.uint8 if top < 256 else np.uint16)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    return AppTest.from_file(MAIN, default_timeout=60)


@pytest.fixture
def desk(model_folder: ModelFolder) -> Desk:
    return Desk(Memory(), open_model(model_folder))


def decision_on(page: AppTest) -> str:
    assert not page.exception
    return str(page.subheader[0].value)


def kept(page: AppTest) -> tuple[records.Entry, ...]:
    return records.entries({name: page.session_state[name] for name in ("records",) if name in page.session_state})


def with_film(page: AppTest, *files: tuple[str, bytes]) -> AppTest:
    page.run().file_uploader[0].set_value([(name, content, "image/png") for name, content in files])
    return page.run()


# The page


def test_without_a_model_films_are_shown_and_nothing_is_predicted(opened: AppTest) -> None:
    page = with_film(opened, ("film.png", png(90)))
    assert not page.exception
    assert "No model found" in page.sidebar.info[0].value
    assert any("nothing is predicted" in caption.value for caption in page.caption)
    assert kept(page) == ()


def test_the_first_page_offers_example_films_and_they_are_answered(opened: AppTest, model_folder: ModelFolder) -> None:
    page = opened.run()
    next(button for button in page.button if "example" in button.label).click().run()
    assert decision_on(page) in ("pore", "no defect")


def test_a_step_changes_the_call_at_once_and_the_card_says_so(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", png(255)))
    assert decision_on(page) == "pore"
    page.selectbox(key="add_step").select("invert").run()
    assert decision_on(page) == "no defect"
    made = kept(page)
    assert [entry.prediction.decision.labels for entry in made] == [("pore",), ("no_defect",)]
    assert [len(entry.chain) for entry in made] == [0, 1]


def test_looking_again_keeps_no_second_record(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", png(255)))
    page.run().run()
    assert len(kept(page)) == 1


def test_a_preset_fills_the_chain_and_no_preset_empties_it(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("film.png", png(ramp())))
    page.selectbox(key="preset").select("CLAHE + Median (fast)").run()
    assert [step.name for step in page.session_state["chain"].steps] == ["stretch", "clahe", "median"]
    page.selectbox(key="preset").select("No preset").run()
    assert not page.session_state["chain"].steps
    assert not page.exception


def test_a_broken_file_harms_no_other(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("broken.png", b"no picture at all"), ("dark.png", png(0)))
    assert not page.exception
    assert "broken" in page.error[0].value
    assert len(page.error) == 1
    page.session_state["film"] = Upload.of("", png(0)).sha256
    assert decision_on(page.run()) == "no defect"
    assert not page.error


def test_a_sixteen_bit_film_that_the_model_cannot_take_is_one_line(opened: AppTest, model_folder: ModelFolder) -> None:
    deep = cv2.imencode(".tif", ramp(top=60000))[1].tobytes()
    page = with_film(opened, ("deep.tif", deep))
    assert not page.exception
    assert "takes 8" in page.error[0].value


def test_evidence_is_shown_on_wish_and_written_into_the_record(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", png(255)))
    assert kept(page)[-1].explainer is None
    page.session_state["explainer"] = "grad-cam"
    page.run()
    last = kept(page)[-1]
    assert not page.exception
    assert (last.explainer, last.explained_class) == ("grad-cam", "pore")
    page.session_state["all_explainers"] = True
    assert not page.run().exception


def test_a_threshold_of_ones_own_makes_the_model_abstain(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("grey.png", png(130)))
    page.toggle(key="own_threshold").set_value(True).run()
    page.slider(key="threshold").set_value(0.99).run()
    assert decision_on(page) == "undecided"
    assert any("set by you" in caption.value for caption in page.caption)


def test_a_verdict_goes_into_the_records(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", png(255)))
    key = kept(page)[0].key
    page.session_state[f"verdict/{key}"] = "reject"
    page.run()
    assert not page.exception
    assert kept(page)[0].review.verdict == "reject"


def test_a_look_at_another_page_loses_no_film_chain_or_threshold(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", png(255)))
    page.selectbox(key="add_step").select("invert").run()
    page.toggle(key="own_threshold").set_value(True).run()
    page.slider(key="threshold").set_value(0.8).run()
    page.switch_page("app_pages/models.py").run()
    assert not page.exception
    page.switch_page("app_pages/inspect.py").run()
    assert decision_on(page) == "no defect"
    assert page.slider(key="threshold").value == 0.8
    next(button for button in page.sidebar.button if "earlier" in button.label).click().run()
    assert not page.exception
    assert not page.subheader


def test_a_film_that_is_taken_out_of_the_field_leaves_the_table(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", png(255)))
    page.file_uploader[0].set_value([]).run()
    assert not page.exception
    assert not page.subheader


def test_a_corrupt_model_is_listed_and_harms_no_other(
    opened: AppTest, model_folder: ModelFolder, tmp_path: Path
) -> None:
    corrupt = tmp_path / "models" / "final" / "corrupt" / "1"
    corrupt.mkdir(parents=True)
    (corrupt / "lopore.json").write_text("{")
    page = with_film(opened, ("bright.png", png(255)))
    assert decision_on(page) == "pore"
    assert page.sidebar.selectbox[0].options == ["bright/1"]
    assert "1 unusable" in [expander.label for expander in page.sidebar.expander]


def test_an_altered_weight_file_is_one_line_and_films_are_still_shown(
    opened: AppTest, model_folder: ModelFolder
) -> None:
    path = model_folder.path / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    page = with_film(opened, ("bright.png", png(255)))
    assert not page.exception
    assert "sha256 differs" in page.sidebar.error[0].value.replace("\\", "")


def test_a_hostile_name_is_never_markup(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, (HOSTILE, b"text"))
    assert not page.exception
    assert "\\<b\\>" in page.error[0].value
    assert plain("$x$ **b**") == "\\$x\\$ \\*\\*b\\*\\*"


# What is computed, and how often


class Counted:
    """A session that counts the pictures that it was asked about."""

    def __init__(self, session: Any) -> None:
        self.session, self.pictures = session, 0

    def predict(self, batch: Any) -> Any:
        self.pictures += len(batch)
        return self.session.predict(batch)


def counted(desk: Desk) -> Counted:
    from dataclasses import replace

    assert desk.model is not None
    count = Counted(desk.model.session)
    desk.model = replace(desk.model, session=count)
    return count


def test_an_answer_is_computed_once_and_equals_that_of_the_command_line(desk: Desk) -> None:
    upload, chain = Upload.of("a.png", png(ramp())), Chain.parse(["invert", {"name": "gamma", "gamma": 0.6}])
    expected = predict_radiographs(desk.model, [read_radiograph(upload.content)], chain=chain)[0]  # type: ignore[arg-type]
    count = counted(desk)
    for threshold in (None, None, 0.4):
        found = desk.answer(desk.film(upload), chain, threshold).prediction
        assert found.scores == expected.scores
        assert found.chain == expected.chain
    assert count.pictures == 1


def test_moving_the_last_dial_runs_only_the_last_step(desk: Desk) -> None:
    film = desk.film(Upload.of("a.png", png(ramp())))
    first = desk.enhanced(film, Chain.parse(["median", {"name": "gamma", "gamma": 0.6}]))
    second = desk.enhanced(film, Chain.parse(["median", {"name": "gamma", "gamma": 0.7}]))
    assert first.costs[0] == second.costs[0]
    assert len(second.costs) == 2
    whole, _ = Chain.parse(["median", {"name": "gamma", "gamma": 0.7}]).apply(film.full.pixels)
    assert np.array_equal(second.pixels, whole)


def test_heat_lies_on_the_turned_picture_and_is_kept(desk: Desk) -> None:
    pixels = np.zeros((64, 64), np.uint8)
    pixels[:32, :32] = 255
    film, chain = desk.film(Upload.of("a.png", png(pixels))), Chain.parse([{"name": "turn", "quarters": 1}])
    heat = desk.heat(film, chain, "grad-cam", "pore")
    assert heat.values.shape == desk.enhanced(film, chain).pixels.shape
    hot = heat.values > natural_limits(heat.values, heat.scale)[1] / 2
    bright = desk.enhanced(film, chain).pixels > 128
    assert bright[:32, 32:].all()  # the corner was turned from the left to the right
    assert np.mean(hot == bright) > 0.95  # the map is drawn smooth, so its edge is not sharp
    shifted = np.roll(bright, 16, axis=1)
    assert np.mean(hot == shifted) < 0.8
    assert desk.heat(film, chain, "grad-cam", "pore") is heat


def test_films_that_wait_are_answered_in_slices_and_the_broken_one_is_told(desk: Desk) -> None:
    uploads = [Upload.of(f"{value}.png", png(value)) for value in (0, 120, 255)]
    uploads.append(Upload.of("bad.png", b"no picture"))
    chain = Chain()
    assert [state_of(desk, upload, chain, None).tone for upload in uploads] == ["waiting"] * 4
    while waiting(desk, uploads, chain):
        list(answer_some(desk, uploads, chain, None))
    states = [state_of(desk, upload, chain, None) for upload in uploads]
    assert [state.tone for state in states] == ["sound", "sound", "found", "broken"]
    assert states[2].text.endswith("pore")
    assert set(thumbnails(desk, uploads)) == {upload.sha256 for upload in uploads[:3]}


def test_the_memory_stays_within_its_budget_and_keeps_errors() -> None:
    memory, made = Memory(budget=10_000), []

    def make(number: int) -> Callable[[], int]:
        return lambda: made.append(number) or number  # type: ignore[func-returns-value]

    for number in range(20):
        assert memory.get(number, make(number), lambda value: 3000) == number
        assert memory.spent <= 10_000
    assert memory.get(19, make(19)) == 19
    assert made == list(range(20))

    def fail() -> int:
        made.append(-1)
        raise ImageError("no film")

    for _ in range(2):
        with pytest.raises(ImageError, match="no film"):
            memory.get("bad", fail)
    assert made.count(-1) == 1


# The chain that is dialled


def steps_of(dialled: Dialled) -> list[dict[str, Any]]:
    return [{"id": step.number, "on": step.on, "values": dict(step.values)} for step in dialled.steps]


def test_what_the_browser_dials_becomes_the_chain() -> None:
    before = Dialled.of([{"name": "gamma", "gamma": 0.7}, {"name": "invert"}, {"name": "median"}], 4)
    said = steps_of(before)
    said[0]["values"]["gamma"] = 1.5
    said[2]["on"] = False
    after = before.edited({"version": 4, "steps": [said[1], said[0], said[2]]})
    assert [step["name"] for step in after.chain().as_data()] == ["invert", "gamma"]
    assert after.chain().as_data()[1]["gamma"] == 1.5
    assert [step.name for step in after.steps] == ["invert", "gamma", "median"]


anything = st.one_of(st.none(), st.text(), st.floats(), st.integers(-1, 3), st.booleans(), st.lists(st.integers()))
a_step = st.fixed_dictionaries(
    {"id": anything, "on": anything, "values": st.dictionaries(st.sampled_from(["gamma", "__class__"]), anything)}
)
an_edit = st.fixed_dictionaries({"version": st.sampled_from([1, 2, "1"]), "steps": st.lists(anything | a_step)})


@given(anything | an_edit | st.fixed_dictionaries({"version": st.just(1), "steps": anything}))
def test_nothing_that_arrives_breaks_the_dials(said: object) -> None:
    before = Dialled.of([{"name": "gamma", "gamma": 0.7}, {"name": "invert"}], 1)
    after = before.edited(said)
    assert {step.name for step in after.steps} <= {"gamma", "invert"}
    assert all(set(step.values) <= {"gamma"} for step in after.steps)


def test_an_edit_of_another_version_is_left_alone() -> None:
    before = Dialled.of([{"name": "invert"}], 2)
    assert before.edited({"version": 1, "steps": []}) == before


def test_every_parameter_of_every_enhancer_gets_a_control_that_holds_its_default() -> None:
    for enhancer in discover().enhancers.values():
        for item in controls(enhancer, {}):
            assert item["kind"] in ("dial", "choice", "switch", "number", "text"), (enhancer.name, item)
            if item["kind"] == "dial":
                assert item["low"] <= item["value"] <= item["high"], (enhancer.name, item)
                assert not item["log"] or item["low"] > 0
            if item["kind"] == "choice":
                assert item["value"] in item["choices"]
            json.dumps(item)


def test_a_saved_chain_is_yaml_that_a_config_takes() -> None:
    import yaml

    from lopore.preprocess import Preprocessing

    steps = Dialled.of(discover().presets()["CLAHE + Median (fast)"], 1)
    plan = Preprocessing.model_validate(yaml.safe_load(as_yaml(steps.active)))
    assert [step["name"] for step in plan.enhance] == ["stretch", "clahe", "median"]


# The response curve


def test_the_curve_holds_what_single_answers_would_say(desk: Desk) -> None:
    film = desk.film(Upload.of("a.png", png(ramp())))
    steps = Dialled.of([{"name": "gamma", "gamma": 0.7}, {"name": "median"}], 1)
    found = curve.response(desk, film, steps, 0, "gamma")
    assert found is not None
    assert found.whole
    assert len(found.values) == curve.POINTS
    for value, scores in zip(found.values, found.scores, strict=True):
        alone = desk.scored(film, steps.with_value(0, "gamma", value).chain()).row
        assert np.allclose(alone, scores, atol=1e-6)


def test_the_curve_does_not_depend_on_where_its_dial_stands(desk: Desk) -> None:
    film = desk.film(Upload.of("a.png", png(ramp())))
    steps = Dialled.of([{"name": "gamma", "gamma": 0.7}], 1)
    first = curve.response(desk, film, steps, 0, "gamma")
    count = counted(desk)
    assert curve.response(desk, film, steps.with_value(0, "gamma", 3.0), 0, "gamma") is first
    assert count.pictures == 0


def test_values_that_a_step_refuses_are_left_out_of_the_curve(desk: Desk) -> None:
    film = desk.film(Upload.of("a.png", png(ramp())))
    steps = Dialled.of([{"name": "stretch", "low": 0.5, "high": 60.0}], 1)
    found = curve.response(desk, film, steps, 0, "low")
    assert found is not None
    assert max(found.values) < 60


@given(st.integers(2, 40))
def test_the_ends_and_the_middle_are_measured_first(count: int) -> None:
    order = curve.coarse_first(count)
    assert sorted(order) == list(range(count))
    assert set(order[:2]) == {0, count - 1}


# What the card warns of


def test_cautions_name_leaks_other_chains_small_and_squeezed_films(
    tmp_path: Path,
) -> None:
    grey = {"mean_low": 0.1, "mean_high": 0.5, "std_low": 0.1, "std_high": 0.3}
    facts = record_for(leaks=LeakReport(split_kind="random", leaks=7), training_grey=grey)
    folder = publish(tmp_path / "leaky" / "1", bright_or_dark(), facts)
    desk = Desk(Memory(), open_model(folder))
    film, chain = desk.film(Upload.of("a.png", png(np.full((16, 200), 255, np.uint8)))), Chain.parse(["median"])
    text = " ".join(cautions(facts, film, desk.answer(film, chain), desk.scored(film, chain)))
    for words in ("leaks (7 found)", "brighter than 99 %", "flatter", "shrunk", "squeezed", "which had no such step"):
        assert words in text


def test_a_film_like_those_of_training_gives_no_caution(desk: Desk) -> None:
    film = desk.film(Upload.of("a.png", png(ramp(16))))
    assert desk.model is not None
    assert cautions(desk.model.record, film, desk.answer(film, Chain()), desk.scored(film, Chain())) == []


def test_the_examples_are_small_and_one_has_sixteen_bits_and_a_pitch() -> None:
    films = examples()
    assert len(films) == 6
    assert sum(len(film.content) for film in films) < 1_500_000
    facts = [describe(film.content, name=film.name) for film in films]
    deep = [fact for fact in facts if fact.depth == 16]
    assert len(deep) == 1
    assert deep[0].pixel_pitch_mm == pytest.approx(0.1)


def test_a_threshold_above_every_score_is_told_as_abstention(desk: Desk) -> None:
    film = desk.film(Upload.of("a.png", png(130)))
    found = desk.answer(film, Chain(), 0.99)
    assert desk.model is not None
    assert not found.prediction.decision.decided
    assert "abstains" in cautions(desk.model.record, film, found, desk.scored(film, Chain()))[0]
