"""Every page in both themes before axe-core, and the way of a film by keyboard alone.

``nox -s accessibility`` fetches axe-core and names it in ``LOPORE_AXE``; without it the rules are not asked.
"""

from __future__ import annotations

import os
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

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium

PAGES = ("", "film", "models", "records", "evaluation", "extensions")
ROWS = """
return [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
  .flatMap((host) => [...(host.shadowRoot?.querySelectorAll('.marks tbody tr') ?? [])])
  .map((row) => [...row.children].map((cell) => cell.textContent)).filter((cells) => cells.length > 10)
  .map((cells) => cells[10].split(' ').at(-1));
"""
AUDIT = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations.map((one) =>
  `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`)));
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    pixels = ground(120, 400)
    for x in (60, 180, 300):
        disc(pixels, x + 0.5, 60.5, 6)
    (tmp_path / "weld.png").write_bytes(coded(".png", pixels))
    publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    with serving(tmp_path) as port:
        yield f"http://127.0.0.1:{port}"


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


def test_a_film_is_read_by_keyboard_alone(address: str, tmp_path: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    with chromium() as browser:
        upload(browser, address, tmp_path / "weld.png")
        press = lambda *keys: ActionChains(browser).send_keys(*keys).perform()  # noqa: E731 - one word for a key
        for _ in range(60):
            at = browser.switch_to.active_element
            if at.tag_name == "button" and "Inspect the film" in at.text:
                break
            press(Keys.TAB)
        press(Keys.ENTER)
        until(lambda: browser.execute_script(ROWS) == ["open"] * 3, "three marks")
        press("n", "a", "r")
        until(lambda: sorted(browser.execute_script(ROWS)) == ["accepted", "open", "rejected"], "two verdicts")
        press("u")
        until(lambda: sorted(browser.execute_script(ROWS)) == ["accepted", "open", "open"], "one step back")


@pytest.mark.skipif(not os.environ.get("LOPORE_AXE"), reason="LOPORE_AXE names no axe.min.js; nox -s accessibility")
def test_no_page_breaks_a_rule_of_axe(address: str, tmp_path: Path) -> None:
    with chromium() as browser:
        browser.set_script_timeout(60)
        found = []
        for page in PAGES:
            browser.get(f"{address}/{page}")
            until(lambda: browser.find_elements("css selector", "[data-testid=stMainBlockContainer] p"), page)
            for theme in ("light", "dark"):
                found += found_by_axe(browser, theme)
        upload(browser, address, tmp_path / "weld.png")
        browser.find_element("xpath", "//button[contains(., 'Inspect the film')]").click()
        until(lambda: browser.execute_script(ROWS), "marks")
        for tab in browser.find_elements("css selector", "[role=tab]"):
            tab.click()
            found += found_by_axe(browser, "dark")
    assert found == []
