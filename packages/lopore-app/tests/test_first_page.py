"""What stands before the first page does: nothing that a film needs, and the scripts that Streamlit asks for late."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore_app import warm_up
from lopore_app.late_scripts import ELEMENTS, late_scripts, preloads


def test_the_field_waits_for_nothing_that_a_film_needs() -> None:
    said = (
        "import sys, lopore_app.notices, lopore_app.inspection.table_page, lopore_app.film.reviewer_fields\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True).stdout.split()
    for heavy in ("cv2", "lopore.record.model", "lopore.models.opening", "lopore_app.film.film_review"):
        assert heavy not in loaded


def test_what_an_element_imports_is_told_once_and_what_the_page_names_is_not() -> None:
    scripts = {
        "Html.a1.js": 'import{a as b}from"./purify.x-1.js";import"./index.main.js"',
        "purify.x-1.js": 'import"./Html.a1.js";import("./later.z9.js")',
        "index.main.js": "",
        "later.z9.js": "",
        "HtmlOther.js": "",
    }
    page = '<script src="./static/js/index.main.js"></script>'
    assert late_scripts(page, scripts, ["Html"]) == ("Html.a1.js", "purify.x-1.js")


def test_the_streamlit_that_is_installed_has_the_elements_of_the_first_page() -> None:
    tags = preloads(Path(st.__file__).parent / "static")
    for element in ELEMENTS:
        assert f"./static/js/{element}." in tags


def test_another_layout_of_streamlit_gets_no_tags(tmp_path: Path) -> None:
    assert preloads(tmp_path) == ""
    (tmp_path / "index.html").write_text("<html><head></head></html>", encoding="utf-8")
    assert preloads(tmp_path) == ""


def test_a_step_waits_while_a_request_is_answered() -> None:
    traffic, done = warm_up.Traffic(), threading.Event()
    traffic.open = 1
    thread = warm_up.start(traffic, [done.set])
    assert not done.wait(0.6)
    traffic.open = 0
    assert done.wait(10)
    thread.join(10)


def test_a_step_that_fails_ends_no_other() -> None:
    def missing() -> None:
        raise ImportError("not installed")

    done = threading.Event()
    warm_up.start(warm_up.Traffic(), [missing, done.set]).join(20)
    assert done.is_set()


def test_a_reader_can_be_named_before_there_is_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOPORE_MODELS", "")
    page = AppTest.from_file(str(Path(lopore_app.__file__).with_name("main.py")), default_timeout=60).run()
    page.switch_page("app_pages/film.py").run()
    page.text_input(key="film/reviewer").set_value("Eva").run()
    assert page.session_state["remembered/film/reviewer"] == "Eva"
