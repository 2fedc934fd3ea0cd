"""What a real headless browser shows of the page Models."""

from __future__ import annotations

from pathlib import Path

import pytest
from made.app import serving
from made.browser import chromium, needs_chromium
from made.films import film_with
from made.images import coded
from made.models import publish, publish_areas, record_for

pytest.importorskip("selenium", reason="the browser test needs selenium")
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from lopore.record.interval import Interval

pytestmark = needs_chromium
# Pixels of the second image that are cyan, as the first class's lines are; neither a film nor its heat is.
INKED = """
const image = document.querySelectorAll('[data-testid=stImage] img')[1];
if (!image?.complete || !image.naturalWidth) return null;
const canvas = document.createElement('canvas');
[canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
const drawing = canvas.getContext('2d');
drawing.drawImage(image, 0, 0);
const data = drawing.getImageData(0, 0, canvas.width, canvas.height).data;
let inked = 0;
for (let at = 0; at < data.length; at += 4) inked += data[at + 2] - data[at] > 40 && data[at + 1] > data[at] ? 1 : 0;
return inked;
"""


def test_the_table_fits_a_window_of_1100_px_and_compare_draws_outlines(tmp_path: Path) -> None:
    catalogue = tmp_path / "models" / "final"
    score = {"roc_auc": Interval(value=0.976, low=0.953, high=0.994)}
    facts = {"created": "2026-03-01T00:00:00+00:00", "metrics": score, "metrics_split": "test"}
    long = record_for(name="demo", version="20261122-170409-b403", backbone="tf_efficientnet_lite0", **facts)
    publish(catalogue / "demo" / "20261122-170409-b403", record=long)
    publish_areas(catalogue / "areas" / "1")
    film = tmp_path / "film.png"
    film.write_bytes(coded(".png", film_with((10, 20, 30, 36))))
    with serving(tmp_path, LOPORE_MODELS="") as port, chromium(tmp_path / "got") as browser:
        wait = WebDriverWait(browser, 30)
        window = {"width": 1100, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)
        browser.get(f"http://127.0.0.1:{port}")
        wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, "input[type=file]"))[0].send_keys(str(film))
        wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, ".st-key-card h3"))
        wait.until(lambda page: page.find_elements(By.XPATH, "//a[contains(., 'Models')]"))[0].click()
        grid = wait.until(lambda page: page.find_elements(By.CSS_SELECTOR, ".dvn-scroller"))[0]
        wait.until(lambda page: grid.size["width"] > 500)
        assert browser.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", grid) <= 0
        wait.until(lambda page: page.find_elements(By.XPATH, "//button[contains(., 'Compare two')]"))[0].click()
        wait.until(lambda page: page.execute_script(INKED))
        assert "1 indication, outlined" in browser.find_element(By.TAG_NAME, "body").text
