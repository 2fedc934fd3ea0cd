"""The page Film in a real browser, as a reader of films uses it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHADOWS = """
const all = (selector) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
  .flatMap((host) => [...(host.shadowRoot?.querySelectorAll(selector) ?? [])]);
const key = (name) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
const rows = () => all('.marks tbody tr').map((row) => [...row.children].map((cell) => cell.textContent));
const pointer = (kind, x, y, button = 0, pointerId = 1) => {
  const canvas = all('.pane canvas')[0], box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  canvas.dispatchEvent(new PointerEvent(kind, { bubbles: true, composed: true, pointerId, button,
    clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
};
const drag = (x0, y0, x1, y1, button = 0) => {
  pointer('pointerdown', x0, y0, button); pointer('pointermove', x1, y1, button); pointer('pointerup', x1, y1, button);
};
const pinch = (near, far) => {
  [1, 2].forEach((one) => pointer('pointerdown', 0.5 + (one === 1 ? -near : near), 0.5, 0, one));
  [1, 2].forEach((one) => pointer('pointermove', 0.5 + (one === 1 ? -far : far), 0.5, 0, one));
  [1, 2].forEach((one) => pointer('pointerup', 0.5 + (one === 1 ? -far : far), 0.5, 0, one));
};
"""


class ReaderPage:
    """The page as a reader of films uses it."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def run(self, script: str) -> Any:
        return self.browser.execute_script(SHADOWS + script)

    def until(self, ready: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        from selenium.common.exceptions import WebDriverException

        end = time.monotonic() + seconds
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
        self.drop(film)
        self.enter("Reviewer", reviewer)

    def enter(self, label: str, text: str) -> None:
        """A text into the field of this label."""
        path = f"//input[@aria-label='{label}']"
        self.until(lambda: self.browser.find_element("xpath", path).send_keys(f"{text}\n") or True, label)
        time.sleep(1)

    def drop(self, film: Path) -> None:
        """The film into the field."""
        field = self.until(lambda: self.browser.find_element("css selector", "input[type=file]"), "the field")
        field.send_keys(str(film))
        self.until(lambda: self.run("return all('.pane canvas').length"), "the film")

    def link(self, name: str) -> None:
        """Another page by its link, in the same session."""
        path = f"//a[@data-testid='stTopNavLink'][contains(., '{name}')]"
        self.until(lambda: self.browser.find_element("xpath", path).click() or True, name)

    def rows(self) -> list[list[str]]:
        return list(self.run("return rows()"))

    def verdicts(self) -> list[str]:
        return [row[1].split()[-1] for row in self.rows() if len(row) > 10]

    def text(self) -> str:
        return str(self.browser.find_element("tag name", "body").text)

    def tab(self, name: str) -> None:
        path = f"//*[@role='tab'][normalize-space(.)='{name}']"
        self.until(lambda: self.browser.find_element("xpath", path).click() or True, name)

    def download(self, folder: Path, label: str, ending: str) -> Path:
        self.click(label)
        found = self.until(lambda: next(folder.glob(f"*{ending}"), None), label)
        assert isinstance(found, Path)
        return found

    def press(self, *keys: str) -> None:
        for name in keys:
            self.run(f"key('{name}')")
