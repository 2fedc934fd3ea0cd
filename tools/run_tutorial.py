"""Do what the page "Writing a plugin" tells, from an empty environment to the plugin in the running app, and time it.

    python tools/run_tutorial.py

The commands and files are copied from the BUILT page: the site is built, its HTML is read, and each block is run in
order in one shell in an empty folder. lopore's own packages come from wheels built here, everything else from the
package index in use. Needs uv, Chromium and its driver (POSIX), takes minutes, writes nothing into the checkout. Only
this is added to the page's words: `lopore app` gets a free port, runs beside the rest, and is looked at by a browser.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("lopore-core", "lopore-enhance", "lopore-onnx", "lopore-app")
PLUGINS = ("dark-spots", "weld-contrast")
LIMIT = 1500
"""Seconds for the whole tutorial, downloads included."""


@dataclass
class Block:
    """One block of the page: the file it is to become, or a language to run."""

    language: str
    title: str = ""
    body: str = ""


class CodeBlocks(HTMLParser):
    """Code blocks of a built page, as a reader's copy button gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[Block] = []
        self._into = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A highlighted block, its file name, or its code begins."""
        kinds = (dict(attrs).get("class") or "").split()
        if tag == "div" and "highlight" in kinds:
            language = next((kind.removeprefix("language-") for kind in kinds if kind.startswith("language-")), "")
            self.blocks.append(Block(language))
        elif tag == "span" and "filename" in kinds:
            self._into = "title"
        elif tag == "code" and self.blocks and not self.blocks[-1].body:
            self._into = "body"

    def handle_endtag(self, tag: str) -> None:
        """A file name or a block's code ends."""
        if (tag, self._into) in (("span", "title"), ("code", "body")):
            self._into = ""
        elif tag == "pre":
            self.blocks[-1].body = self.blocks[-1].body or "\n"

    def handle_data(self, data: str) -> None:
        """Text of either."""
        if self._into:
            setattr(self.blocks[-1], self._into, getattr(self.blocks[-1], self._into) + data)


def code_blocks(page: Path) -> list[Block]:
    """Blocks of a built page that are files or commands; in-line code is none."""
    reader = CodeBlocks()
    reader.feed(page.read_text(encoding="utf-8"))
    return [block for block in reader.blocks if block.title or block.language in ("sh", "python")]


def build(store: Path) -> Path:
    """The site, and a wheel of each package that the tutorial installs; returns the built page."""
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(store / "site")]
    subprocess.run(words, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=True)
    for name in PACKAGES:
        source = ROOT / "packages" / name
        subprocess.run(["uv", "build", "--quiet", "--wheel", "--out-dir", str(store / "wheels"), source], check=True)
    return store / "site" / "plugin-tutorial.html"


def script_of(blocks: list[Block], store: Path, port: int) -> str:
    """One shell script of all blocks; before each it prints which block it is and the seconds since the start."""
    lines = ["set -eu", "SECONDS=0", 'trap \'test -z "${APP-}" || kill "$APP" 2>/dev/null || true\' EXIT']
    for number, block in enumerate(blocks):
        kept = store / f"{number}.txt"
        kept.write_text(block.body, encoding="utf-8")
        first = block.title or block.body.strip().splitlines()[0]
        lines.append(f"printf '@@ %4d s  %s\\n' \"$SECONDS\" {shlex.quote(first)}")
        if block.title:
            target = shlex.quote(block.title)
            lines.append(f'mkdir -p "$(dirname {target})"; cp {shlex.quote(str(kept))} {target}')
        elif block.language == "python":
            lines.append(f"python {shlex.quote(str(kept))}")
        elif block.body.strip() == "lopore app":
            look = [sys.executable, __file__, "--look", f"http://127.0.0.1:{port}", "--picture", str(store / "app.png")]
            lines += [f"lopore app --port {port} --no-browser & APP=$!", shlex.join(look)]
        else:
            lines.append(block.body)
    return "\n".join([*lines, "printf '@@ %4d s  done\\n' \"$SECONDS\"", ""])


def look(address: str, image: Path) -> None:
    """Open the app, go to its page Extensions and find both plugins there; TimeoutException where they are not."""
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--window-size=1440,900"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))

    def opened(_: Any) -> bool:
        browser.get(address)
        return True

    def chosen(_: Any) -> bool:
        browser.find_element(By.PARTIAL_LINK_TEXT, "Extensions").click()
        return True

    try:
        wait = WebDriverWait(browser, 120, ignored_exceptions=[WebDriverException])
        wait.until(opened)
        wait.until(chosen)
        # A table is drawn as an image; what it holds stands in the page's source, for screen readers.
        wait.until(lambda page: all(f">{name}<" in page.page_source for name in PLUGINS))
        browser.get_screenshot_as_file(str(image))
    finally:
        browser.quit()
    sys.stdout.write(f"the app's page Extensions names {' and '.join(PLUGINS)}\n")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Build, run, tell the seconds; exits 1 where a block fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="where the image of the app is kept")
    parser.add_argument("--look", metavar="ADDRESS", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.look:
        return look(given.look, given.image)
    with tempfile.TemporaryDirectory() as scratch:
        store, place = Path(scratch) / "store", Path(scratch) / "place"
        store.mkdir()
        place.mkdir()
        blocks = code_blocks(build(store))
        (store / "tutorial.sh").write_text(script_of(blocks, store, free_port()), encoding="utf-8")
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("LOPORE_", "PYTHON", "VIRTUAL"))
        }
        wheels = {"PIP_FIND_LINKS": str(store / "wheels"), "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
        quiet = {"PIP_QUIET": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        began = time.monotonic()
        done = subprocess.run(
            ["bash", str(store / "tutorial.sh")], cwd=place, env=kept | wheels | quiet, check=False, timeout=LIMIT
        )
        sys.stdout.write(f"{len(blocks)} blocks, {time.monotonic() - began:.0f} s, status {done.returncode}\n")
        if given.image and (store / "app.png").is_file():
            shutil.copyfile(store / "app.png", given.image)
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
