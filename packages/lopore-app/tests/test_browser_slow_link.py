"""On a slow link no answer of one film stands beside the image of another, and no verdict can be given meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.app import serving
from made.browser import chromium, needs_chromium
from made.images import coded
from made.models import publish, record_for
from made.proxy import proxied

from lopore.record.preprocessing import Preprocessing

pytest.importorskip("selenium", reason="the browser test needs selenium")
pytestmark = needs_chromium

SEEN = """
const hosts = [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')];
const all = (selector) => hosts.flatMap((host) => [...(host.shadowRoot?.querySelectorAll(selector) ?? [])]);
const canvas = all('.pane canvas')[0];
const middle = (one) => one.getContext('2d').getImageData(one.width / 2, one.height / 2, 1, 1).data;
const [red, , , alpha] = canvas?.width ? middle(canvas) : [0, 0, 0, 0];
const heading = document.querySelector('.st-key-card h3');
const verdict = document.querySelector('.st-key-verdict button');
return {
  image: alpha ? (red > 127 ? 'bright' : 'dark') : 'blank',
  answer: heading && getComputedStyle(heading).visibility === 'visible' ? heading.innerText : 'hidden',
  name: all('.caption')[0]?.textContent ?? '',
  locked: !verdict || getComputedStyle(verdict).visibility !== 'visible',
  films: all('.film').length,
};
"""
CHOOSE = SEEN.split("const canvas")[0] + "all('.film')[%d].click();"


def until(ready: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(0.05)
    pytest.fail(f"{what} did not come")


def test_nothing_false_is_on_the_screen_while_a_film_arrives(tmp_path: Path) -> None:
    plan = Preprocessing(size=(16, 16))
    publish(tmp_path / "models" / "final" / "bright" / "1", record=record_for(preprocessing=plan))
    noise = np.random.default_rng(1)
    for name, low in (("a bright.png", 210), ("b dark.png", 0)):
        (tmp_path / name).write_bytes(coded(".png", noise.integers(low, low + 40, (480, 480)).astype(np.uint8)))
    with serving(tmp_path) as port, proxied(port) as link, chromium() as browser:
        browser.get(f"http://127.0.0.1:{link.port}")
        look = lambda: browser.execute_script(SEEN)  # noqa: E731 - one word for what is on the screen
        until(lambda: browser.find_elements("css selector", "input[type=file]"), "the field")[0].send_keys(
            "\n".join(str(tmp_path / name) for name in ("a bright.png", "b dark.png"))
        )
        until(
            lambda: (now := look())["films"] == 2 and now["image"] == "bright" and now["answer"] != "hidden",
            "the films",
        )
        first = look()
        time.sleep(3)
        link.rate = 40_000  # 320 kbit/s
        browser.execute_script(CHOOSE % 1)
        seen = []
        end = time.monotonic() + 60
        while time.monotonic() < end and (not seen or seen[-1]["image"] != "dark" or seen[-1]["answer"] == "hidden"):
            seen.append(look())
            time.sleep(0.05)
        link.rate = None
    last = seen[-1]
    assert (last["image"], last["name"].split(" ")[0]) == ("dark", "b")
    assert last["answer"] != first["answer"]
    assert {now["image"] for now in seen} >= {"blank", "dark"}  # it took long enough to be seen
    for now in seen:
        assert now["image"] != "bright", now
        assert now["answer"] in ("hidden", last["answer"]), now
        if now["image"] == "blank":
            assert now["answer"] == "hidden", now
            assert now["locked"], now
