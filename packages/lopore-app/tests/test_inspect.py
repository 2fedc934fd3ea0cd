"""The Inspect page: films, decisions, evidence and verdicts; nothing that arrives is trusted."""

from __future__ import annotations

from pathlib import Path

import pytest
from made.images import coded, even, ramp
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.preprocessing.enhancement_chain import Chain
from lopore.reading.radiograph import describe
from lopore.record.folder import ModelFolder
from lopore_app.inspection.edited_chain import EditedChain
from lopore_app.inspection.enhance_panel import editor_data
from lopore_app.inspection.filmstrip import State, tally
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.session import InspectionSession
from lopore_app.inspection.upload import Upload
from lopore_app.inspection.uploads import examples
from lopore_app.inspection.view import Edit, view_of
from lopore_app.plain_text import plain
from lopore_app.review import records

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))

HOSTILE = "<b>bold</b> $x$ [a](b) `c` :material/home:.png"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    return AppTest.from_file(MAIN, default_timeout=60)


def decision_on(page: AppTest) -> str:
    assert not page.exception
    return str(page.subheader[0].value)


def kept(page: AppTest) -> tuple[records.Entry, ...]:
    return records.entries({name: page.session_state[name] for name in ("records",) if name in page.session_state})


def with_film(page: AppTest, *files: tuple[str, bytes]) -> AppTest:
    page.run().file_uploader[0].set_value([(name, content, "image/png") for name, content in files])
    return page.run()


def test_without_a_model_films_are_shown_and_nothing_is_predicted(opened: AppTest) -> None:
    page = with_film(opened, ("film.png", even(90)))
    assert not page.exception
    assert "No model found" in page.sidebar.info[0].value
    assert any("nothing is predicted" in caption.value for caption in page.caption)
    assert kept(page) == ()


def test_the_first_page_offers_example_films_and_they_are_answered(opened: AppTest, model_folder: ModelFolder) -> None:
    page = opened.run()
    next(button for button in page.button if "example" in button.label).click().run()
    assert decision_on(page) in ("pore", "cannot be judged")


