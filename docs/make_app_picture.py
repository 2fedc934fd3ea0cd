"""Draw docs/images/app.png and app-dark.png, the page Inspect with the example films (POSIX; needs selenium, Chromium).

python docs/make_app_picture.py demo/models/final
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).parent / "images"
PICTURES = {"app.png": "light", "app-dark.png": "dark"}
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


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


def screenshot(port: int, scheme: str) -> bytes:
    """PNG of the page with a film, a chain, its response curve and a heat map; ``scheme`` is light or dark."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    driver = shutil.which("chromedriver")
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver) if driver else None)
    screen = {"width": SIZE[0], "height": SIZE[1], "deviceScaleFactor": 1, "mobile": False}
    colours = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}

    def run(script: str) -> Any:
        return browser.execute_script(SHADOWS + script)

    def press(path: str) -> None:
        until(lambda: browser.find_element("xpath", path).click() or True, path)

    try:
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)
        until(lambda: browser.get(f"http://127.0.0.1:{port}") or True, "the server")
        press("//button[contains(., 'example')]")
        until(lambda: run("return all('.film').length && !all('.film.waiting').length"), "the films")
        run(f"all('.film').find((film) => film.title === '{FILM}').click()")
        press("//div[contains(@class, 'st-key-preset')]//input")
        press(f"//*[@role='option'][.='{PRESET}']")
        until(lambda: run("return all('section.step').length === 2 && !all('.film.waiting').length"), "the chain")
        press("//button[contains(., 'grad-cam') and not(contains(., '++'))]")
        until(lambda: run("return globalThis.loporeStore.slots.has('heat/grad-cam')"), "the heat map")
        run(DIAL)
        until(lambda: run("return all('.curve svg').length"), "the response curve")
        until(lambda: not browser.find_elements("css selector", "[data-testid=stStatusWidget]"), "a page at rest")
        until(lambda: run("return !all('.film.waiting').length"), "all answers")
        time.sleep(1)
        return bytes(browser.get_screenshot_as_png())
    finally:
        browser.quit()


def main() -> None:
    """Start the app, take the pictures, end the app."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    given = parser.parse_args()
    port = free_port()
    words = ["--models", str(given.models), "--port", str(port), "--no-browser"]
    server = subprocess.Popen([sys.executable, "-m", "lopore_app", *words], start_new_session=True)
    try:
        taken = {name: screenshot(port, scheme) for name, scheme in PICTURES.items()}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=20)
    from PIL import Image

    for name, content in taken.items():
        whole = Image.open(io.BytesIO(content)).convert("RGB")
        size = (WIDTH, round(whole.height * WIDTH / whole.width))
        whole.resize(size, Image.Resampling.LANCZOS).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
