"""The server: Streamlit behind lopore's own guard, with every option set so that no file of the machine weakens one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lopore_app import theme, warm_up

UPLOAD_MB = 50


def options(port: int, address: str, *, browser: bool, origins: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every option of Streamlit that lopore sets."""
    return {
        "server.port": port,
        "server.address": address,
        "server.headless": not browser,
        "server.maxUploadSize": int(os.environ.get("LOPORE_UPLOAD_MB", UPLOAD_MB)),
        "server.enableCORS": True,
        "server.corsAllowedOrigins": list(origins),
        "server.enableXsrfProtection": True,
        "server.enableStaticServing": False,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
        "runner.magicEnabled": False,  # it draws bare strings of a page, such as a docstring
        **theme.options(),
    }


def _no_address() -> None:
    """This machine's address on the internet: not known, since nobody asked lopore to find it out."""


def serve(port: int, address: str, *, browser: bool, origins: tuple[str, ...] = ()) -> None:
    """Run the app until it is stopped. origins: addresses that people open it under, behind a proxy."""
    import streamlit as st
    from starlette.middleware import Middleware
    from streamlit import net_util

    from lopore_app.late_scripts import preloads
    from lopore_app.request_guard import RequestGuard

    # Streamlit asks a server of a third party for this machine's address, at its start and when a foreign page knocks.
    vars(net_util)["get_external_ip"] = _no_address
    traffic = warm_up.Traffic()

    @asynccontextmanager
    async def started(_: object) -> AsyncIterator[None]:
        warm_up.start(traffic)  # the server is about to listen: from here on nothing holds it up
        yield

    head = preloads(Path(st.__file__).parent / "static")
    guard = Middleware(RequestGuard, address=address, origins=origins, head=head)
    counted = Middleware(warm_up.Counted, traffic=traffic)
    app = st.App(Path(__file__).with_name("main.py"), middleware=[counted, guard], lifespan=started)
    app.run(config=options(port, address, browser=browser, origins=origins))
