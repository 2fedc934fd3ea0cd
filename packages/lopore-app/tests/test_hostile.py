"""Hostile input against the real app in a process of its own, spoken to over Streamlit's own protocol on loopback."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from made.app import serving
from made.browser import chromium, needs_chromium
from made.codings import bomb
from made.images import even
from made.models import publish
from made.plugins import install

pytest.importorskip("selenium", reason="the browser is driven by selenium")
from made.visitor import SECONDS, Visitor  # it skips where websockets are not installed
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

BROKEN_PLUGIN = "raise RuntimeError('<b>this plugin is broken</b>')"
NAMES = (
    "<img src=x onerror=alert(1)>.png",
    "../../../etc/passwd.png",
    "C:\\windows\\x.png",
    "a\u202egnp.exe.png",
    "**bold** [link](http://x) :red[x] $x^2$.png",
    f"{'long' * 300}.png",
    "\U0001f480 \u0627\u0644\u0641\u064a\u0644\u0645.png",
)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The app beside one good model, one corrupt model and a broken plugin."""
    root = tmp_path_factory.mktemp("app")
    publish(root / "models" / "final" / "bright" / "1")
    corrupt = root / "models" / "final" / "corrupt" / "1"
    corrupt.mkdir(parents=True)
    (corrupt / "lopore.json").write_text('{"schema_version": 1, "name": "<b>x</b>"')
    install(root / "site", "broken-plugin", BROKEN_PLUGIN)
    with serving(root, PYTHONPATH=str(root / "site"), LOPORE_UPLOAD_MB="50", LOPORE_MODELS="") as number:
        yield number


@pytest.mark.parametrize(("name", "content", "why"), [
    ("text.png", b"this is no image", "no image"), ("bomb.png", bomb(60_000), "60000 x 60000"),
    ("empty.png", b"", "empty"), ("cut.png", even(255, 200)[:-40], "cut"),
])  # fmt: skip
def test_a_hostile_film_is_one_line_and_the_sound_one_beside_it_is_answered(
    port: int, name: str, content: bytes, why: str
) -> None:
    with Visitor(port) as visitor:
        visitor.upload((name, content))
        assert not visitor.texts("exception")
        (line,) = [text.replace("\\", "") for text in visitor.texts("alert") if name in text.replace("\\", "")]
        assert why in line
        assert "\n" not in line.strip()
        assert len(line) < 400
        visitor.upload(("good.png", even(255)), (name, content))
        visitor.waits_for("pore")


def test_no_name_becomes_markup_or_leaves_its_place(port: int) -> None:
    with Visitor(port) as visitor:
        for number, name in enumerate(NAMES):
            content = even(200 + number) if number < 2 else name.encode("utf-8", "replace")
            visitor.upload((name, content))
            check_drawn(visitor)
        visitor.upload(*((name, even(200 + number)) for number, name in enumerate(NAMES)))
        visitor.waits_for("pore")
        for page in ("", "records", "models", "evaluation"):
            visitor.run(page, None if page else visitor.files)
            check_drawn(visitor)


def check_drawn(visitor: Visitor) -> None:
    assert not visitor.texts("exception")
    for text in visitor.texts("markdown", "alert", "heading", "html"):
        assert not re.search(r"(?<!\\)(<img|\[link|\*\*bold|:red\[)", text), text
        assert len(text) < 6000


def test_a_file_over_the_limit_is_refused_before_its_bytes_are_read(port: int) -> None:
    with Visitor(port) as visitor:
        place = f"/_stcore/upload_file/{visitor.session}/one"
        assert visitor.put(place, "huge.png", b"", claimed=200 << 20) == 413
        visitor.upload(("good.png", even(255)))
        visitor.waits_for("pore")


def test_a_stranger_without_the_page_s_token_cannot_upload(port: int) -> None:
    with Visitor(port) as visitor:
        place = f"/_stcore/upload_file/{visitor.session}/one"
        visitor.token = ""
        assert visitor.put(place, "a.png", even(1)) == 403


