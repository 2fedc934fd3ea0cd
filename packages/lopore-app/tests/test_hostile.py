"""Hostile input against the real app in a process of its own, spoken to over Streamlit's own protocol on loopback."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made.models import bright_or_dark, publish, record_for

connecting = pytest.importorskip("websockets.sync.client", reason="the visitors speak by websocket")
webdriver = pytest.importorskip("selenium.webdriver", reason="the browser is driven by selenium")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.remote.webdriver import WebDriver  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support import expected_conditions  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402
from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: E402
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: E402

SECONDS = 30
BROKEN_PLUGIN = "raise RuntimeError('<b>this plugin is broken</b>')"


@dataclass
class Visitor:
    """One browser window without a browser: it runs pages, uploads files and keeps what it was told to draw."""

    port: int
    drawn: dict[tuple[int, ...], Any] = field(default_factory=dict)
    session: str = ""

    def __post_init__(self) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        link.request("GET", "/_stcore/health")
        cookie = link.getresponse().getheader("Set-Cookie") or ""
        link.close()
        self.token = cookie.split("=", 1)[1].split(";")[0] if "=" in cookie else ""
        self.cookie = f"_streamlit_xsrf={self.token}"
        self.open = ExitStack()

    def __enter__(self) -> Visitor:
        self.socket = self.open.enter_context(
            connecting.connect(
                f"ws://127.0.0.1:{self.port}/_stcore/stream",
                subprotocols=["streamlit"],
                additional_headers={"Cookie": self.cookie},
                max_size=None,
                open_timeout=SECONDS,
            )
        )
        self.run()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def run(self, page: str = "", files: list[Any] | None = None) -> None:
        """Run a page, with uploads in its uploader, to its end."""
        message = BackMsg()
        message.rerun_script.page_name = page
        if files is not None:
            widget = message.rerun_script.widget_states.widgets.add()
            widget.id = self.uploader
            for one in files:
                widget.file_uploader_state_value.uploaded_file_info.add().CopyFrom(one)
        self.drawn.clear()
        self.socket.send(message.SerializeToString())
        while self.receive().WhichOneof("type") != "script_finished":
            pass

    def receive(self) -> Any:
        message = ForwardMsg()
        message.ParseFromString(self.socket.recv(timeout=SECONDS))
        if message.WhichOneof("type") == "new_session":
            self.session = message.new_session.initialize.session_id
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
            self.drawn[tuple(message.metadata.delta_path)] = message.delta.new_element
        return message

    @property
    def uploader(self) -> str:
        return next(
            str(one.file_uploader.id) for one in self.drawn.values() if one.WhichOneof("type") == "file_uploader"
        )

    def upload(self, *files: tuple[str, bytes]) -> None:
        """Send files as a browser does and run the page with them."""
        message = BackMsg()
        message.file_urls_request.request_id = "1"
        message.file_urls_request.session_id = self.session
        message.file_urls_request.file_names.extend(name for name, _ in files)
        self.socket.send(message.SerializeToString())
        while (answer := self.receive()).WhichOneof("type") != "file_urls_response":
            pass
        told = []
        for (name, content), urls in zip(files, answer.file_urls_response.file_urls, strict=True):
            assert self.put(urls.upload_url, name, content) == 204
            message = BackMsg()
            info = message.rerun_script.widget_states.widgets.add().file_uploader_state_value.uploaded_file_info.add()
            info.name, info.size, info.file_id = name, len(content), urls.file_id
            info.file_urls.CopyFrom(urls)
            told.append(info)
        self.files = told
        self.run(files=told)

    def put(self, place: str, name: str, content: bytes, claimed: int | None = None) -> int:
        """PUT one file; the status. claimed: the length that the header states, sent without the bytes."""
        quoted = name.replace("\\", "\\\\").replace('"', "%22").replace("\n", "%0A").replace("\r", "%0D")
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
        body = b"".join((head.encode("utf-8", "replace"), content, b"\r\n--x--\r\n"))
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        link.putrequest("PUT", place)
        for key, value in (
            ("Cookie", self.cookie),
            ("X-Xsrftoken", self.token),
            ("Content-Type", "multipart/form-data; boundary=x"),
            ("Content-Length", str(claimed or len(body))),
        ):
            link.putheader(key, value)
        link.endheaders()
        if claimed is None:
            link.send(body)
        status = link.getresponse().status
        link.close()
        return status

    def texts(self, *kinds: str) -> list[str]:
        """What was drawn of these kinds (all where none is named), as the page was told it."""
        found = []
        for one in self.drawn.values():
            kind = one.WhichOneof("type")
            if not kinds or kind in kinds:
                part = getattr(one, kind)
                found.append(str(getattr(part, "body", "")) or str(part))
        return found

    def waits_for(self, call: str) -> None:
        """Run the page with its files until this call stands on the card of the film that is looked at, the first."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert not self.texts("exception")
            if call in self.texts("heading"):
                return
            time.sleep(0.1)
            self.run(files=self.files)
        pytest.fail(f"{call} did not come: {self.texts('heading')} {self.texts('alert')}")


