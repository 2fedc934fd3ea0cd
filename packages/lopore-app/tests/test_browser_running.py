"""While a run goes on, the strip under the film is hatched wherever nothing was judged yet."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from made.app import serving
from made.browser import chromium, needs_chromium
from made.images import coded
from made.models import publish_areas
from made.reader_page import ReaderPage
from made.whole_films import disc, ground

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium

WIDE = 9000  # on the strip a longer film is flatter than the frame of the view, whose blue would be counted
# Coloured pixels (hatching is blue, the film grey) in the middle rows of each twentieth of the strip.
STRIP = """
const held = globalThis.loporeStore.slots.get('film/parts');
const canvas = all('.overview')[0];
if (!canvas?.width) return null;
const judged = held ? JSON.parse(new TextDecoder().decode(held.bytes)).judged : null;
const ink = canvas.getContext('2d');
const [wide, high] = [Math.floor(canvas.width / 20), Math.max(Math.floor(canvas.height / 3), 1)];
const hatched = [...Array(20).keys()].map((at) => {
  const { data } = ink.getImageData(at * wide + 3, high, wide - 6, high);
  let count = 0;
  for (let i = 0; i < data.length; i += 4) count += Math.abs(data[i] - data[i + 2]) > 12;
  return count > 0;
});
return { end: judged ? judged[2] : 0, hatched, label: canvas.getAttribute('aria-label') };
"""


def sampled(page: ReaderPage) -> list[dict[str, Any]]:
    """What the strip shows until the run is over."""
    seen = []
    until = time.monotonic() + 90
    while time.monotonic() < until and not page.verdicts():
        if (now := page.run(STRIP)) is not None and "being inspected" in now["label"]:
            seen.append(now)
        time.sleep(0.05)
    return seen


def test_the_strip_is_hatched_beyond_what_is_judged_until_the_run_ends(tmp_path: Path) -> None:
    pixels = ground(240, WIDE)
    disc(pixels, WIDE - 40.5, 60.5, 6)
    film = tmp_path / "weld.png"
    film.write_bytes(coded(".png", pixels))
    publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    with serving(tmp_path) as port, chromium() as browser:
        page = ReaderPage(browser)
        page.open(f"http://127.0.0.1:{port}", film, "Eva")
        page.until(lambda: all(page.run(STRIP)["hatched"]), "a strip that is hatched before the run")
        page.click("Inspect the film")
        seen = sampled(page)
        page.until(lambda: not any(page.run(STRIP)["hatched"][:18]), "a strip without hatching after the run")
    ends = [one["end"] for one in seen]
    assert ends == sorted(ends)
    assert any(0 < end < WIDE for end in ends)  # it was seen in between, how often depends on the machine
    for one, after in zip(seen, [*seen[1:], seen[-1]], strict=True):
        first = after["end"] / WIDE * 20  # it may have been drawn a moment before or after the message was read
        assert all(one["hatched"][int(first) + 1 :]), one
