"""Uploads within their limits: too much is refused while it comes, not when it is there."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from .measures import Measures

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")
"""Answered without a token: an orchestrator asks them, and they tell nothing."""

NO_GUESSING = (b"x-content-type-options", b"nosniff")
"""On every answer: file and class names stand in JSON, which no browser may take for a page."""


class Gate:
    """Token, size and measure of every request, before any route sees it."""

    def __init__(self, app: App, *, token: str | None, max_bytes: int, measures: Measures) -> None:
        self.app, self.token, self.max_bytes, self.measures = app, token, max_bytes, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        began, status = time.monotonic(), 499
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self.max_bytes:
                raise HTTPException(413, self._too_large(), headers={"Connection": "close"})
            return message

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], NO_GUESSING]}
            await send(message)

        try:
            refusal = self._refusal(scope["path"], headers)
            if refusal is not None:
                await _answer(watched, *refusal)
            else:
                await self.app(scope, counted, watched)
        finally:
            # of a path that is no route only the status counts: strangers choose paths
            route = getattr(scope.get("route"), "path", "other")
            self.measures.request(route, status, time.monotonic() - began)

    def _refusal(self, path: str, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        if self.token is not None and path not in OPEN_PATHS:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
                return 401, "a token is needed: send it as 'Authorization: Bearer TOKEN'"
        stated = headers.get(b"content-length", b"0")
        if not stated.isdigit() or len(stated) > 18:
            return 400, "Content-Length is no number"
        return (413, self._too_large()) if int(stated) > self.max_bytes else None

    def _too_large(self) -> str:
        return f"the request has over {self.max_bytes / (1 << 20):.6g} MiB; send less, or raise --max-upload-mb"


async def _answer(send: Send, status: int, error: str) -> None:
    import json

    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(b"www-authenticate", b"Bearer")] if status == 401 else []
    headers += [(b"connection", b"close")] if status == 413 else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
