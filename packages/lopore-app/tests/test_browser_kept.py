"""Nothing of a review is lost in a real browser: two tabs, another page and back, a server that is started anew."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from made.app import free_port, serving
from made.browser import chromium, needs_chromium
from made.images import coded
from made.models import publish_areas
from made.reader_page import ReaderPage
from made.whole_films import disc, ground

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium


def choose(page: ReaderPage, row: int, key: str) -> None:
    page.run(f"all('.marks tbody tr')[{row}].click()")
    page.press(key)


def test_two_tabs_another_page_and_a_new_server_lose_no_verdict(tmp_path: Path) -> None:
    pixels = ground(120, 400)
    for x in (60, 180, 300):
        disc(pixels, x + 0.5, 60.5, 6)
    film, words = tmp_path / "weld.png", f"--work={tmp_path / 'work'}"
    film.write_bytes(coded(".png", pixels))
    publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    port = free_port()
    with chromium() as browser:
        page = ReaderPage(browser)
        with serving(tmp_path, words, at=port):
            page.open(f"http://127.0.0.1:{port}", film, "Eva")
            page.click("Inspect the film")
            page.until(lambda: len(page.verdicts()) == 3, "three marks")
            choose(page, 0, "a")
            page.until(lambda: page.verdicts()[0] == "accepted", "a verdict in the first tab")
            time.sleep(1)
            first = browser.current_window_handle
            browser.switch_to.new_window("tab")
            page.open(f"http://127.0.0.1:{port}", film, "Eva")
            page.until(lambda: page.verdicts() == ["accepted", "open", "open"], "the work of the first tab")
            choose(page, 1, "r")
            page.until(lambda: page.verdicts()[1] == "rejected", "a verdict in the second tab")
            time.sleep(1)
            browser.switch_to.window(first)
            choose(page, 2, "a")
            page.until(lambda: page.verdicts() == ["accepted", "rejected", "accepted"], "the work of both tabs")
            page.link("Models")
            page.until(lambda: "/models" in browser.current_url and not page.verdicts(), "another page")
            page.until(lambda: "All models" in browser.find_element("tag name", "body").text, "all of that page")
            browser.back()
            page.until(lambda: page.verdicts() == ["accepted", "rejected", "accepted"], "the work, after the way back")
        with serving(tmp_path, words, at=port):
            page.until(
                lambda: "are gone" in page.run("return all('.notice').map((it) => it.textContent).join()"), "why"
            )
            time.sleep(3)  # the page is at rest, and still knows who reads
            page.drop(film)
            page.until(lambda: page.verdicts() == ["accepted", "rejected", "accepted"], "the work of the server before")
