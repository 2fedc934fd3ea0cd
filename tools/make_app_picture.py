"""Draw docs/images/app*.png, a visit to every page of the app (POSIX; needs selenium, Chromium).

python tools/make_app_picture.py demo/models/final --reports demo/reports
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SECONDS, SIZE, WIDTH = 90, (1440, 900), 1200
PRESET, FILM = "Film window + CLAHE", "pore-1.png"
SHADOWS = """
const all = (selector) => [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]
  .flatMap((host) => [...(host.shadowRoot?.querySelectorAll(selector) ?? [])]);
"""
DIAL = """
const slider = all('input[type=range]').find((item) => item.getAttribute('aria-label') === 'Clip limit');
slider.value = 16;
for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind, { bubbles: true }));
"""


def until(ready: Callable[[], Any], what: str) -> Any:
    """What ``ready`` gives once it gives something; a page that is not there yet counts as nothing."""
    from selenium.common.exceptions import WebDriverException

    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            found = ready()
        except WebDriverException:
            found = None
        if found:
            return found
        time.sleep(0.1)
    raise SystemExit(f"{what} did not come within {SECONDS} s")


class Visit:
    """A browser on the app. scheme: light or dark, as the visitor's system is set."""

    def __init__(self, port: int, scheme: str) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        driver = shutil.which("chromedriver")
        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(flag)
        self.browser = webdriver.Chrome(options=options, service=Service(driver) if driver else None)
        screen = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
        colours = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)
        until(lambda: self.browser.get(f"http://127.0.0.1:{port}") or True, "the server")

    def run(self, script: str) -> Any:
        return self.browser.execute_script(SHADOWS + script)

    def press(self, path: str) -> None:
        until(lambda: self.browser.find_element("xpath", path).click() or True, path)

    def go_to(self, page: str) -> None:
        """Another page by its link, so that the session goes on."""
        self.press(f"//a[@data-testid='stTopNavLink'][contains(., '{page}')]")
        if page != "Inspect":
            until(lambda: self.browser.find_element("css selector", "h1").text == page, page)

    def image(self) -> bytes:
        """PNG of the window once nothing moves."""
        for _ in range(3):
            until(lambda: not self.browser.find_elements("css selector", "[data-testid=stStatusWidget]"), "a rest")
            time.sleep(0.5)
        return bytes(self.browser.get_screenshot_as_png())


def inspect(visit: Visit) -> None:
    """A film, a chain, its response curve and a heat map."""
    visit.press("//button[contains(., 'example')]")
    until(lambda: visit.run("return all('.film').length && !all('.film.waiting').length"), "the films")
    visit.run(f"all('.film').find((film) => film.title === '{FILM}').click()")
    visit.press("//div[contains(@class, 'st-key-preset')]//input")
    visit.press(f"//*[@role='option'][.='{PRESET}']")
    until(lambda: visit.run("return all('section.step').length === 2 && !all('.film.waiting').length"), "the chain")
    visit.press("//button[contains(., 'grad-cam') and not(contains(., '++'))]")
    until(lambda: visit.run("return globalThis.loporeStore.slots.has('heat/grad-cam')"), "the heat map")
    visit.run(DIAL)
    until(lambda: visit.run("return all('.curve svg').length"), "the response curve")
    until(lambda: visit.run("return !all('.film.waiting').length"), "all answers")


def records(visit: Visit) -> None:
    """The films of before, two of them reviewed."""
    visit.go_to("Records")
    for number, verdict in enumerate(("Accept", "Reject"), start=1):
        visit.press(f"//*[@data-testid='stText'][starts-with(., '{number} of')]")
        visit.press(f"//*[@data-testid='stForm']//button[.='{verdict}']")
        visit.press("//*[@data-testid='stForm']//button[contains(., 'Save')]")
    visit.press("//*[@data-testid='stText'][starts-with(., '3 of')]")


def evaluation(visit: Visit) -> None:
    """The newest report with its curves."""
    visit.go_to("Evaluation")
    charts = "[data-testid=stVegaLiteChart] svg"
    until(lambda: len(visit.browser.find_elements("css selector", charts)) > 2, "the curves")


SCENES: dict[str, Callable[[Visit], None]] = {
    "app": inspect,
    "app-models": lambda visit: visit.go_to("Models"),
    "app-records": records,
    "app-evaluation": evaluation,
    "app-extensions": lambda visit: visit.go_to("Extensions"),
}


def visited(port: int, scheme: str, scenes: dict[str, Callable[[Visit], None]]) -> Iterator[tuple[str, bytes]]:
    """The image of each scene, in one session."""
    visit = Visit(port, scheme)
    try:
        for name, scene in scenes.items():
            scene(visit)
            yield name, visit.image()
    finally:
        visit.browser.quit()


@contextmanager
def app(models: Path, reports: Path) -> Iterator[int]:
    """The app on a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["--models", str(models), "--port", str(port), "--no-browser"]
    settings = {**os.environ, "LOPORE_REPORTS": str(reports)}
    command = [sys.executable, "-m", "lopore_app", *words]
    server = subprocess.Popen(command, env=settings, start_new_session=True)
    try:
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=20)


def written(name: str, content: bytes) -> None:
    """Save an image at ``WIDTH`` px in 256 colours: those that lie farthest apart, then moved to where pixels are."""
    from PIL import Image

    whole = Image.open(io.BytesIO(content)).convert("RGB")
    small = whole.resize((WIDTH, round(whole.height * WIDTH / whole.width)), Image.Resampling.LANCZOS)
    palette = small.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=5, dither=Image.Dither.NONE)
    path = IMAGES / f"{name}.png"
    palette.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def main() -> None:
    """Start the app, take the images, end the app."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("--reports", type=Path, default=Path("reports"))
    given = parser.parse_args()
    with app(given.models, given.reports) as port:
        taken = dict(visited(port, "light", SCENES))
        taken |= dict(visited(port, "dark", {"app-dark": inspect}))
    for name, content in taken.items():
        written(name, content)


if __name__ == "__main__":
    main()
