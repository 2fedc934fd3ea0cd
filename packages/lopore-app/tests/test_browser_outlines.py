"""What a real headless browser draws around the regions of a segmentation model."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made.app import serving
from made.browser import chromium, needs_chromium
from made.films import film_with
from made.images import coded
from made.models import publish_areas

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium

PORE = (10, 20, 30, 36)
# Columns and rows of the film, in its pixels, between which the colour of the first class is drawn.
DRAWN = """
const all = (selector) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
  .flatMap((host) => [...(host.shadowRoot?.querySelectorAll(selector) ?? [])]);
if (arguments[0]) [...all('button')].find((item) => item.textContent === arguments[0]).click();
const canvas = all('.pane canvas')[0];
if (!canvas?.width) return null;
const { width, height } = canvas, data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
const scale = Math.min(width, height) / 64, [x0, y0] = [width / 2 - 32 * scale, height / 2 - 32 * scale];
const found = [];
for (let at = 0; at < width * height; at++)
  if (data[4 * at + 2] > 180 && data[4 * at] < 120) found.push([(at % width - x0) / scale, (at / width - y0) / scale]);
const [xs, ys] = [found.map(([x]) => x), found.map(([, y]) => y)];
const span = (values) => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
return found.length ? [...span(xs), ...span(ys)] : [];
"""


def until(ready: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = ready()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"{what} did not come")


def drawn_at_rest(browser: Any) -> Any:
    """What is drawn once the page has found its place: twice the same."""
    first = browser.execute_script(DRAWN, "")
    time.sleep(0.3)
    return first if first == browser.execute_script(DRAWN, "") else None


def test_a_line_lies_around_the_region_and_goes_where_it_is_switched_off(tmp_path: Path) -> None:
    publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    film = tmp_path / "film.png"
    film.write_bytes(coded(".png", film_with(PORE)))
    with serving(tmp_path) as port, chromium(tmp_path / "got") as browser:
        browser.get(f"http://127.0.0.1:{port}")
        until(lambda: browser.find_elements("css selector", "input[type=file]"), "the field")[0].send_keys(str(film))
        left, right, top, bottom = until(lambda: drawn_at_rest(browser), "a line")
        assert (left, bottom) == pytest.approx((PORE[0], PORE[3]), abs=1)
        assert right >= PORE[2] - 1  # the number stands at its upper right
        assert top <= PORE[1]
        assert "1 indication" in browser.find_element("css selector", ".st-key-card").text
        browser.execute_script(DRAWN, "Outlines")
        until(lambda: browser.execute_script(DRAWN, "") == [], "a film without lines")