def test_twenty_sessions_at_once_keep_their_own_films_while_one_sends_garbage(port: int) -> None:
    def work(number: int) -> str:
        value, expected = (255, "pore") if number % 2 else (0, "no defect")
        with Visitor(port) as visitor:
            if number == 7:
                for size in (0, 10, 100_000):
                    visitor.upload((f"garbage-{size}.png", os.urandom(size)), ("cut.png", even(255)[:-20]))
                    assert not visitor.texts("exception")
                return "garbage"
            visitor.upload((f"film-{number}.png", even(value, 60 + number)))
            visitor.waits_for(expected)
            assert not any("garbage" in text for text in visitor.texts("alert", "text", "bidi_component"))
            return expected

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(work, range(20)))
    assert found.count("pore") == 9
    assert found.count("no defect") == 10
    with Visitor(port) as late:
        late.upload(("late.png", even(255)))
        late.waits_for("pore")


def test_every_page_says_what_this_is_and_a_corrupt_model_and_a_broken_plugin_are_listed(port: int) -> None:
    with Visitor(port) as visitor:
        for page in ("", "models", "records", "evaluation", "extensions"):
            visitor.run(page)
            assert not visitor.texts("exception"), page
            words = "\n".join(visitor.texts("markdown"))
            assert "certifies nothing" in words, page
            assert "no usage statistics" in words, page
            if page == "extensions":
                assert any("this plugin is broken" in text for text in visitor.texts("text"))
                assert not any("<b>this plugin" in text for text in visitor.texts("markdown", "alert", "html"))
            if page == "models":
                assert any("Cannot be used" in text for text in visitor.texts("heading"))


REPORTS = {
    "Images and tables (ZIP)": "lopore-records.zip",
    "Report to print (HTML)": "lopore-report.html",
}


def waiting(browser: WebDriver) -> WebDriverWait[WebDriver]:
    return WebDriverWait(browser, SECONDS, ignored_exceptions=(StaleElementReferenceException,))


def upload(browser: WebDriver, path: Path) -> None:
    field = "//input[@type='file']"
    waiting(browser).until(lambda page: page.find_elements(By.XPATH, field))
    browser.find_element(By.XPATH, field).send_keys(str(path))


def shown(browser: WebDriver, xpath: str) -> WebElement:
    """The first element of ``xpath`` that can be seen, waited for."""
    condition = expected_conditions.element_to_be_clickable((By.XPATH, xpath))
    return waiting(browser).until(condition)


@needs_chromium
def test_a_browser_refuses_200_mb_in_one_line_and_the_next_film_is_recorded_and_leaves(
    port: int, tmp_path: Path
) -> None:
    huge, good = tmp_path / "huge.png", tmp_path / "good film.png"
    with huge.open("wb") as stream:
        stream.truncate(200 << 20)
    good.write_bytes(even(255))
    with chromium(tmp_path) as browser:
        browser.get(f"http://127.0.0.1:{port}")
        upload(browser, huge)
        waiting(browser).until(lambda page: "must be 50" in page.find_element(By.TAG_NAME, "body").text)
        upload(browser, good)
        shown(browser, "//h3[normalize-space()='pore']")
        shown(browser, "//a[.//*[normalize-space()='Records'] or normalize-space()='Records']").click()
        shown(browser, "//*[contains(text(), '1 of 1: good film.png')]")
        for label, name in REPORTS.items():
            shown(browser, f"//button[contains(normalize-space(), '{label}')]").click()
            waiting(browser).until(lambda _, name=name: (tmp_path / name).is_file())
    archive = zipfile.ZipFile(tmp_path / "lopore-records.zip")
    assert "enhanced/0001-good_film.png" in archive.namelist()
    log = json.loads(archive.read("log.json"))
    assert log["predictions"][0]["decision"]["labels"] == ["pore"]
    assert "good film.png" in (tmp_path / "lopore-report.html").read_text(encoding="utf-8")
