"""Every page in both themes before axe-core, and the way of a film by keyboard alone.

``nox -s accessibility`` fetches axe-core and names it in ``LOPORE_AXE``; without it the rules are not asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from made.app import serving
from made.browser import chromium, needs_chromium
from made.images import coded
from made.models import publish_areas
from made.whole_films import disc, ground

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium

PAGES = ("", "film", "models", "records", "evaluation", "extensions")
ROWS = """
return [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
  .flatMap((host) => [...(host.shadowRoot?.querySelectorAll('.marks tbody tr') ?? [])])
  .map((row) => [...row.children].map((cell) => cell.textContent)).filter((cells) => cells.length > 10);
"""
AUDIT = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations.map((one) =>
  `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`)));
"""


@contextmanager
def served(place: Path, *words: str) -> Iterator[str]:
    """The address of an app with a model of areas; a film lies in ``place``."""
    pixels = ground(120, 400)
    for x in (60, 180, 300):
        disc(pixels, x + 0.5, 60.5, 6)
    (place / "weld.png").write_bytes(coded(".png", pixels))
    (place / "plain.png").write_bytes(coded(".png", ground(120, 400)))
    publish_areas(place / "models" / "final" / "areas" / "1")
    with serving(place, *words, LOPORE_BLOCK="lopore-weld") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path) as found:
        yield found


def until(ready: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(0.1)
    pytest.fail(f"{what} did not come")


def found_by_axe(browser: Any, theme: str) -> list[str]:
    features = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    time.sleep(1)
    browser.execute_script(Path(os.environ["LOPORE_AXE"]).read_text("utf-8"))
    return [f"{browser.current_url} {theme}: {line}" for line in browser.execute_async_script(AUDIT)]


def upload(browser: Any, address: str, film: Path) -> None:
    browser.get(f"{address}/film")
    until(lambda: browser.find_elements("css selector", "input[type=file]"), "the field")[0].send_keys(str(film))
    until(lambda: "Inspect the film" in browser.find_element("tag name", "body").text, "the film")


class Keyboard:
    """A reader without a mouse."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def tab_to(self, what: str, kind: str = "button") -> None:
        """Forward to the control of this kind (role or tag) that is called ``what``, by its text or its label."""
        from selenium.webdriver.common.keys import Keys

        script = """
        const at = document.activeElement;
        const said = at.innerText || at.getAttribute('aria-label') || '';
        return [at.getAttribute('role') ?? '', at.tagName.toLowerCase(), said];
        """
        for _ in range(160):
            role, tag, said = self.browser.execute_script(script)
            if kind in (role, tag) and what in said:
                return
            self.press(Keys.TAB)
        pytest.fail(f"no {tag} {what} is reached by the key Tab")

    def at_rest(self) -> None:
        until(lambda: not self.browser.find_elements("css selector", "[data-testid=stStatusWidget]"), "a page at rest")
        time.sleep(0.5)


def rows_of(browser: Any) -> list[list[str]]:
    return list(browser.execute_script(ROWS))


def verdicts(browser: Any) -> list[str]:
    return [cells[1].split(" ")[-1] for cells in rows_of(browser)]


def test_a_film_is_read_decided_drawn_on_signed_and_saved_by_keyboard_alone(address: str, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    with chromium(tmp_path / "got") as browser:
        upload(browser, address, tmp_path / "weld.png")
        reader = Keyboard(browser)
        reader.tab_to("Reviewer", "input")
        reader.press("Eva", Keys.ENTER)
        reader.at_rest()
        reader.tab_to("Inspect the film")
        reader.press(Keys.ENTER)
        until(lambda: verdicts(browser) == ["open"] * 3, "three marks")
        assert not leaving_is_held_up(browser)
        reader.press("n", "a", "r")
        until(lambda: sorted(verdicts(browser)) == ["accepted", "open", "rejected"], "two verdicts")
        assert leaving_is_held_up(browser)  # nothing is kept anywhere
        reader.press("u")
        until(lambda: sorted(verdicts(browser)) == ["accepted", "open", "open"], "one step back")
        reader.press("r", "l", Keys.TAB, Keys.ENTER)  # the next that is open becomes slag
        until(lambda: verdicts(browser).count("open") == 0, "no mark is open")
        assert [cells[2] for cells in rows_of(browser)].count("slag") == 1
        reader.press("b")
        until(lambda: verdicts(browser).count("accepted") == 3, "a box around the middle of the view")
        signed_and_saved(reader, tmp_path / "got")


def leaving_is_held_up(browser: Any) -> bool:
    script = "const it = new Event('beforeunload', { cancelable: true }); dispatchEvent(it); return it.defaultPrevented"
    return bool(browser.execute_script(script))


def signed_and_saved(reader: Keyboard, got: Path) -> None:
    """The answer of the tab Verdict, then the report of the tab Save."""
    from selenium.webdriver.common.keys import Keys

    reader.at_rest()
    reader.tab_to("Film", "tab")
    reader.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    reader.at_rest()
    reader.tab_to("Your answer for this film", "input")
    reader.press("not", Keys.ENTER)
    reader.at_rest()
    reader.tab_to("Sign as Eva")
    reader.press(Keys.ENTER)
    page = reader.browser.find_element("tag name", "body")
    until(lambda: "signed by Eva" in page.text, "the signature")
    reader.at_rest()
    reader.tab_to("Verdict", "tab")
    reader.press(Keys.ARROW_RIGHT)
    reader.at_rest()
    reader.tab_to("Report (HTML)")
    reader.press(Keys.ENTER)
    report = until(lambda: next(got.glob("*-report.html"), None), "the report").read_text("utf-8")
    for text in ("Not acceptable", "drawn by Eva", "rejected by Eva"):
        assert text in report, text


@pytest.mark.skipif(not os.environ.get("LOPORE_AXE"), reason="LOPORE_AXE names no axe.min.js; nox -s accessibility")
def test_no_page_breaks_a_rule_of_axe(tmp_path: Path) -> None:
    with served(tmp_path, f"--work={tmp_path / 'work'}", "--keep-films") as address, chromium() as browser:
        browser.set_script_timeout(60)
        found = []
        for page in PAGES:
            browser.get(f"{address}/{page}")
            until(lambda: browser.find_elements("css selector", "[data-testid=stMainBlockContainer] p"), page)
            for theme in ("light", "dark"):
                found += found_by_axe(browser, theme)
        upload(browser, address, tmp_path / "weld.png")
        browser.find_element("css selector", "input[type=file]").send_keys(str(tmp_path / "plain.png"))
        for label, said in (("Keep my films", "2 films kept"), ("Inspect the film", "Inspect it again")):
            browser.find_element("xpath", f"//button[contains(., '{label}')]").click()
            until(lambda said=said: said in browser.find_element("tag name", "body").text, said)
        until(lambda: browser.execute_script(ROWS), "marks")
        tabs = browser.find_elements("css selector", "[role=tab]")
        for tab, keys in zip(tabs, ("al", "?", "?", ""), strict=True):  # the classes, no sheet, all keys
            tab.click()
            browser.find_element("tag name", "body").send_keys(keys)
            for theme in ("light", "dark"):
                found += found_by_axe(browser, theme)
    assert found == []