def test_a_step_changes_the_call_at_once_and_the_card_says_so(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", even(255)))
    assert decision_on(page) == "pore"
    page.selectbox(key="add_step").select("invert").run()
    assert decision_on(page) == "no defect"
    made = kept(page)
    assert [entry.prediction.decision.labels for entry in made] == [("pore",), ("no_defect",)]
    assert [len(entry.chain) for entry in made] == [0, 1]


def test_looking_again_keeps_no_second_record(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", even(255)))
    page.run().run()
    assert len(kept(page)) == 1


def test_a_preset_fills_the_chain_and_no_preset_empties_it(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("film.png", coded(".png", ramp())))
    page.selectbox(key="preset").select("CLAHE + Median (fast)").run()
    assert [step.name for step in page.session_state["chain"].steps] == ["stretch", "clahe", "median"]
    assert page.selectbox(key="preset").placeholder == "CLAHE + Median (fast)"
    page.session_state["chain"] = page.session_state["chain"].and_then("gamma")
    assert page.run().selectbox(key="preset").placeholder == "Own chain"  # it is no longer the preset
    page.selectbox(key="preset").select("No preset").run()
    assert not page.session_state["chain"].steps
    assert not page.exception


def test_a_broken_file_harms_no_other(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("broken.png", b"no image at all"), ("dark.png", even(0)))
    assert not page.exception
    assert "broken" in page.error[0].value
    assert len(page.error) == 1
    page.session_state["film"] = Upload.of("", even(0)).sha256
    assert decision_on(page.run()) == "no defect"
    assert not page.error


def test_a_sixteen_bit_film_that_the_model_cannot_take_is_one_line(opened: AppTest, model_folder: ModelFolder) -> None:
    deep = coded(".tif", ramp(top=60000))
    page = with_film(opened, ("deep.tif", deep))
    assert not page.exception
    assert "takes 8" in page.error[0].value


def said(page: AppTest) -> str:
    return "\n".join(caption.value for caption in page.caption).replace("\\", "")


def test_a_setting_is_kept_although_the_run_that_it_began_is_overtaken() -> None:
    def page() -> None:  # ends where another run stops it, before anything of the bench is there
        import streamlit as st

        from lopore_app.inspection.edited_chain import EditedChain
        from lopore_app.inspection.enhance_panel import presets, take_preset

        st.session_state.setdefault("chain", EditedChain())
        st.selectbox("Preset", ["No preset", *presets()], index=None, key="preset", on_change=take_preset)

    app = AppTest.from_function(page, default_timeout=60).run()
    app.selectbox[0].select("Sharpen + Gamma").run()
    assert not app.exception
    assert [step.name for step in app.session_state["chain"].steps] == ["stretch", "unsharp-mask", "gamma"]


def test_a_copy_of_a_film_is_shown_once_under_its_first_name_and_that_is_told(
    opened: AppTest, model_folder: ModelFolder
) -> None:
    page = with_film(opened, ("first.png", even(255)), ("other.png", even(0)), ("copy.png", even(255)))
    assert kept(page)[0].film == "first.png"
    assert "1 file holds the same film as another: shown once" in said(page)
    assert "same film" not in said(with_film(page, ("first.png", even(255)), ("other.png", even(0))))


def test_the_strip_counts_what_cannot_be_read() -> None:
    states = [State("0.90 pore", "found"), State("cannot be read", "broken"), State("waiting", "waiting")]
    assert tally(states) == "3 films, 1 without an answer, 1 waiting"
    assert tally(states[:1] * 2) == "2 films"


def test_a_film_too_small_for_any_weld_is_told_of_the_film_and_not_of_the_model(
    opened: AppTest, model_folder: ModelFolder
) -> None:
    page = with_film(opened, ("speck.png", coded(".png", ramp()[:1, :1])))
    assert "1 x 1 px" in page.error[0].value
    assert "choose another model" not in said(page)
    assert "Nothing is wrong with the model" in said(page)


def test_a_step_that_leaves_too_little_of_the_film_is_told_of_the_step(
    opened: AppTest, model_folder: ModelFolder
) -> None:
    page = with_film(opened, ("film.png", coded(".png", ramp())))
    page.session_state["chain"] = EditedChain.of([{"name": "crop", "width": 3, "height": 3}], 1)
    page.run()
    assert not page.exception
    assert "choose another model" not in said(page)
    assert "under Enhance" in said(page)


def test_a_film_that_is_too_deep_for_the_model_asks_for_another_model(
    opened: AppTest, model_folder: ModelFolder
) -> None:
    page = with_film(opened, ("deep.tif", coded(".tif", ramp(top=60000))))
    assert "choose another model" in said(page)


@pytest.mark.parametrize("with_model", [True, False])
def test_an_empty_chain_speaks_of_a_network_only_where_there_is_one(
    session: InspectionSession, with_model: bool
) -> None:
    here = session if with_model else InspectionSession(Memory(), None)
    now = view_of(here, Upload.of("a.png", even(200)), Chain(), None)
    empty = editor_data(here, now, EditedChain(), Edit(), None)["empty"]
    assert ("network" in empty) is with_model


def test_evidence_is_shown_on_wish_and_written_into_the_record(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", even(255)))
    assert kept(page)[-1].explainer is None
    page.session_state["explainer"] = "grad-cam"
    page.run()
    last = kept(page)[-1]
    assert not page.exception
    assert (last.explainer, last.explained_class) == ("grad-cam", "pore")
    page.session_state["all_explainers"] = True
    assert not page.run().exception


def test_a_threshold_of_ones_own_makes_the_model_abstain(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("grey.png", even(130)))
    page.toggle(key="own_threshold").set_value(True).run()
    page.slider(key="threshold").set_value(0.99).run()
    assert decision_on(page) == "cannot be judged"
    assert any("set by you" in caption.value for caption in page.caption)


def test_a_verdict_goes_into_the_records(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", even(255)))
    key = kept(page)[0].key
    page.session_state[f"verdict/{key}"] = "reject"
    page.run()
    assert not page.exception
    assert kept(page)[0].review.verdict == "reject"


def test_a_look_at_another_page_loses_no_film_chain_or_threshold(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, ("bright.png", even(255)))
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
    page = with_film(opened, ("bright.png", even(255)))
    page.file_uploader[0].set_value([]).run()
    assert not page.exception
    assert not page.subheader


def test_a_corrupt_model_is_listed_and_harms_no_other(
    opened: AppTest, model_folder: ModelFolder, tmp_path: Path
) -> None:
    corrupt = tmp_path / "models" / "final" / "corrupt" / "1"
    corrupt.mkdir(parents=True)
    (corrupt / "lopore.json").write_text("{")
    page = with_film(opened, ("bright.png", even(255)))
    assert decision_on(page) == "pore"
    assert page.sidebar.selectbox[0].options == ["bright/1"]
    assert "1 unusable" in [expander.label for expander in page.sidebar.expander]


def test_an_altered_weight_file_is_one_line_and_films_are_still_shown(
    opened: AppTest, model_folder: ModelFolder
) -> None:
    path = model_folder.path / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    page = with_film(opened, ("bright.png", even(255)))
    assert not page.exception
    assert "sha256 differs" in page.sidebar.error[0].value.replace("\\", "")


def test_a_hostile_name_is_never_markup(opened: AppTest, model_folder: ModelFolder) -> None:
    page = with_film(opened, (HOSTILE, b"text"))
    assert not page.exception
    assert "\\<b\\>" in page.error[0].value
    assert plain("$x$ **b**") == "\\$x\\$ \\*\\*b\\*\\*"


def test_the_examples_are_small_and_one_has_sixteen_bits_and_a_pitch() -> None:
    films = examples()
    assert len(films) == 6
    assert sum(len(film.content) for film in films) < 1_500_000
    facts = [describe(film.content, name=film.name) for film in films]
    deep = [fact for fact in facts if fact.depth == 16]
    assert len(deep) == 1
    assert deep[0].pixel_pitch_mm == pytest.approx(0.1)
