"""The whole way in a real headless browser: upload, decide, dial, explain, measure, download."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made.app import free_port, listens, serving, wait_for
from made.browser import chromium, needs_chromium
from made.models import publish, record_for

from lopore.preprocessing.enhancement_chain import Chain
from lopore.reading.radiograph import read_radiograph
from lopore.record.folder import ModelFolder
from lopore.record.preprocessing import Preprocessing, Window

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium

HOSTILE = "<b>bold film.png"
SHADOWS = """
const all = (selector) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
  .flatMap((host) => [...(host.shadowRoot?.querySelectorAll(selector) ?? [])]);
const slide = (label, share) => {
  const slider = all('input[type=range]').find((item) => item.getAttribute('aria-label') === label);
  slider.value = Number(slider.min) + share * (slider.max - slider.min);
  for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind, { bubbles: true }));
};
const drag = (canvas, x0, y0, x1, y1) => {
  const box = canvas.getBoundingClientRect();
  const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, { bubbles: true, composed: true,
    pointerId: 1, button: 0, clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
  canvas.setPointerCapture = () => {};
  send('pointerdown', x0, y0); send('pointermove', x1, y1); send('pointerup', x1, y1);
};
const press = (text) => all('button').find((item) => item.textContent === text).click();
const captions = () => all('.caption').map((item) => item.textContent).join(' | ');
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    plan = Preprocessing(size=(16, 16), window=Window(mode="percentile", low=0.5, high=99.5))
    publish(tmp_path / "models" / "final" / "bright" / "1", record=record_for(preprocessing=plan))
    with serving(tmp_path) as port:
        yield f"http://127.0.0.1:{port}"


class Page:
    """The page as a person sees it: what is written, what can be pressed."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def run(self, script: str, *given: Any) -> Any:
        return self.browser.execute_script(SHADOWS + script, *given)

    def act(self, script: str) -> None:
        """Run a script as soon as what it touches is on the page."""
        self.until(lambda: self.run(f"{script}; return true"), script)

    def until(self, ready: Callable[[], Any], what: str) -> Any:
        from selenium.common.exceptions import WebDriverException

        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                found = ready()
            except WebDriverException:
                found = None
            if found:
                return found
            time.sleep(0.05)
        pytest.fail(f"{what} did not come; the page says: {self.text()[:800]}")

    def text(self) -> str:
        return str(self.browser.find_element("tag name", "body").text)

    def card(self) -> str:
        return str(self.browser.find_element("css selector", ".st-key-card").text)

    def changed(self, act: Callable[[], Any]) -> str:
        """What the card says after ``act`` changed it."""
        before = self.card()
        act()
        self.until(lambda: self.card() not in ("", before), "a new answer")
        return self.card()

    def click(self, path: str) -> None:
        self.until(lambda: self.browser.find_element("xpath", path).click() or True, path)

    def choose(self, key: str, title: str) -> None:
        self.until(lambda: self.browser.find_element("css selector", f".st-key-{key} input").click() or True, key)
        self.click(f"//*[@role='option'][.='{title}']")

    def at_rest(self) -> None:
        """Wait until no answer is under way."""
        busy = "[data-testid=stStatusWidget]"
        for _ in range(3):
            self.until(lambda: not self.browser.find_elements("css selector", busy), "a page at rest")
            time.sleep(0.4)

    def image(self) -> str:
        return str(self.run("return all('.pane:not([hidden]) canvas').at(-1).toDataURL()"))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with chromium(tmp_path / "got") as browser:
        yield Page(browser)


def _films(folder: Path) -> list[Path]:
    """An 8-bit film, one of 16 bits, and a text that is called a film."""
    ramp = np.linspace(0, 1, 300 * 200).reshape(200, 300) ** 2
    eight, deep, broken = folder / HOSTILE, folder / "deep.tif", folder / "notes.png"
    eight.write_bytes(cv2.imencode(".png", (40 + 180 * ramp).astype(np.uint8))[1].tobytes())
    deep.write_bytes(cv2.imencode(".tif", (21000 + 9000 * ramp[::-1]).astype(np.uint16))[1].tobytes())
    broken.write_bytes(b"these are notes, no film")
    return [eight, deep, broken]


def test_a_person_uploads_dials_explains_measures_and_downloads(address: str, page: Page, tmp_path: Path) -> None:
    films = _films(tmp_path)
    page.browser.get(address)
    field = page.until(lambda: page.browser.find_element("css selector", "input[type=file]"), "the field for films")
    field.send_keys("\n".join(str(path) for path in films))
    states = "return all('.film').map((film) => film.className + ' ' + film.lastChild.textContent)"
    page.until(lambda: len(page.run(states)) == 3 and "waiting" not in " ".join(page.run(states)), "three films")
    assert "cannot be read" in page.run(states)[2]
    assert not page.run("return [...document.querySelectorAll('b'), ...all('b')].some((b) => b.textContent === 'bold')")

    page.changed(lambda: page.choose("preset", "Sharpen + Gamma"))
    page.changed(lambda: page.act("slide('Gamma', 0.7)"))
    page.until(lambda: page.run("return all('.curve svg').length === 1"), "the response curve")

    page.click("//button[contains(., 'grad-cam') and not(contains(., '++'))]")
    page.until(lambda: "grad-cam for" in page.run("return all('.legend')[0].innerText"), "the scale of the heat")
    page.until(lambda: page.run("return globalThis.loporeStore.slots.has('heat/grad-cam')"), "the heat")
    time.sleep(0.3)
    before = page.image()
    page.act("slide('Opacity', 1)")
    page.until(lambda: page.image() != before, "a stronger heat")

    page.changed(
        lambda: page.run("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true}))")
    )
    page.until(lambda: "16 bit" in page.run("return captions()"), "the deep film")
    shown = page.run("return captions()")
    page.act("press('Window'); drag(all('.pane canvas')[0], 0.5, 0.5, 0.4, 0.7)")
    page.until(lambda: page.run("return captions()") != shown, "another grey window")
    page.act("press('Line'); drag(all('.pane canvas')[0], 0.4, 0.5, 0.6, 0.5)")
    page.until(lambda: page.run("return all('.graph:not([hidden])').length === 1"), "the profile")

    page.at_rest()
    page.click("//*[@role='tab'][contains(., 'Save')]")
    page.click("//button[contains(., 'Enhanced image')]")
    got = _downloaded(tmp_path / "got", "deep-enhanced.png")
    page.click("//button[contains(., 'Prediction log')]")
    log = json.loads(_downloaded(tmp_path / "got", "lopore-log.json"))
    assert [found["film"] for found in log["predictions"]] == [HOSTILE, "deep.tif"]
    chain = Chain.parse(log["predictions"][1]["chain"])
    assert [step.enhancer.name for step in chain.steps] == ["stretch", "unsharp-mask", "gamma"]
    pixels = cv2.imdecode(np.frombuffer(got, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(pixels, chain.apply(read_radiograph(films[1]).pixels)[0])
    assert pixels.dtype == np.uint16
    assert "Traceback" not in page.text()


def _downloaded(folder: Path, name: str) -> bytes:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if (folder / name).is_file() and (folder / name).stat().st_size:
            return (folder / name).read_bytes()
        time.sleep(0.1)
    pytest.fail(f"{name} was not downloaded; there are {[path.name for path in folder.glob('*')]}")


def test_a_large_deep_film_is_shown_in_parts(address: str, page: Page, tmp_path: Path) -> None:
    film = np.add.outer(np.arange(2000) * 4, np.arange(8640) * 2 + 20000).astype(np.uint16)
    path = tmp_path / "large.tif"
    path.write_bytes(cv2.imencode(".tif", film)[1].tobytes())
    page.browser.get(address)
    field = page.until(lambda: page.browser.find_element("css selector", "input[type=file]"), "the field for films")
    field.send_keys(str(path))
    page.until(lambda: "8640 × 2000 px, 16 bit" in page.run("return captions()"), "the large film")
    sent = "return [...globalThis.loporeStore.slots].map(([name, slot]) => [name, slot.bytes.length])"
    page.until(lambda: page.run(sent), "its pixels")
    assert all(size < 1_500_000 for _, size in page.run(sent))
    page.run("press('1:1')")
    page.until(lambda: any(name == "original/tile/0" for name, _ in page.run(sent)), "the window at full size")
    assert all(size < 3_000_000 for _, size in page.run(sent))
    read = """
    const canvas = all('.pane canvas')[0], box = canvas.getBoundingClientRect();
    canvas.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, composed: true, clientX: box.left + 200,
      clientY: box.top + 150 }));
    return all('.where')[0].textContent;
    """
    summary = page.until(
        lambda: "about" not in (said := page.run(read)) and "original" in said and said, "the grey value"
    )
    x, y, value = (int(summary.split(word)[1].split()[0]) for word in ("x ", "y ", "original "))
    assert value == film[y, x]


def test_a_page_that_is_older_than_its_server_says_what_is_lost_and_works_on(
    model_folder: ModelFolder, page: Page, tmp_path: Path
) -> None:
    port, film = free_port(), _films(tmp_path)[0]
    command = [sys.executable, "-m", "lopore_app", "--no-browser", f"--port={port}"]

    def server() -> subprocess.Popen[bytes]:
        started = subprocess.Popen(command, cwd=model_folder.path.parents[3], stdout=subprocess.DEVNULL)
        wait_for(port)
        return started

    def upload() -> None:
        page.until(lambda: page.browser.find_element("css selector", "input[type=file]"), "a field").send_keys(
            str(film)
        )
        page.until(page.card, "an answer")

    notice = "return all('.notice').filter((item) => !item.hidden).map((item) => item.textContent).join()"
    with server() as first:
        page.browser.get(f"http://127.0.0.1:{port}")
        upload()
        for name in ("Models", "Inspect"):  # whoever turned the page is not answered by Streamlit's own reconnection
            page.click(f"//a[contains(., '{name}')]")
            page.at_rest()
        assert not page.run(notice)
        first.kill()
    page.until(lambda: page.browser.find_element("css selector", "[data-testid=stConnectionStatus]"), "a lost server")
    with server() as second:
        assert "films and records of the session before are gone" in page.until(lambda: page.run(notice), "the notice")
        page.act("press('Understood')")
        assert not page.run(notice)
        upload()
        second.terminate()


def test_whoever_stops_the_app_stops_its_server(model_folder: ModelFolder) -> None:
    port = free_port()
    command = [sys.executable, "-m", "lopore", "app", "--no-browser", f"--port={port}"]
    with subprocess.Popen(command, cwd=model_folder.path.parents[3], stdout=subprocess.DEVNULL) as server:
        wait_for(port)
        server.terminate()
        server.wait(timeout=30)
    assert not listens(port)
