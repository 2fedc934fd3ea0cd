"""The app in a real headless Chromium: cold start, slider to probability, switching films, a large film, memory.

python benchmarks/bench_app.py [--models FOLDER] [--films 50] [--moves 40] [--rounds 500] [--json FILE]

Needs selenium, Chromium and chromedriver; films are made. The model is the demonstration's where it was made
(`nox -s demo`), else a small one is trained here. Times are taken inside the page, from the input event to the
first frame that shows the new answer. Memory is the server's resident set. Ends in under five minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from figures import arguments, keep
from material import demonstration, train_small

SECONDS = 60
IN_SHADOWS = """
const all = (selector) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
  .flatMap((host) => [...(host.shadowRoot?.querySelectorAll(selector) ?? [])]);
const until = (done) => new Promise((resolve) => {
  const began = performance.now();
  const look = () => {
    if (done()) resolve(performance.now() - began);
    else if (performance.now() - began > 3000) resolve(-1);
    else requestAnimationFrame(look);
  };
  look();
});
const card = () => [...document.querySelectorAll('.st-key-card .lopore-bar b')].map((item) => item.title).join();
"""
MOVE = """
const [name, at, done] = arguments;
const slider = all('input[type=range]').find((item) => item.getAttribute('aria-label') === name);
const before = card();
slider.value = at;
slider.dispatchEvent(new Event('input', { bubbles: true }));
until(() => card() !== before).then(done);
"""
SWITCH = """
const [at, done] = arguments;
const film = all('.film')[at];
const before = card();
film.click();
until(() => card() !== before && film.getAttribute('aria-selected') === 'true').then(done);
"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class App:
    """The server and one browser."""

    def __init__(self, models: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,900"):
            options.add_argument(flag)
        driver = shutil.which("chromedriver")
        self.browser = webdriver.Chrome(options=options, service=Service(driver) if driver else None)
        self.browser.set_script_timeout(SECONDS)
        self.port = free_port()
        words = ["--models", str(models), "--port", str(self.port), "--no-browser"]
        self.began = time.monotonic()
        # With compiled bytecode, as pip installs it.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        command = [sys.executable, "-m", "lopore_app", *words]
        self.server = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)

    def close(self) -> None:
        self.browser.quit()
        self.server.terminate()
        self.server.wait(timeout=20)

    def open(self) -> None:
        """Load the page as soon as the server listens."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            time.sleep(0.01)
        self.browser.get(f"http://127.0.0.1:{self.port}")
        self.wait(lambda: self.find("input[type=file]"))

    def find(self, selector: str) -> Any:
        found = self.browser.find_elements("css selector", selector)
        return found[0] if found else None

    def wait(self, ready: Callable[[], Any]) -> Any:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            found = ready()
            if found:
                return found
            time.sleep(0.02)
        raise SystemExit("the page did not get ready in time")

    def run(self, script: str, *given: Any) -> Any:
        return self.browser.execute_async_script(IN_SHADOWS + script, *given)

    def ask(self, script: str) -> Any:
        return self.browser.execute_script(IN_SHADOWS + script)

    def settled(self) -> None:
        """Wait until the page has been at rest for a moment."""
        self.wait(lambda: not self.find("[data-testid=stStatusWidget]"))
        time.sleep(0.4)
        self.wait(lambda: not self.find("[data-testid=stStatusWidget]"))

    def options(self, words: str) -> list[Any]:
        """What an open menu offers with ``words`` in it."""
        return [item for item in self.browser.find_elements("css selector", "[role=option]") if words in item.text]

    def preset(self, words: str) -> None:
        """Choose the preset whose title has ``words``."""
        self.find(".st-key-preset input").click()
        self.wait(lambda: self.options(words))[0].click()
        self.wait(lambda: self.ask("return all('section.step').length"))
        self.settled()

    @property
    def megabytes(self) -> float:
        """The server's resident memory."""
        for line in Path(f"/proc/{self.server.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0


def write_films(folder: Path, count: int) -> list[Path]:
    """Made 640 x 640 films: a few from physics, turned and mirrored into a batch."""
    from lopore.reading.encode import write_radiograph
    from lopore.reading.radiograph import read_radiograph
    from lopore.reading.regular_files import image_paths

    words = ["--films", "3", "--seed", "3"]
    subprocess.run(
        [sys.executable, "-m", "lopore", "data", "synth", str(folder / "made"), *words],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    made = [path for path in image_paths(folder / "made").images if "masks" not in path.parts]
    written = []
    for number in range(count):
        pixels = read_radiograph(made[number % len(made)]).pixels
        turned = np.rot90(pixels, number // len(made) % 4)
        if number // len(made) >= 4:
            turned = turned[:, ::-1]
        path = folder / f"film{number:03d}.png"
        write_radiograph(np.ascontiguousarray(turned), path)
        written.append(path)
    return written


def write_large(folder: Path) -> Path:
    """A 2000 x 8640 film of 16 bits."""
    from lopore.reading.encode import write_radiograph

    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:2000, :8640].astype(np.float32)
    seam = 6000 * np.exp(-(((rows - 1000) / 260) ** 2)) + 900 * np.sin(columns / 40)
    pixels = (26000 + seam + rng.normal(0, 180, seam.shape)).clip(0, 65535).astype(np.uint16)
    path = folder / "large.tif"
    write_radiograph(pixels, path, "tiff")
    return path


def told(times: list[float]) -> dict[str, float]:
    """Median, the nineteenth of twenty, and the slowest, in ms; -1 is an answer that never came."""
    good = sorted(value for value in times if value >= 0)
    if not good:
        return {"median": -1.0, "lost": len(times)}
    return {
        "median": round(statistics.median(good), 1),
        "p95": round(good[int(0.95 * (len(good) - 1))], 1),
        "slowest": round(good[-1], 1),
        "lost": len(times) - len(good),
    }


def moves(app: App, count: int) -> list[float]:
    """Slider to new probability, one move after the other is answered."""
    places = [20 + 7 * (number * 11 % 23) for number in range(count)]
    times = []
    for place in places:
        times.append(app.run(MOVE, "Clip limit", place))
        time.sleep(0.15)
    return times


def switches(app: App, films: int, count: int) -> list[float]:
    """Click on a film to its answer on the page."""
    times = []
    for number in range(count):
        times.append(app.run(SWITCH, (7 * number + 1) % films))
        time.sleep(0.3)
    return times


def large_film(app: App, path: Path) -> dict[str, float]:
    """Upload to image, and the longest time that the page did not answer while it was magnified."""
    app.browser.refresh()
    app.wait(lambda: app.find("input[type=file]"))
    began = time.monotonic()
    app.find("input[type=file]").send_keys(str(path))
    app.wait(lambda: app.ask("return all('.caption').some((item) => item.textContent.includes('8640'))"))
    shown = time.monotonic() - began
    script = """
    const done = arguments[0];
    const canvas = all('.pane canvas')[0], box = canvas.getBoundingClientRect();
    let last = performance.now(), worst = 0, turns = 0;
    const step = () => {
      const now = performance.now();
      worst = Math.max(worst, now - last);
      last = now;
      if (turns++ < 60) {
        canvas.dispatchEvent(new WheelEvent('wheel', { bubbles: true, composed: true, cancelable: true,
          deltaY: turns < 40 ? -40 : 60, clientX: box.left + box.width / 3, clientY: box.top + box.height / 2 }));
        requestAnimationFrame(step);
      } else done(worst);
    };
    requestAnimationFrame(step);
    """
    return {"upload_to_picture_s": round(shown, 2), "longest_frame_ms": round(app.run(script), 1)}


def memory(app: App, films: list[Path], rounds: int, reloads: int) -> dict[str, float]:
    """Resident memory of a used session, after many more interactions, and after reloads with a film each."""

    def interact(turns: int) -> None:
        for number in range(turns):
            if number % 25 == 24:
                app.run(SWITCH, (number // 25 * 3 + 1) % len(films))
            else:
                app.run(MOVE, "Clip limit", 10 + number * 13 % 180)

    interact(rounds // 2)  # what a session keeps grows to its budget first, and then no more
    before = app.megabytes
    interact(rounds)
    after = app.megabytes
    for _ in range(reloads):
        app.browser.refresh()
        app.wait(lambda: app.find("input[type=file]")).send_keys(str(films[0]))
        app.wait(lambda: app.find(".st-key-card h3"))
    return {
        "before_mb": round(before),
        f"after_{rounds}_moves_mb": round(after),
        f"after_{reloads}_reloads_mb": round(app.megabytes),
    }


def main() -> None:
    """Measure everything and print it."""
    parser = arguments(__doc__)
    parser.add_argument("--models", type=Path, help="folder of models, such as demo/models/final")
    parser.add_argument("--films", type=int, default=50)
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--reloads", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        app = App(given.models or (demonstration() or train_small(folder)).parent.parent)
        try:
            found = measure(app, folder, given)
        finally:
            app.close()
    print(json.dumps(found, indent=2))
    keep(found, given.json)


def measure(app: App, folder: Path, given: Any) -> dict[str, Any]:
    """Every figure, in the order of a visit; ``folder`` gets the films."""
    found: dict[str, Any] = {}
    app.open()
    found["cold_start_to_first_page_s"] = round(time.monotonic() - app.began, 2)
    began = time.monotonic()
    app.browser.refresh()
    app.wait(lambda: app.find("input[type=file]"))
    found["warm_first_page_s"] = round(time.monotonic() - began, 2)
    films = write_films(folder, given.films)
    app.find("input[type=file]").send_keys("\n".join(str(path) for path in films))
    app.wait(lambda: app.ask("return all('.film').length") == len(films))
    app.wait(lambda: app.ask("return all('.film.waiting').length") == 0)
    app.settled()
    found["switch_film_ms"] = told(switches(app, len(films), given.moves))
    app.preset("Film window + CLAHE")
    app.wait(lambda: app.ask("return all('.film.waiting').length") == 0)
    app.settled()
    app.run(MOVE, "Clip limit", 5)
    found["slider_to_probability_ms"] = told(moves(app, given.moves))
    found["memory"] = memory(app, films, given.rounds, given.reloads)
    found["large_film"] = large_film(app, write_large(folder))
    return found


if __name__ == "__main__":
    main()
