"""The page Film on a slow link: image, name, marks and verdicts are of one film at every moment, or not there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.app import serving
from made.browser import chromium, needs_chromium
from made.images import coded
from made.models import publish_areas
from made.proxy import proxied
from made.reader_page import ReaderPage
from made.whole_films import disc, ground

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium

RATE, LATENCY = 40_000, 0.3  # 320 kbit/s. Chromium's own emulation of a network leaves websockets as they are.
SEEN = """
const canvas = all('.pane canvas')[0];
const middle = (one) => one.getContext('2d').getImageData(one.width / 2, one.height / 2 - 8, 1, 1).data;
const [grey, , , alpha] = canvas?.width ? middle(canvas) : [0, 0, 0, 0];
const seen = (one) => one && getComputedStyle(one).visibility === 'visible';
const panel = document.querySelector('.st-key-of_film'), below = document.querySelector('.st-key-below_film');
if (!alpha) key('r');  // a verdict on what is not there
return {
  image: alpha ? (grey > 100 ? 'bright' : 'dark') : 'blank',
  name: (all('.caption')[0]?.textContent ?? '').split(' ')[0],
  rows: seen(below) ? rows().filter((cells) => cells.length > 10).length : -1,
  facts: seen(panel) ? panel.innerText : '',
};
"""
CHOOSE = """
const list = all('.choice select')[0];
list.value = [...list.options].find((item) => item.textContent.startsWith('NAME')).value;
list.dispatchEvent(new Event('input', { bubbles: true }));
"""


def films(place: Path) -> list[Path]:
    """A weld that is bright in the middle, with marks, and a film that is dark there and that no model looked at."""
    marked = ground(300, 900)
    for x in (200, 700):
        disc(marked, x + 0.5, 60.5, 6)
    marked[120:] = np.linspace(20, 80, 900).astype(np.uint8)  # under the model's threshold, and of many greys
    marked[120:, 350:550] = 100
    plain = np.full((300, 900), 90, np.uint8)
    plain[:, 350:550] = 10
    noise = np.random.default_rng(1).integers(0, 9, (300, 900)).astype(np.uint8)
    paths = [place / "bright.png", place / "dark.png"]
    paths[0].write_bytes(coded(".png", marked + noise))
    paths[1].write_bytes(coded(".png", plain + noise))
    return paths


def turned_to(page: ReaderPage, name: str) -> list[dict[str, Any]]:
    """Everything that stood on the screen from the choice until the film is there with all that belongs to it."""
    seen: list[dict[str, Any]] = [page.run(CHOOSE.replace("NAME", name) + SEEN)]  # in the very moment of the choice
    until = time.monotonic() + 40
    while time.monotonic() < until:
        seen.append(page.run(SEEN))
        if seen[-1]["image"] == name and seen[-1]["rows"] >= 0:
            return seen
        time.sleep(0.03)
    pytest.fail(f"the film {name} did not come: {seen[-1]}")


def test_nothing_false_stands_on_the_page_while_one_goes_from_film_to_film(tmp_path: Path) -> None:
    bright, dark = films(tmp_path)
    publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    with serving(tmp_path) as port, proxied(port) as link, chromium() as browser:
        page = ReaderPage(browser)
        page.open(f"http://127.0.0.1:{link.port}", bright, "Eva")
        page.click("Inspect the film")
        page.until(lambda: page.verdicts(), "the marks")
        marks = page.verdicts()
        page.drop(dark)
        titles = "return all('.choice option').map((one) => one.textContent)"
        page.until(lambda: len(page.run(titles)) == 2, "two films")
        assert f"{len(marks)} of {len(marks)} open" in page.run(titles)[0]
        time.sleep(1)
        link.rate, link.latency = RATE, LATENCY
        for name, count in (("dark", 0), ("bright", len(marks))):
            seen = turned_to(page, name)
            assert "blank" in {one["image"] for one in seen}  # it took long enough to be seen
            for one in seen:
                if one["image"] == "blank":
                    assert (one["rows"], one["facts"]) == (-1, ""), one
                else:
                    assert (one["image"], one["name"]) == (name, f"{name}.png"), one
                    assert one["rows"] in (-1, count), one
        assert page.verdicts() == marks  # what was pressed over a blank image went nowhere