def png(value: int, side: int = 60) -> bytes:
    return cv2.imencode(".png", np.full((side, side), value, np.uint8))[1].tobytes()


def bomb() -> bytes:
    """A PNG of a few kilobytes that would be 60 000 x 60 000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(2_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


NAMES = (
    "<img src=x onerror=alert(1)>.png",
    "../../../etc/passwd.png",
    "C:\\windows\\x.png",
    "a\u202egnp.exe.png",
    "**bold** [link](http://x) :red[x] $x^2$.png",
    f"{'long' * 300}.png",
    "\U0001f480 \u0627\u0644\u0641\u064a\u0644\u0645.png",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a broken plugin as an installer leaves it."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "broken_plugin-1.0.dist-info"
    info.mkdir()
    (folder / "broken_plugin.py").write_text(BROKEN_PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lopore]\nbroken = broken_plugin\n")
    return folder


@pytest.fixture(scope="module")
def port(
    tmp_path_factory: pytest.TempPathFactory,
    site: Path,
) -> Iterator[int]:
    """The app beside one good model, one corrupt model and a broken plugin."""
    root = tmp_path_factory.mktemp("app")
    publish(root / "models" / "final" / "bright" / "1", bright_or_dark(), record_for())
    corrupt = root / "models" / "final" / "corrupt" / "1"
    corrupt.mkdir(parents=True)
    (corrupt / "lopore.json").write_text('{"schema_version": 1, "name": "<b>x</b>"')
    number = free_port()
    environment = {**os.environ, "PYTHONPATH": str(site), "LOPORE_UPLOAD_MB": "50", "LOPORE_MODELS": ""}
    log = root / "server.log"
    command = [sys.executable, "-m", "lopore_app", "--no-browser", f"--port={number}"]
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, cwd=root, env=environment, stdout=stream, stderr=subprocess.STDOUT) as server,
    ):
        try:
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", number)) == 0:
                        break
                time.sleep(0.1)
            yield number
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.mark.parametrize(("name", "content", "why"), [
    ("text.png", b"this is no picture", "no image"), ("bomb.png", bomb(), "60000 x 60000"), ("empty.png", b"", "empty"),
    ("cut.png", png(255, 200)[:-40], "cut"),
])  # fmt: skip
def test_a_hostile_film_is_one_line_and_the_sound_one_beside_it_is_answered(
    port: int, name: str, content: bytes, why: str
) -> None:
    with Visitor(port) as visitor:
        visitor.upload((name, content))
        assert not visitor.texts("exception")
        (line,) = [text.replace("\\", "") for text in visitor.texts("alert") if name in text.replace("\\", "")]
        assert why in line
        assert "\n" not in line.strip()
        assert len(line) < 400
        visitor.upload(("good.png", png(255)), (name, content))
        visitor.waits_for("pore")


def test_no_name_becomes_markup_or_leaves_its_place(port: int) -> None:
    with Visitor(port) as visitor:
        for number, name in enumerate(NAMES):
            content = png(200 + number) if number < 2 else name.encode("utf-8", "replace")
            visitor.upload((name, content))
            check_drawn(visitor)
        visitor.upload(*((name, png(200 + number)) for number, name in enumerate(NAMES)))
        visitor.waits_for("pore")
        for page in ("", "records", "models", "evaluation"):
            visitor.run(page, None if page else visitor.files)
            check_drawn(visitor)


def check_drawn(visitor: Visitor) -> None:
    assert not visitor.texts("exception")
    for text in visitor.texts("markdown", "alert", "heading", "html"):
        assert not re.search(r"(?<!\\)(<img|\[link|\*\*bold|:red\[)", text), text
        assert len(text) < 6000


def test_a_file_over_the_limit_is_refused_before_its_bytes_are_read(port: int) -> None:
    with Visitor(port) as visitor:
        place = f"/_stcore/upload_file/{visitor.session}/one"
        assert visitor.put(place, "huge.png", b"", claimed=200 << 20) == 413
        visitor.upload(("good.png", png(255)))
        visitor.waits_for("pore")


def test_a_stranger_without_the_page_s_token_cannot_upload(port: int) -> None:
    with Visitor(port) as visitor:
        place = f"/_stcore/upload_file/{visitor.session}/one"
        visitor.token = ""
        assert visitor.put(place, "a.png", png(1)) == 403


def test_twenty_sessions_at_once_keep_their_own_films_while_one_sends_garbage(port: int) -> None:
    def work(number: int) -> str:
        value, expected = (255, "pore") if number % 2 else (0, "no defect")
        with Visitor(port) as visitor:
            if number == 7:
                for size in (0, 10, 100_000):
                    visitor.upload((f"garbage-{size}.png", os.urandom(size)), ("cut.png", png(255)[:-20]))
                    assert not visitor.texts("exception")
                return "garbage"
            visitor.upload((f"film-{number}.png", png(value, 60 + number)))
            visitor.waits_for(expected)
            assert not any("garbage" in text for text in visitor.texts("alert", "text", "bidi_component"))
            return expected

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(work, range(20)))
    assert found.count("pore") == 9
    assert found.count("no defect") == 10
    with Visitor(port) as late:
        late.upload(("late.png", png(255)))
        late.waits_for("pore")


def test_every_page_says_what_this_is_and_a_corrupt_model_and_a_broken_plugin_are_listed(port: int) -> None:
    with Visitor(port) as visitor:
        for page in ("", "models", "records", "evaluation", "extensions"):
            visitor.run(page)
            assert not visitor.texts("exception"), page
            words = "\n".join(visitor.texts("markdown"))
            assert "certifies nothing" in words, page
            assert "no usage statistics" in words, page
            if page == "extensions":
                assert any("this plugin is broken" in text for text in visitor.texts("text"))
                assert not any("<b>this plugin" in text for text in visitor.texts("markdown", "alert", "html"))
            if page == "models":
                assert any("Cannot be used" in text for text in visitor.texts("heading"))


REPORTS = {
    "Pictures and tables (ZIP)": "lopore-records.zip",
    "Report to print (HTML)": "lopore-report.html",
}


@contextmanager
def chromium(downloads: Path) -> Iterator[WebDriver]:
    """Headless Chromium that saves what it downloads in ``downloads``."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--window-size=1440,900"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield browser
    finally:
        browser.quit()


