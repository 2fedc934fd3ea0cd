"""The way of a whole film in a real browser: inspected, read by keys and table, corrected, kept over a reload."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made.app import serving
from made.browser import chromium, needs_chromium
from made.images import coded
from made.models import publish_areas
from made.whole_films import disc, ground

from lopore.indications import inspect_film
from lopore.models.opening import open_model
from lopore_app.film.uploaded_film import film_source, read_film
from lopore_app.inspection.films import Upload

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium

PORES = [(60, 40), (180, 100), (300, 60), (420, 130), (540, 80), (660, 50), (780, 120), (900, 90)]
SHADOWS = """
const all = (selector) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
  .flatMap((host) => [...(host.shadowRoot?.querySelectorAll(selector) ?? [])]);
const key = (name) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
const rows = () => all('.marks tbody tr').map((row) => [...row.children].map((cell) => cell.textContent));
const drag = (x0, y0, x1, y1) => {
  const canvas = all('.pane canvas')[0], box = canvas.getBoundingClientRect();
  const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, { bubbles: true, composed: true,
    pointerId: 1, button: 0, clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
  canvas.setPointerCapture = () => {};
  send('pointerdown', x0, y0); send('pointermove', x1, y1); send('pointerup', x1, y1);
};
"""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    pixels = ground(180, 960)
    for x, y in PORES:
        disc(pixels, x + 0.5, y + 0.5, 6)
    path = tmp_path / "weld 12.png"
    path.write_bytes(coded(".png", pixels))
    return path


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    with serving(tmp_path, f"--work={tmp_path / 'work'}") as port:
        yield f"http://127.0.0.1:{port}"


class Page:
    """The page as a reader of films uses it."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def run(self, script: str) -> Any:
        return self.browser.execute_script(SHADOWS + script)

    def until(self, ready: Callable[[], Any], what: str) -> Any:
        from selenium.common.exceptions import WebDriverException

        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if found := ready():
                    return found
            except WebDriverException:
                pass
            time.sleep(0.1)
        pytest.fail(f"{what} did not come: {self.browser.find_element('tag name', 'body').text[:800]}")

    def click(self, text: str) -> None:
        path = f"//button[contains(normalize-space(.), '{text}')]"
        self.until(lambda: self.browser.find_element("xpath", path).click() or True, text)

    def open(self, address: str, film: Path, reviewer: str) -> None:
        self.browser.get(f"{address}/film")
        field = self.until(lambda: self.browser.find_element("css selector", "input[type=file]"), "the field")
        field.send_keys(str(film))
        self.until(lambda: self.run("return all('.pane canvas').length"), "the film")
        field = "//input[@aria-label='Reviewer']"
        self.until(lambda: self.browser.find_element("xpath", field).send_keys(f"{reviewer}\n") or True, "the reviewer")
        time.sleep(1)

    def rows(self) -> list[list[str]]:
        return list(self.run("return rows()"))

    def verdicts(self) -> list[str]:
        return [row[10].split()[-1] for row in self.rows() if len(row) > 10]

    def press(self, *keys: str) -> None:
        for name in keys:
            self.run(f"key('{name}')")


def test_a_film_is_inspected_read_corrected_kept_over_a_reload_and_leaves_as_it_was_seen(
    address: str, film: Path, tmp_path: Path
) -> None:
    got = tmp_path / "got"
    with chromium(got) as browser:
        page = Page(browser)
        page.open(address, film, "Eva")
        page.click("Inspect the film")
        page.until(lambda: len(page.verdicts()) == len(PORES), "eight marks")
        seen = set()
        for _ in PORES:  # every mark is found by the keys
            page.press("n")
            time.sleep(0.2)
            seen.add(page.run("return all('.marks tr.chosen td').map((cell) => cell.textContent)[0]"))
        assert seen == {str(number) for number in range(1, 9)}
        page.run("all('.marks tbody tr')[0].click()")
        page.press("a", "r", "r")
        page.until(lambda: page.verdicts()[:3] == ["accepted", "rejected", "rejected"], "three verdicts")
        page.run("all('.marks tbody tr')[3].click()")
        page.press("l")
        page.until(lambda: page.run("return all('.sheet.classes button').length === 2"), "the classes")
        page.run("all('.sheet.classes button').find((item) => item.textContent === 'slag').click()")
        page.until(lambda: page.verdicts()[3] == "accepted" and page.rows()[3][1] == "slag", "another class")
        page.press("f")
        page.run("all('.desk button').find((item) => item.textContent === 'Box').click(); drag(0.42, 0.45, 0.5, 0.6)")
        page.until(lambda: len(page.verdicts()) == 9, "the mark that was drawn")
        page.press("u")
        page.until(lambda: len(page.verdicts()) == 8, "the step back")
        page.run("all('.desk button').find((item) => item.textContent === 'Box').click(); drag(0.42, 0.45, 0.5, 0.6)")
        page.until(lambda: len(page.verdicts()) == 9, "the mark that was drawn again")
        page.until(lambda: "4 of 9 open" in page.run("return all('span.open')[0].textContent"), "the count")
        before = page.rows()
        page.open(address, film, "Eva")  # the page loaded anew: only film and name are given
        page.until(lambda: page.rows() == before, "the work of before")
        page.click("Marks (CSV)")
        table = page.until(lambda: next(got.glob("*-marks.csv"), None), "the table").read_text("utf-8")
        page.click("Session (JSON)")
        session = json.loads(
            page.until(lambda: next(got.glob("*-session.json"), None), "the session").read_text("utf-8")
        )
        page.open(address, film, "Another reader")
        page.until(lambda: page.verdicts() == [], "no trace of the first reader")
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["verdict"] for row in rows] == [
        "accepted",
        "rejected",
        "rejected",
        "accepted",
        *["open"] * 4,
        "accepted",
    ]
    assert {row["reviewer"] for row in rows if row["verdict"] != "open"} == {"Eva"}
    assert [mark["verdict"] for mark in session["marks"]] == [row["verdict"] for row in rows]
    upload = Upload.of(film.name, film.read_bytes())
    model = open_model(publish_areas(tmp_path / "again"))
    same = inspect_film(model, film_source(upload, read_film(upload)))
    told = {(float(row["x_px"]), float(row["area_px"]), float(row["length_px"])) for row in rows[:8]}
    assert told == {(mark.centre[0], mark.area_px, mark.length_px) for mark in same.indications}
    assert len(same.indications) == len(PORES)
