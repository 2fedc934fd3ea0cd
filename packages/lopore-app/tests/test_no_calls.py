"""The app asks nobody outside for anything, whoever may reach it."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made.app import serving

connecting = pytest.importorskip("websockets.sync.client", reason="the visitor speaks by websocket")
from websockets.exceptions import InvalidHandshake  # noqa: E402  # after the skip


@contextmanager
def listening_proxy() -> Iterator[tuple[int, list[bytes]]]:
    """A port that every call to the outside is sent to, and the first line of each."""
    calls: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                with link:
                    calls.append(link.recv(4096).split(b"\r\n")[0])

        threading.Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1], calls


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_neither_its_start_nor_a_foreign_page_makes_the_server_call_the_outside(tmp_path: Path, address: str) -> None:
    with listening_proxy() as (proxy, calls):
        outside = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), f"http://127.0.0.1:{proxy}")
        with serving(tmp_path, f"--address={address}", LOPORE_MODELS="", no_proxy="", NO_PROXY="", **outside) as port:
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            link.request("GET", "/_stcore/health")
            assert link.getresponse().status == 200
            link.close()
            with pytest.raises(InvalidHandshake):
                connecting.connect(
                    f"ws://127.0.0.1:{port}/_stcore/stream",
                    subprotocols=["streamlit"],
                    origin="http://elsewhere.example",
                    open_timeout=30,
                    proxy=None,
                ).close()
        assert calls == []
