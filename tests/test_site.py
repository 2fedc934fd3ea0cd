"""The documentation site: it builds without a network, asks no other host, is whole, and its search works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from made.browser import chromium, needs_chromium

from lopore.cli import COMMANDS, main
from lopore.plugins.registry import KINDS

pytest.importorskip("mkdocs", reason="the site's tools are not installed; `nox -s docs` installs them")

ROOT = Path(__file__).resolve().parent.parent
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""Tags that a browser fetches by itself, and where their address stands; a link to click on is none."""


def mkdocs(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """MkDocs with every way to a network closed: a call to a proxy that is not there fails at once."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *words], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = mkdocs("build", "--site-dir", str(folder), cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


class Page(HTMLParser):
    """What a page fetches, where its links lead, which anchors it has, and its words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag in FETCHED and FETCHED[tag] in given and given.get("rel") not in ("canonical", "prev", "next"):
            self.fetched.append(given[FETCHED[tag]])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


def test_no_page_fetches_anything_from_another_host(site: Path, pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        outside = [address for address in page.fetched if re.match(r"([a-z]+:)?//", address)]
        assert not outside, f"{name} fetches {outside}"
        assert 'class="mermaid"' not in (site / name).read_text(encoding="utf-8"), f"{name}: the theme would fetch it"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", style.read_text(encoding="utf-8")), style.name


def test_every_file_that_a_page_fetches_or_links_to_is_in_the_site(site: Path, pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        if name == "404.html":  # is shown in place of any address and counts from the root
            continue
        for address in (*page.fetched, *page.links):
            if re.match(r"[a-z]+:", address):
                continue
            place, _, anchor = address.partition("#")
            file = ((site / name).parent / place.split("?")[0]).resolve() if place else (site / name).resolve()
            assert file.exists(), f"{name} leads to {address}"
            target = pages.get(file.relative_to(site.resolve()).as_posix())
            found = target is None or not anchor or anchor in target.anchors or anchor.startswith("__")
            assert found, f"{name} leads to {address}, and there is no such place on that page"


def every_command() -> Iterator[tuple[str, str]]:
    """(page, words) of each command and of those below it."""
    context = click.Context(main)
    for name in COMMANDS:
        found = main.get_command(context, name)
        yield name, f"lopore {name}"
        if isinstance(found, click.Group):
            yield from ((name, f"lopore {name} {part}") for part in found.list_commands(context))


def options_of(words: str) -> set[str]:
    command: Any = main
    for word in words.split()[1:]:
        command = command.get_command(click.Context(command), word)
    return {name for parameter in command.params if isinstance(parameter, click.Option) for name in parameter.opts}


def test_every_command_has_its_page_with_every_option(pages: dict[str, Page]) -> None:
    for name, words in every_command():
        page = pages[f"commands/{name}.html"]
        assert words.replace(" ", "-") in page.anchors
        assert all(option in page.text for option in options_of(words)), words
        assert words in pages["commands/index.html"].text


def test_every_hook_and_every_public_name_is_rendered_from_the_code(pages: dict[str, Page]) -> None:
    shown = pages["hooks.html"].anchors | pages["api.html"].anchors
    assert {f"lopore.hookspecs.lopore_{kind}" for kind in KINDS} <= shown
    for module in ("lopore.contracts", "lopore.errors"):
        assert {f"{module}.{name}" for name in import_module(module).__all__} <= shown
    lopore = import_module("lopore")
    named = {name: {f"lopore.{name}", f"lopore.{lopore._HOME_OF[name]}.{name}"} for name in lopore.__all__}
    assert [name for name, places in named.items() if not places & shown] == ["hookimpl"]
    testing = {f"lopore.testing.{name}" for name in import_module("lopore.testing").__all__}
    assert testing & shown >= {"lopore.testing.iter_checks", "lopore.testing.parametrize_checks"}


def test_every_page_of_the_repository_is_in_the_site(pages: dict[str, Page]) -> None:
    for source in (ROOT / "docs").glob("*.md"):
        assert f"{source.stem}.html" in pages
    assert {"overview.html", "contributing.html", "changelog.html", "security.html"} <= set(pages)
    for package in (ROOT / "packages").glob("*/README.md"):
        assert f"packages/{package.parent.name}.html" in pages


def test_marks_for_the_tests_are_not_shown(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert not re.search(r"<!-- (not run|smaller|before|installed):", path.read_text(encoding="utf-8")), path.name


LINKS = {
    "page": ("[lost](no-such-page.md)", "no-such-page.md"),
    "anchor": ("[lost](concepts.md#no-such-heading)", "no-such-heading"),
    "absolute link": ("[lost](/absolute.md)", "/absolute.md"),
}
"""Broken links, and what the build says of each."""
NAME = ("::: lopore.no_such_name", "no_such_name")
"""MkDocs ends at it at once, where it goes on over a link and counts it."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the site is made from, to be broken."""
    target = tmp_path_factory.mktemp("broken")
    for name in ("benchmarks", "docs", "examples", "packages", "tools"):
        ignored = shutil.ignore_patterns("tests", "__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for place in ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "configs"):
        (shutil.copytree if (ROOT / place).is_dir() else shutil.copy)(ROOT / place, target / place)
    return target


@pytest.fixture(scope="module")
def refusal(copy: Path) -> str:
    """What one build says of every broken link and of a page outside the navigation: it stops for each of them."""
    page, forgotten = copy / "docs" / "data.md", copy / "docs" / "forgotten.md"
    sound = page.read_text(encoding="utf-8")
    page.write_text("\n\n".join([sound, *(link for link, _ in LINKS.values())]) + "\n", encoding="utf-8")
    forgotten.write_text("# Forgotten\n", encoding="utf-8")
    done = mkdocs("build", "--site-dir", str(copy / "site"), cwd=copy)
    page.write_text(sound, encoding="utf-8")
    forgotten.unlink()
    assert done.returncode != 0
    assert f"Aborted with {len(LINKS) + 1} warnings in strict mode" in done.stdout, done.stderr[-3000:]
    return done.stderr


def warned_of(told: str, refusal: str) -> bool:
    messages = re.split(r"^(?=[A-Z]+ +- )", refusal, flags=re.MULTILINE)
    return any(message.startswith("WARNING") and told in message for message in messages)


@pytest.mark.parametrize("told", [told for _, told in LINKS.values()], ids=LINKS)
def test_a_broken_link_stops_the_build(refusal: str, told: str) -> None:
    assert warned_of(told, refusal)


def test_a_page_outside_the_navigation_stops_the_build(refusal: str) -> None:
    assert warned_of("forgotten.md", refusal)


def test_a_name_that_the_code_does_not_have_stops_the_build(copy: Path) -> None:
    added, told = NAME
    page = copy / "docs" / "data.md"
    page.write_text(page.read_text(encoding="utf-8") + f"\n\n{added}\n", encoding="utf-8")
    done = mkdocs("build", "--site-dir", str(copy / "site"), cwd=copy)
    assert done.returncode != 0
    assert told in done.stderr


@pytest.mark.slow
@needs_chromium
def test_the_site_is_searched_from_disk_and_asks_no_other_host(site: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    with chromium(log=True) as browser:
        browser.get((site / "index.html").as_uri())
        browser.find_element(By.CSS_SELECTOR, "label.md-search__icon, .md-search__input").click()
        browser.find_element(By.CSS_SELECTOR, ".md-search__input").send_keys("unsharpness")
        results = ".md-search-result__link"
        WebDriverWait(browser, 30).until(lambda page: page.find_elements(By.CSS_SELECTOR, results))
        found = [link.get_attribute("href") or "" for link in browser.find_elements(By.CSS_SELECTOR, results)]
        assert any("glossary.html" in address for address in found)
        log = browser.get_log("performance")  # type: ignore[no-untyped-call]
        sent = [json.loads(entry["message"])["message"] for entry in log]
    asked = {item["params"]["request"]["url"] for item in sent if item["method"] == "Network.requestWillBeSent"}
    assert any(address.startswith("file:") for address in asked)
    assert not [address for address in asked if address.startswith(("http:", "https:", "ws:"))]
