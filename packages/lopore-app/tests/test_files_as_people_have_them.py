"""Files under any name, pages and frames, a crop of one film, a model that vanished: what people bring and do."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from made.images import coded, even, ramp
from made.models import publish, record_for
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.record.folder import ModelFolder
from lopore_app.inspection.edited_chain import EditedChain

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: ModelFolder) -> AppTest:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    return AppTest.from_file(MAIN, default_timeout=60)


def given(page: AppTest, *files: tuple[str, bytes]) -> AppTest:
    page.run().file_uploader[0].set_value([(name, content, "application/octet-stream") for name, content in files])
    page.run()
    assert not page.exception
    return page


@pytest.mark.parametrize("name", ["IM_0001", "film.jfif", "film.dicom", "film.jpe", "film", "film.txt"])
def test_a_file_is_judged_by_its_content_whatever_its_name(page: AppTest, name: str) -> None:
    given(page, (name, coded(".jpg", ramp(64))))
    assert not page.error
    assert page.subheader


def test_the_pages_of_a_file_are_chosen_in_place_and_each_is_a_film_of_its_own(page: AppTest) -> None:
    pages = [np.full((40, 40), value, np.uint8) for value in (0, 255)]
    done, content = cv2.imencodemulti(".tif", pages)
    assert done
    given(page, ("pages.tif", content.tobytes()))
    control = next(one for one in page.number_input if "Page" in one.label)
    assert "of 2" in control.label
    first = page.subheader[0].value
    control.set_value(2).run()
    assert page.subheader[0].value == "pore" != first
    entries = list(page.session_state["records"].values())
    assert [entry.prediction.page for entry in entries] == [1, 2]
    assert not any("--page" in str(one.value) for one in (*page.error, *page.caption, *page.markdown))


def test_a_crop_belongs_to_the_film_that_it_was_set_on() -> None:
    steps = EditedChain().and_then("crop", "first").and_then("gamma", "first")
    assert [step.enhancer.name for step in steps.chain("first").steps] == ["crop", "gamma"]
    assert [step.enhancer.name for step in steps.chain("second").steps] == ["gamma"]
    preset = EditedChain.of([{"name": "flip"}, {"name": "gamma"}], 1, "first")
    assert [step.enhancer.name for step in preset.chain("second").steps] == ["gamma"]


def test_a_model_that_vanished_is_named_and_no_other_answers_in_its_place(
    page: AppTest, model_folder: ModelFolder
) -> None:
    given(page, ("bright.png", even(255)))
    assert page.subheader[0].value == "pore"
    publish(model_folder.path.with_name("2"), record=record_for(version="2"))
    shutil.rmtree(model_folder.path)
    page.run()
    assert any("gone from this server" in one.value for one in page.warning)
    assert not page.subheader
