"""A bad plugin in the app: its error is one line on the page, and what good plugins show stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from made.images import even
from made.plugins import install, on_path

from lopore.record.folder import ModelFolder

pytest.importorskip("streamlit", reason="the app is not installed")
lopore_app = pytest.importorskip("lopore_app")
from streamlit.testing.v1 import AppTest  # noqa: E402  # after the skips

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))
CODE = """
import numpy as np
from lopore.contracts import Enhancer, Explainer, NoParams
from lopore.hookspecs import hookimpl
LOPORE_API = 1

def fails(*given):
    raise SystemExit(0)

@hookimpl
def lopore_enhancers():
    yield Enhancer(name="app-exits", summary="s", params=NoParams, apply=fails,
                   presets={"Exits": [{"name": "app-exits"}]})

@hookimpl
def lopore_explainers():
    yield Explainer(name="app-exits", summary="s", formats=("*",), needs="nothing", explain=fails)
    yield Explainer(name="app-fits-not", summary="s", formats=("*",), needs="nothing", explain=fails, fits=fails)
"""


@pytest.fixture
def page(tmp_path: Path, model_folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    """The app with one film in it, beside a distribution whose every entry ends the process if it can."""
    install(tmp_path / "site", "weld-app-faulty", CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    with on_path(tmp_path / "site"):
        opened = AppTest.from_file(MAIN, default_timeout=60).run()
        yield opened.file_uploader[0].upload("bright.png", even(255), "image/png").run()


def said(page: AppTest) -> str:
    """Every text on the page, its markdown escapes taken out."""
    assert not page.exception
    parts = (*page.error, *page.warning, *page.caption, *page.markdown)
    return " ".join(item.value for item in parts).replace("\\", "")


def test_a_bad_enhancer_is_told_on_the_page_and_taking_it_out_brings_the_decision_back(page: AppTest) -> None:
    decision = page.subheader[0].value
    assert decision == "pore"
    page.selectbox(key="preset").select("Exits").run()
    assert "enhancer 'app-exits' of weld-app-faulty 1.0 failed: SystemExit: 0" in said(page)
    page.selectbox(key="preset").select("No preset").run()
    assert "weld-app-faulty" not in said(page)
    assert page.subheader[0].value == decision


def test_a_bad_explainer_is_told_on_the_page_and_the_others_still_explain(page: AppTest) -> None:
    page.session_state["explainer"] = "app-exits"
    page.run()
    assert "explainer 'app-exits' of weld-app-faulty 1.0 failed: SystemExit: 0" in said(page)
    page.session_state["explainer"] = "grad-cam"
    page.run()
    assert "weld-app-faulty" not in said(page)


def test_an_explainer_that_cannot_say_whether_it_fits_hides_no_other(page: AppTest) -> None:
    from lopore.inference.explain import explainers_for
    from lopore.models.catalogue import locate_model
    from lopore.models.opening import open_model

    names = explainers_for(open_model(locate_model("bright")))
    assert {"grad-cam", "occlusion", "app-exits"} <= names.keys()
    assert "app-fits-not" not in names
