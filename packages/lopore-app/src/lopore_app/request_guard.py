"""Who may talk to the server, and what its pages may do: checked before Streamlit sees a request. No Streamlit in here.

A browser names the page that asks (Origin) and the server that it believes to ask (Host). Both must be this server's.
So a page of another site or port can neither read films nor steer a session, and a name that was turned to this
machine's address (DNS rebinding) is refused.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CHECK_PATH = "lopore/connection"
"""Answers a page that asks whether its own address is one that the websocket will accept."""
SCRIPT_PATH = "lopore/connection.js"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_LOG = logging.getLogger("lopore_app")

# A page whose websocket is refused would stay blank for ever.
_SCRIPT = f"""
fetch("./{CHECK_PATH}?origin=" + encodeURIComponent(location.origin)).then((answer) => answer.json()).then((found) => {{
  if (found.accepted) return;
  const box = document.createElement("pre");
  box.id = "lopore-refused";
  box.style.cssText = "white-space:pre-wrap;font:16px/1.5 system-ui;max-width:46em;margin:12vh auto;padding:0 1.5em";
  box.textContent = found.reason;
  document.body.append(box);
}}).catch(() => undefined);
"""


def origin_of(text: str) -> str:
    """``scheme://host[:port]`` of an address, in lower case, without the port that the scheme implies.

    Raises ValueError where it is no http or https address.
    """
    found = urlsplit(text.strip())
    if found.scheme not in ("http", "https") or not found.hostname:
        raise ValueError(f"'{text[:80]}' is no address of a page; write it as https://lopore.example.com")
    host = f"[{found.hostname}]" if ":" in found.hostname else found.hostname
    usual = {"http": 80, "https": 443}[found.scheme]
    port = "" if found.port in (None, usual) else f":{found.port}"
    return f"{found.scheme}://{host}{port}"


def _host(text: str) -> tuple[str, int | None]:
    found = urlsplit(f"//{text}")
    return (found.hostname or "").lower(), found.port


class RequestGuard:
    """ASGI middleware. address: the interface that the server listens on. origins: further addresses of its pages.

    head: tags that each page gets into its head.
    """

    def __init__(self, app: Application, address: str, origins: tuple[str, ...] = (), head: str = "") -> None:
        self.app = app
        self._head = head.encode()
        self.origins = frozenset(origin_of(one) for one in origins)
        self._names = {urlsplit(one).hostname or "" for one in self.origins}
        self._local = address in _LOOPBACK
        self._address = address

    def host_allowed(self, host: str) -> bool:
        """Whether a Host header names this server: loopback, the address it listens on, an IP, or a given origin's."""
        name = _host(host)[0]
        if name in _LOOPBACK or name in self._names or name == self._address:
            return True
        return not self._local and _is_ip_or_plain(name)

    def origin_allowed(self, origin: str | None, host: str) -> bool:
        """Whether a page of this origin may open a websocket: the server's own page, or one of a given origin."""
        try:
            asked = origin_of(origin or "")
        except ValueError:
            return False
        if asked in self.origins:
            return True
        # The scheme is not known behind a proxy that ends TLS; host and port have to be the same.
        page = urlsplit(asked)
        name, port = _host(host)
        usual = {"http": 80, "https": 443}[page.scheme]
        return (page.hostname, page.port or usual) == (name, port or usual)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send, headers.get("origin"), host)
        elif not self.host_allowed(host):
            await _answer(send, 421, "text/plain; charset=utf-8", self.refusal(f"http://{host}", host).encode())
        elif scope["path"].endswith(f"/{SCRIPT_PATH}"):
            await _answer(send, 200, "text/javascript; charset=utf-8", _SCRIPT.encode())
        elif scope["path"].endswith(f"/{CHECK_PATH}"):
            asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("origin", [""])[0]
            accepted = self.origin_allowed(asked, host)
            said = {"accepted": accepted, "reason": "" if accepted else self.refusal(asked, host)}
            await _answer(send, 200, "application/json", json.dumps(said).encode())
        else:
            page = scope["method"] == "GET" and "text/html" in headers.get("accept", "*/*")
            if page:  # a coded page could not be read, and its scripts not be named in the policy
                plain = [pair for pair in scope["headers"] if pair[0].lower() != b"accept-encoding"]
                scope = {**scope, "headers": plain}
            await self.app(scope, receive, _Guarded(send, self._head, complete=scope["method"] == "GET").send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send, origin: str | None, host: str) -> None:
        if self.host_allowed(host) and self.origin_allowed(origin, host):
            await self.app(scope, receive, send)
            return
        _LOG.warning(self.refusal(origin, host))
        await receive()
        await send({"type": "websocket.close", "code": 1008})

    def refusal(self, origin: str | None, host: str) -> str:
        """One line: who asked, who is answered, what to do."""
        asked = "".join(sign for sign in (origin or "a client without an Origin header") if sign.isprintable())[:100]
        here = "".join(sign for sign in host if sign.isprintable())[:100]
        return (
            f"lopore does not answer {asked}: the request reached the server as {here or 'no host'}. Behind a proxy, "
            "let it pass the Host header and start the app with the address that people type: "
            "lopore app --origin https://NAME. `lopore app --check https://NAME` tells what is wrong."
        )


def _is_ip_or_plain(name: str) -> bool:
    """An IP address, or a name without a dot (of this network): a page elsewhere cannot be served under either."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and "." not in name
    return True


async def _answer(send: Send, status: int, kind: str, body: bytes) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *_headers(())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers(inline: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """What a page may load and who may frame it. inline: hashes of the scripts that stand in Streamlit's page."""
    scripts = " ".join(("'self'", "blob:", "'wasm-unsafe-eval'", "'unsafe-eval'", *inline))  # Vega compiles charts
    policy = (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self' blob: data:; worker-src 'self' blob:; media-src 'self' blob: data:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-src 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]


class _Guarded:
    """Adds the headers to one response; a page is held back until its inline scripts are known."""

    def __init__(self, send: Send, head: bytes, *, complete: bool) -> None:
        self._send = send
        self._head = head
        self._complete = complete
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            types = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            coded = any(name.lower() == b"content-encoding" for name, _ in message["headers"])
            if self._complete and not coded and any(kind.startswith(b"text/html") for kind in types):
                self._start = message
                return
            message["headers"] = _merged(message["headers"], _headers(()))
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            await self._page(self._start)
            return
        await self._send(message)

    async def _page(self, start: Message) -> None:
        hashes = tuple(
            f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"
            for text in _INLINE.findall(self._body)
        )
        body = self._body.replace(b"</head>", self._head + b"</head>", 1)
        body = body.replace(b"</body>", f'<script src="./{SCRIPT_PATH}"></script></body>'.encode(), 1)
        length = [(b"content-length", str(len(body)).encode())]
        # Without a tag no browser keeps a page whose headers belong to another one.
        headers = [(name, value) for name, value in start["headers"] if name.lower() not in (b"etag", b"last-modified")]
        start["headers"] = _merged(headers, [*length, *_headers(hashes)])
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _merged(old: list[tuple[bytes, bytes]], new: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in new}
    return [*((name, value) for name, value in old if name.lower() not in names), *new]
