"""The page Film in a real headless Chromium: pan and zoom of a large film, jump to a mark, memory over many films.

python benchmarks/bench_film_page.py [--films 100] [--large 4] [--reloads 20] [--json FILE]

Needs selenium, Chromium, chromedriver and lopore-weld; films are made. Frames are counted in the page while a film of
2000 x 8640 px and 16 bits is moved and magnified. A jump is timed from the key to the frame that shows the mark, and to
the one that shows it in film pixels. Memory is the server's resident set: after the first film, after ``--films`` films
that were all inspected (``--large`` of them 2000 x 8640 at 16 bits), after ``--reloads`` reloads with a film each.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench_app import App, told
from figures import arguments, keep

BATCH, FORGOTTEN = 10, 130
FRAMES = """
const done = arguments[0];
const canvas = all('.pane canvas')[0], box = canvas.getBoundingClientRect();
canvas.setPointerCapture = () => {};
const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, { bubbles: true, composed: true,
  pointerId: 1, button: 0, clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
const wheel = (by) => canvas.dispatchEvent(new WheelEvent('wheel', { bubbles: true, composed: true, cancelable: true,
  deltaY: by, clientX: box.left + box.width / 3, clientY: box.top + box.height / 2 }));
let last = performance.now(), turns = 0;
const times = [];
send('pointerdown', 0.5, 0.5);
const step = () => {
  const now = performance.now();
  times.push(now - last);
  last = now;
  if (turns++ < 240) {
    if (turns < 120) wheel(turns < 70 ? -40 : 40);
    else send('pointermove', 0.5 + 0.3 * Math.sin(turns / 9), 0.5 + 0.2 * Math.cos(turns / 7));
    requestAnimationFrame(step);
  } else { send('pointerup', 0.5, 0.5); done(times.slice(1)); }
};
requestAnimationFrame(step);
"""
JUMP = """
const done = arguments[0];
const viewer = all('.pane canvas')[0];
const ink = viewer.getContext('2d'), [left, top] = [viewer.width / 2 - 40, viewer.height / 2 - 40];
const shot = () => ink.getImageData(left, top, 80, 80).data.join();
const before = shot();
document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'n', bubbles: true }));
until(() => shot() !== before).then((first) =>
  until(() => viewer.dataset.sharp === 'true').then((more) => done([first, more < 0 ? -1 : first + more])));
