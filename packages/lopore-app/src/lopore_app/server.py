"""The server: Streamlit behind lopore's own guard, with every option set so that no file of the machine weakens one."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from lopore.errors import LoporeError
from lopore_app import theme

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


def _warm() -> None:
    """What the first visitor would wait for, while the browser loads the front end: imports, and the first model.

    Nothing is said of what fails here: the page itself says what is missing.
    """
    with suppress(ImportError, LoporeError):
        importlib.import_module("lopore_app.inspection.workbench")
        importlib.import_module("lopore_app.film.film_desk")
        from lopore_app.models.catalogue import ModelCatalogue
        from lopore_app.models.opening import default_runtime, open_folder

        if models := ModelCatalogue.find().models:
            open_folder(models[0], default_runtime(models[0]))


@asynccontextmanager
async def _started(_: object) -> AsyncIterator[None]:
    """The server is about to listen: from here on nothing holds it up."""
    threading.Thread(target=_warm, daemon=True, name="first page").start()
    yield


def serve(port: int, address: str, *, browser: bool, origins: tuple[str, ...] = ()) -> None:
    """Run the app until it is stopped. origins: addresses that people open it under, behind a proxy."""
    import streamlit as st
    from starlette.middleware import Middleware
    from streamlit import net_util

    from lopore_app.request_guard import RequestGuard

    # Streamlit asks a server of a third party for this machine's address, at its start and when a foreign page knocks.
    vars(net_util)["get_external_ip"] = _no_address
    guard = Middleware(RequestGuard, address=address, origins=origins)
    app = st.App(Path(__file__).with_name("main.py"), middleware=[guard], lifespan=_started)
    app.run(config=options(port, address, browser=browser, origins=origins))
