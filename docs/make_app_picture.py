"""Draw docs/images/app.png, the app with a model and a made film (POSIX; needs selenium and Chromium).

python docs/make_app_picture.py demo/models/final demo/films/pore/film00008_0.png
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

PICTURE = Path(__file__).parent / "images" / "app.png"
SECONDS, WIDTH = 90, 1120


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def screenshot(port: int, film: Path) -> bytes:
    """PNG of the page after the film was answered and the heat map drawn."""
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--window-size=1440,1280", "--hide-scrollbars"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options)

    def opened(_: Any) -> Any:
        try:
            browser.get(f"http://127.0.0.1:{port}")
        except WebDriverException:
            return False
        return True

    try:
        wait = WebDriverWait(browser, SECONDS)
        wait.until(opened)
        field = wait.until(lambda page: page.find_element(By.CSS_SELECTOR, "input[type=file]"))
        field.send_keys(str(film.resolve()))
        wait.until(lambda page: "colours run from" in page.page_source and "by onnxruntime" in page.page_source)
        loaded = "return [...document.images].every(picture => picture.complete)"
        wait.until(lambda page: page.execute_script(loaded))
        return bytes(browser.get_screenshot_as_png())
    finally:
        browser.quit()


def main() -> None:
    """Start the app, take the picture, end the app."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path)
    parser.add_argument("film", type=Path)
    given = parser.parse_args()
    port = free_port()
    words = ["--models", str(given.models), "--port", str(port), "--no-browser"]
    server = subprocess.Popen([sys.executable, "-m", "lopore_app", *words], start_new_session=True)
    try:
        taken = screenshot(port, given.film)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=10)
    from PIL import Image

    whole = Image.open(io.BytesIO(taken)).convert("RGB")
    size = (WIDTH, round(whole.height * WIDTH / whole.width))
    whole.resize(size, Image.Resampling.LANCZOS).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
