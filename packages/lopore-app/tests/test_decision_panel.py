"""What a reviewer sets and says on the page Inspect: a threshold, a verdict, the right class."""

from __future__ import annotations

from pathlib import Path

import pytest
from made.images import even
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.record.folder import ModelFolder
from lopore_app.review import records

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: ModelFolder) -> AppTest:
    """Inspect with one film that the model calls pore."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    page = AppTest.from_file(MAIN, default_timeout=60).run()
    page.file_uploader[0].set_value([("film.png", even(200), "image/png")])
    return page.run()


def kept(page: AppTest) -> tuple[records.Entry, ...]:
    return records.entries({"records": page.session_state["records"]})


def test_a_threshold_decides_in_the_run_that_switches_it_on(page: AppTest) -> None:
    page.toggle(key="own_threshold").set_value(True).run()
    assert page.slider(key="threshold").value == 0.5
    assert any("set by you" in caption.value for caption in page.caption)


def test_the_first_verdict_after_a_new_threshold_is_kept(page: AppTest) -> None:
    page.toggle(key="own_threshold").set_value(True).run()
    page.session_state[f"verdict/{kept(page)[-1].key}"] = "reject"
    page.run()
    assert [entry.review.verdict for entry in kept(page)] == ["reject", "reject"]


def test_a_relabel_counts_once_the_reviewer_chose_the_class(page: AppTest) -> None:
    page.session_state[f"verdict/{kept(page)[0].key}"] = "relabel"
    page.run()
    assert kept(page)[0].review.verdict == "open"
    (choice,) = (box for box in page.selectbox if box.label == "It is")
    assert (choice.value, choice.options) == (None, ["no defect"])
    choice.select("no_defect").run()
    assert (kept(page)[0].review.verdict, kept(page)[0].review.label) == ("relabel", "no_defect")


def test_a_verdict_that_is_taken_back_leaves_none(page: AppTest) -> None:
    key = f"verdict/{kept(page)[0].key}"
    for said, kept_as in (("accept", "accept"), ("relabel", "open")):
        page.session_state[key] = said
        page.run()
        assert kept(page)[0].review.verdict == kept_as
