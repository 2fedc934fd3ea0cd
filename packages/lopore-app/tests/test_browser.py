"""The whole way in a real headless browser: upload, decide, dial, download."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from lopore.model import ModelFolder

selenium = pytest.importorskip("selenium", reason="the browser test needs selenium")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on this machine")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the app did not open its port within 60 s")


@pytest.fixture
def address(model_folder: ModelFolder) -> Iterator[str]:
    port = _free_port()
    command = [sys.executable, "-m", "lopore_app", "--no-browser", f"--port={port}"]
    with subprocess.Popen(
        command, cwd=model_folder.path.parents[3], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[object]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,900"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path / "got")})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


def test_a_person_uploads_dials_and_downloads(address: str, browser: object, tmp_path: Path) -> None:
    from selenium.webdriver import Chrome
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    assert isinstance(browser, Chrome)
    wait = WebDriverWait(browser, 60)
    film = tmp_path / "<b>bold film.png"
    film.write_bytes(cv2.imencode(".png", np.full((60, 60), 220, np.uint8))[1].tobytes())
    deep = tmp_path / "deep.tif"
    deep.write_bytes(cv2.imencode(".tif", np.full((60, 60), 60000, np.uint16))[1].tobytes())

    browser.get(address)
    wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "input[type=file]"))[0].send_keys(str(film))
    wait.until(lambda page: "pore" in _text(page, "stHeading"))
    assert not browser.find_elements(By.XPATH, "//b[text()='bold']")

    steps = browser.find_element(By.CSS_SELECTOR, "[data-testid=stMultiSelect] input")
    steps.send_keys("invert\n")
    wait.until(lambda page: "no defect" in _text(page, "stHeading"))

    for button in browser.find_elements(By.CSS_SELECTOR, "[data-testid=stDownloadButton] button"):
        button.click()
    log = json.loads(_downloaded(tmp_path / "got", "lopore-log.json"))
    assert log["predictions"][0]["decision"]["labels"] == ["no_defect"]
    assert log["predictions"][0]["chain"] == [{"name": "invert"}]
    picture = _downloaded(tmp_path / "got", "_b_bold_film-enhanced.png")
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels.dtype == np.uint8
    assert (pixels == 35).all()

    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(deep))
    wait.until(lambda page: "takes 8" in page.find_element(By.TAG_NAME, "body").text)


def _text(page: object, test_id: str) -> str:
    found = page.find_elements("css selector", f"[data-testid={test_id}]")  # type: ignore[attr-defined]
    return " ".join(element.text for element in found)


def _downloaded(folder: Path, name: str) -> bytes:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if (folder / name).is_file() and (folder / name).stat().st_size:
            return (folder / name).read_bytes()
        time.sleep(0.1)
    pytest.fail(f"{name} was not downloaded; there are {[path.name for path in folder.glob('*')]}")


def test_whoever_stops_the_app_stops_its_server(model_folder: ModelFolder) -> None:
    port = _free_port()
    command = [sys.executable, "-m", "lopore", "app", "--no-browser", f"--port={port}"]
    with subprocess.Popen(command, cwd=model_folder.path.parents[3], stdout=subprocess.DEVNULL) as server:
        _wait_for(port)
        server.terminate()
        server.wait(timeout=30)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
