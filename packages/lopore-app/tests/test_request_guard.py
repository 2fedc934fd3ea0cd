"""Pages of other sites and ports reach neither films nor sessions; behind a blind proxy the page is not blank."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest
from click.testing import CliRunner
from made.app import serving
from made.browser import chromium, needs_chromium
from made.proxy import proxied

from lopore_app.__main__ import main
from lopore_app.request_guard import RequestGuard, origin_of

connecting = pytest.importorskip("websockets.sync.client", reason="the visitor speaks by websocket")
from websockets.exceptions import InvalidHandshake  # noqa: E402  # after the skip


async def _unasked(*_: object) -> None:
    raise AssertionError("the guard alone is tried here")


def guard(address: str = "127.0.0.1", *origins: str) -> RequestGuard:
    return RequestGuard(_unasked, address, origins)


@pytest.mark.parametrize(
    "origin",
    [None, "", "null", "http://127.0.0.1:8502", "http://localhost", "http://elsewhere.example", "file://", "http://["],
)
def test_a_page_of_another_port_or_site_or_without_an_origin_is_refused(origin: str | None) -> None:
    assert not guard().origin_allowed(origin, "127.0.0.1:8501")


def test_the_server_s_own_page_is_accepted_under_the_name_that_was_typed() -> None:
    assert guard().origin_allowed("http://127.0.0.1:8501", "127.0.0.1:8501")
    assert guard().origin_allowed("https://lopore.example.com", "lopore.example.com")
    assert guard().origin_allowed("http://LocalHost:8501", "localhost:8501")


def test_a_name_that_was_turned_to_this_machine_is_refused_unless_it_was_given() -> None:
    assert not guard().host_allowed("rebound.example.com:8501")
    assert not guard("0.0.0.0").host_allowed("rebound.example.com:8501")
    assert guard("0.0.0.0").host_allowed("192.168.0.7:8501")
    assert guard("0.0.0.0").host_allowed("weldlab:8501")
    assert guard("127.0.0.1", "https://films.example.com").host_allowed("films.example.com")


def test_an_origin_is_written_in_one_way_and_what_is_none_is_one_line() -> None:
    assert origin_of("HTTPS://Films.Example.com:443/page") == "https://films.example.com"
    assert origin_of("http://[::1]:8501") == "http://[::1]:8501"
    done = CliRunner().invoke(main, ["--origin", "films.example.com"])
    assert done.exit_code == 2
    assert "write it as https://" in done.output


def _asked(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    link.request("GET", path, headers=headers)
    return link.getresponse()


def _connects(port: int, origin: str | None) -> bool:
    try:
        connecting.connect(
            f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], origin=origin, open_timeout=30
        ).close()
    except InvalidHandshake:
        return False
    return True


def _checked(port: int) -> str:
    return CliRunner().invoke(main, ["--check", f"http://127.0.0.1:{port}"]).output


def test_the_running_server_refuses_foreign_pages_and_sends_its_policy_with_every_page(tmp_path: Path) -> None:
    with serving(tmp_path, LOPORE_MODELS="") as port:
        assert _connects(port, f"http://127.0.0.1:{port}")
        assert not _connects(port, None)
        assert not _connects(port, f"http://127.0.0.1:{port + 1}")
        deep = _asked(port, "/film", Accept="text/html", **{"Accept-Encoding": "gzip, br"})
        assert "'sha256-" in (deep.getheader("Content-Security-Policy") or "")
        assert b"lopore/connection.js" in deep.read()
        page = _asked(port, "/")
        policy = page.getheader("Content-Security-Policy") or ""
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'self'" in policy
        assert "http:" not in policy
        assert page.getheader("X-Frame-Options") == "DENY"
        assert page.getheader("ETag") is None
        assert _asked(port, "/_stcore/health").getheader("X-Content-Type-Options") == "nosniff"
        rebound = _asked(port, "/", Host="rebound.example.com")
        assert rebound.status == 421
        assert b"--origin" in rebound.read()
        assert "page and websocket are passed on" in _checked(port)
        with proxied(port, hides=True) as link:
            outside = link.port
            assert not _connects(outside, f"http://127.0.0.1:{outside}")
            assert "proxy_set_header Host" in _checked(outside)
    assert "is not reached" in _checked(port)


@needs_chromium
def test_behind_a_proxy_that_hides_its_address_the_page_says_so_and_an_origin_opens_it(tmp_path: Path) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    def shows(browser: object, text: str) -> None:
        WebDriverWait(browser, 60).until(lambda one: text in one.find_element("tag name", "body").text)  # type: ignore[arg-type]

    with chromium() as browser, serving(tmp_path, LOPORE_MODELS="") as port, proxied(port, hides=True) as link:
        outside = link.port
        browser.get(f"http://127.0.0.1:{outside}")
        shows(browser, f"lopore does not answer http://127.0.0.1:{outside}")
        with serving(tmp_path, "--origin=https://films.example.com", LOPORE_MODELS="") as other:
            assert _connects(other, "https://films.example.com")
        browser.get(f"http://127.0.0.1:{port}")
        shows(browser, "Drop radiographs")
