"""A page printed as PDF by a browser without a window, where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)
SECONDS = 120


def find_browser() -> str | None:
    """The browser to print with: ``LOPORE_BROWSER``, else the first that is found; None where there is none."""
    named = os.environ.get("LOPORE_BROWSER")
    if named:
        return shutil.which(named)
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def print_pdf(page: Path, target: Path) -> str:
    """Print an HTML page into ``target``; returns why that was not possible, empty where it was.

    The browser is given no network: the page holds all that it shows.
    """
    browser = find_browser()
    if browser is None:
        return "no browser is installed to print a PDF with; open report.html and print it, or set LOPORE_BROWSER"
    with tempfile.TemporaryDirectory(prefix="lopore-pdf-") as profile:
        command = [
            browser, "--headless=new", "--disable-gpu", "--no-sandbox", "--disable-dev-shm-usage",
            "--disable-extensions",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={profile}", "--no-pdf-header-footer",
            f"--print-to-pdf={target}", page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            target.unlink(missing_ok=True)
            return (
                f"{Path(browser).name} could not print the report ({type(error).__name__}); print report.html by hand"
            )
    if done.returncode or not target.is_file() or not target.stat().st_size:
        target.unlink(missing_ok=True)
        return f"{Path(browser).name} could not print the report (status {done.returncode}); print report.html by hand"
    return ""
