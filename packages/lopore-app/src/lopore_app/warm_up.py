"""What the first visitor would wait for, done beforehand, while nobody waits for the server. No Streamlit in here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module

from lopore.errors import LoporeError
from lopore_app.request_guard import Application, Receive, Scope, Send

QUIET = 0.6
"""Seconds without a request until the next step is taken: one process answers and warms up, so each holds up the
other. Between the scripts of the page and its websocket a browser asks for nothing for up to half a second."""
FIRST_RUN = 1.0
"""Seconds that a page which has just opened its websocket has for itself."""
PATIENCE = 4.0
"""Seconds that a step waits at most."""


class Traffic:
    """Requests that are under way, and when the last one ended."""

    def __init__(self) -> None:
        self.open, self.last = 0, time.monotonic()

    def quiet(self) -> bool:
        return not self.open and time.monotonic() - self.last >= QUIET


class Counted:
    """ASGI middleware that tells ``traffic`` of every request, and of the beginning of a websocket, open for hours."""

    def __init__(self, app: Application, traffic: Traffic) -> None:
        self.app, self._traffic = app, traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                self._traffic.last = time.monotonic() + FIRST_RUN
            await self.app(scope, receive, send)
            return
        self._traffic.open += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._traffic.open -= 1
            self._traffic.last = time.monotonic()


def _open_first_model() -> None:
    from lopore_app.models.catalogue import ModelCatalogue
    from lopore_app.models.opening import default_runtime, open_folder

    if models := ModelCatalogue.find().models:
        open_folder(models[0], default_runtime(models[0]))


def _imports(name: str) -> Callable[[], object]:
    return lambda: import_module(name)


STEPS: tuple[Callable[[], object], ...] = (
    _imports("lopore_app.inspection.model_choice"),
    _imports("lopore_app.inspection.workbench"),
    _open_first_model,
    _imports("lopore_app.film.film_desk"),
)
"""In the order in which the first visitor needs them."""


def start(traffic: Traffic, steps: Sequence[Callable[[], object]] = STEPS) -> threading.Thread:
    """Begin, in a thread of its own, which is returned.

    Nothing is said of what fails here: the page itself says what is missing.
    """

    traffic.last = time.monotonic()

    def work() -> None:
        for step in steps:
            until = time.monotonic() + PATIENCE
            while not traffic.quiet() and time.monotonic() < until:
                time.sleep(0.02)
            with suppress(ImportError, LoporeError):
                step()

    thread = threading.Thread(target=work, daemon=True, name="first page")
    thread.start()
    return thread