"""


def write_small(folder: Path, count: int) -> list[Path]:
    """Made welds of 240 x 640 px at 8 bits and 0.1 mm, no two alike."""
    from PIL import Image

    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        rows = np.arange(240, dtype=np.float32)[:, None]
        pixels = 90 + 60 * np.exp(-(((rows - 120) / 34) ** 2)) + rng.normal(0, 4, (240, 640)).astype(np.float32)
        for _ in range(3):
            x, y = rng.integers(40, 600), rng.integers(100, 140)
            across, down = np.arange(640)[None, :] - x, rows - y
            pixels -= 34 * np.exp(-(across**2 + down**2) / (2 * rng.uniform(2, 4) ** 2))
        path = folder / f"small{number:03d}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, dpi=(254, 254))
        paths.append(path)
    return paths


def write_large(folder: Path, count: int) -> list[Path]:
    """Made welds of 2000 x 8640 px at 16 bits and 0.02 mm, as a scanner of 1270 dpi gives, a pore every 700 px."""
    from PIL import Image

    paths = []
    for number in range(count):
        rng = np.random.default_rng(1000 + number)
        rows = np.arange(2000, dtype=np.float32)[:, None]
        pixels = 26000 + 6000 * np.exp(-(((rows - 1000) / 260) ** 2)) + rng.normal(0, 180, (2000, 8640))
        for x in range(400, 8640, 700):
            part = pixels[960:1040, x - 40 : x + 40]
            away = np.hypot(*np.mgrid[-40:40, -40:40])
            part -= 4000 * (away < 14 + number)
        path = folder / f"large{number}.tif"
        Image.fromarray(pixels.clip(0, 65535).astype(np.uint16)).save(path, dpi=(1270, 1270))
        paths.append(path)
    return paths


def drop(app: App, paths: list[Path]) -> None:
    """Films into the field, until the page names the last of them; those of before are not sent once more."""
    app.wait(lambda: app.find("input[type=file]"))
    app.browser.execute_script("document.querySelector('input[type=file]').value = ''")
    app.wait(lambda: app.find("input[type=file]")).send_keys("\n".join(map(str, paths)))
    named = f"all('.caption, option').some((item) => item.textContent.startsWith({json.dumps(paths[-1].name)}))"
    app.wait(lambda: app.ask(f"return {named} && all('.pane canvas').length"))


def inspected(app: App) -> None:
    """All films of the field through the model."""
    until = time.monotonic() + 900
    while time.monotonic() < until:
        app.settled()
        page = app.find("body").text
        if "Stop" in page:
            continue
        waiting = next((words for words in ("Inspect all", "Inspect the film") if words in page), None)
        if waiting is None:
            return
        app.ask(
            f"[...document.querySelectorAll('button')].find((one) => one.textContent.includes('{waiting}'))?.click()"
        )
    raise SystemExit("the films were not inspected in time")


def large_film(app: App, path: Path) -> dict[str, Any]:
    """Frames while one moves and magnifies, and jumps from mark to mark."""
    began = time.monotonic()
    drop(app, [path])
    app.wait(lambda: app.ask("return all('.caption').some((item) => item.textContent.includes('8640'))"))
    app.wait(lambda: app.ask("return !all('.pane.waits').length"))
    found: dict[str, Any] = {"upload_to_image_s": round(time.monotonic() - began, 2)}
    app.settled()
    times = sorted(app.run(FRAMES))
    found["frames_per_second"] = round(1000 * len(times) / sum(times), 1)
    found["frame_ms"] = {"median": round(times[len(times) // 2], 1), "slowest": round(times[-1], 1)}
    inspected(app)
    app.settled()
    jumps = []
    for _ in range(10):
        jumps.append(app.run(JUMP))
        time.sleep(1)
    found["jump_first_frame_ms"] = told([first for first, _ in jumps])
    found["jump_film_pixels_ms"] = told([sharp for _, sharp in jumps])
    return found


def memory(app: App, small: list[Path], large: list[Path], reloads: int) -> dict[str, int]:
    """Resident megabytes of the server."""
    found = {"before_mb": round(app.megabytes)}
    films = [*large, *small]
    for first in range(0, len(films), BATCH):
        drop(app, films[first : first + BATCH])
        inspected(app)
        print(f"{first + BATCH} films: {app.megabytes:.0f} MB", file=sys.stderr, flush=True)
        if first in (0, len(films) // 2 // BATCH * BATCH):
            found[f"after_{first + BATCH}_films_mb"] = round(app.megabytes)
    found[f"after_{len(films)}_films_mb"] = round(app.megabytes)
    for number in range(reloads):
        app.browser.refresh()
        drop(app, [small[0]])
        inspected(app)
        print(f"{number + 1} reloads: {app.megabytes:.0f} MB", file=sys.stderr, flush=True)
        if number == 0:
            found["after_1_reload_mb"] = round(app.megabytes)
    found[f"after_{reloads}_reloads_mb"] = round(app.megabytes)
    time.sleep(FORGOTTEN)  # until then Streamlit keeps the session of a page that is gone, in case it comes back
    app.browser.refresh()
    drop(app, [small[0]])
    app.settled()
    found["after_they_are_forgotten_mb"] = round(app.megabytes)
    return found


def main() -> None:
    """Measure everything and print it."""
    parser = arguments(__doc__)
    parser.add_argument("--films", type=int, default=100)
    parser.add_argument("--large", type=int, default=4)
    parser.add_argument("--reloads", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        small, large = write_small(folder, given.films - given.large + 1), write_large(folder, given.large)
        app = App(folder)
        try:
            app.wait(lambda: _opens(app))
            found = {"large_film": large_film(app, large[0])}
            app.browser.refresh()
            drop(app, small[:1])
            inspected(app)
            found["memory"] = memory(app, small[1:], large, given.reloads)
        finally:
            app.close()
    print(json.dumps(found, indent=2))
    keep(found, given.json)


def _opens(app: App) -> bool:
    from selenium.common.exceptions import WebDriverException

    try:
        app.browser.get(f"http://127.0.0.1:{app.port}/film")
    except WebDriverException:
        return False
    return bool(app.wait(lambda: app.find("input[type=file]")))


if __name__ == "__main__":
    main()