def waiting(browser: WebDriver) -> WebDriverWait[WebDriver]:
    return WebDriverWait(browser, SECONDS, ignored_exceptions=(StaleElementReferenceException,))


def upload(browser: WebDriver, path: Path) -> None:
    field = "//input[@type='file']"
    waiting(browser).until(lambda page: page.find_elements(By.XPATH, field))
    browser.find_element(By.XPATH, field).send_keys(str(path))


def shown(browser: WebDriver, xpath: str) -> WebElement:
    """The first element of ``xpath`` that can be seen, waited for."""
    condition = expected_conditions.element_to_be_clickable((By.XPATH, xpath))
    return waiting(browser).until(condition)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_a_browser_refuses_200_mb_in_one_line_and_the_next_film_is_recorded_and_leaves(
    port: int, tmp_path: Path
) -> None:
    huge, good = tmp_path / "huge.png", tmp_path / "good film.png"
    with huge.open("wb") as stream:
        stream.truncate(200 << 20)
    good.write_bytes(png(255))
    with chromium(tmp_path) as browser:
        browser.get(f"http://127.0.0.1:{port}")
        upload(browser, huge)
        waiting(browser).until(lambda page: "must be 50" in page.find_element(By.TAG_NAME, "body").text)
        upload(browser, good)
        shown(browser, "//h3[normalize-space()='pore']")
        shown(browser, "//a[.//*[normalize-space()='Records'] or normalize-space()='Records']").click()
        shown(browser, "//*[contains(text(), '1 of 1: good film.png')]")
        for label, name in REPORTS.items():
            shown(browser, f"//button[contains(normalize-space(), '{label}')]").click()
            waiting(browser).until(lambda _, name=name: (tmp_path / name).is_file())
    archive = zipfile.ZipFile(tmp_path / "lopore-records.zip")
    assert "enhanced/0001-good_film.png" in archive.namelist()
    log = json.loads(archive.read("log.json"))
    assert log["predictions"][0]["decision"]["labels"] == ["pore"]
    assert "good film.png" in (tmp_path / "lopore-report.html").read_text(encoding="utf-8")
