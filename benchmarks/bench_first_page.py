"""The first page of a cold server in a fresh browser, beside an empty page of Streamlit in the same run.

python benchmarks/bench_first_page.py [--rounds 5] [--beside SOURCE] [--json FILE]

Needs selenium, Chromium and chromedriver. Candidates take turns; every round has a new server process and a browser
with an empty profile, which waits at a blank page. ``address``: from the start of the command until the server listens.
``page``: from then, as the browser is sent there at once, until the upload field stands (a frame is drawn with it).
``all``: both. SOURCE: an ``src`` folder of lopore-app at another version, measured in the same turns.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench_app import free_port
from figures import arguments, keep

SECONDS = 60
ALONE = "import streamlit as st\nst.file_uploader('Films', accept_multiple_files=True)\n"
SEEN = """
const look = () => requestAnimationFrame(() => {
  const field = document.querySelector('[data-testid=stFileUploaderDropzone]');
  if (field) requestAnimationFrame(() => { window.firstPage = performance.now(); }); else look();
});
look();
"""


@contextmanager
def fresh_browser() -> Iterator[Any]:
    """Chromium at a blank page with an empty profile, which notes when the field is drawn."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,900"):
        options.add_argument(flag)
    driver = shutil.which("chromedriver")
    browser = webdriver.Chrome(options=options, service=Service(driver) if driver else None)
    try:
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": SEEN})
        yield browser
    finally:
        browser.quit()


def first_page(command: list[str], environment: dict[str, str], port: int) -> dict[str, float]:
    """Seconds of one cold start."""
    with fresh_browser() as browser:
        began = time.perf_counter()
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as server:
            try:
                assert server.stdout is not None
                while str(port) not in (line := server.stdout.readline()):
                    if not line:
                        raise SystemExit(f"the server ended before it printed its address: {' '.join(command)}")
                printed = time.perf_counter()
                browser.get(f"http://127.0.0.1:{port}")
                until = time.monotonic() + SECONDS
                while (seen := browser.execute_script("return window.firstPage")) is None:
                    if time.monotonic() > until:
                        raise SystemExit("the page did not get ready in time")
                    time.sleep(0.02)
                sent = browser.execute_script("return Date.now() - performance.now()") / 1000
                begun = time.time() - time.perf_counter()
                page = sent + seen / 1000 - (begun + printed)
            finally:
                server.kill()  # a server that has a browser would wait for it
    address = printed - began
    return {"address": address, "page": page, "all": address + page}


def candidates(place: Path, beside: Path | None) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Commands, without their port, and what stands in their environment."""
    script = place / "alone.py"
    script.write_text(ALONE, encoding="utf-8")
    # With compiled bytecode, as pip installs it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONUNBUFFERED"] = "1"
    app = [sys.executable, "-m", "lopore_app", "--no-browser"]
    options = (
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
        "--server.fileWatcherType=none",
        "--server.address=127.0.0.1",
    )  # else it asks a third party for this machine's address
    found = {
        "lopore": (app, environment),
        "Streamlit alone": ([sys.executable, "-m", "streamlit", "run", str(script), *options], environment),
    }
    if beside is not None:
        found[f"lopore of {beside}"] = (app, {**environment, "PYTHONPATH": str(beside.resolve())})
    return found


def main() -> None:
    """Measure in turns and print medians with the least and the most."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, metavar="SOURCE", help="src folder of another version of lopore-app")
    given = parser.parse_args()
    times: dict[str, list[dict[str, float]]] = {}
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as text:
        found = candidates(Path(text), given.beside)
        for number in range(given.rounds + 1):
            for name, (command, environment) in found.items():
                port = free_port()
                flag = f"--server.port={port}" if "streamlit" in command else f"--port={port}"
                taken = first_page([*command, flag], environment, port)
                if number:  # the first round fills the disk's cache
                    times.setdefault(name, []).append(taken)
                    print(f"{name}: {taken}", file=sys.stderr, flush=True)
            load.append(os.getloadavg()[0])
    figures = {"load_average": [round(min(load), 1), round(max(load), 1)], "cores": os.cpu_count()} | {
        name: {f"{part}_s": told([one[part] for one in rounds]) for part in rounds[0]} for name, rounds in times.items()
    }
    print(json.dumps(figures, indent=2))
    keep(figures, given.json)


def told(seconds: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": round(statistics.median(seconds), 2), "least": round(min(seconds), 2), "most": round(max(seconds), 2),
    }  # fmt: skip


if __name__ == "__main__":
    main()
