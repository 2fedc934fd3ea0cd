"""``lopore app --check``: does a browser at this address reach the app, through every proxy? No Streamlit in here."""

from __future__ import annotations

import base64
import http.client
import secrets
import ssl
from urllib.parse import urlsplit

from lopore_app.request_guard import origin_of

SECONDS = 10


def connection_problem(address: str) -> str | None:
    """What keeps a browser at ``address`` from the app, in one line; None where nothing does.

    Asks for the page's health and opens its websocket as a browser would. Raises ValueError for no address.
    """
    origin, path = origin_of(address), urlsplit(address).path.rstrip("/")
    try:
        status = _asked(origin, f"{path}/_stcore/health", {})
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        return (
            f"{address} is not reached ({error or type(error).__name__}); is the app running, and the proxy before it?"
        )
    if status == 421:
        return (
            f"the app refuses the name in {address}: start it with `lopore app --origin {origin}`, so that it knows "
            "under which address people open it"
        )
    if status != 200:
        return f"{address} answers {status} where the app's health is; the proxy does not pass this path on to the app"
    status = _asked(origin, f"{path}/_stcore/stream", _handshake(origin))
    if status == 101:
        return None
    if status == 403:
        return (
            f"the app refuses pages of {origin}: the proxy does not pass the Host header. Pass it (nginx: "
            f"proxy_set_header Host $http_host;) or start the app with `lopore app --origin {origin}`"
        )
    return (
        f"the websocket is answered {status} in place of 101: the proxy does not pass it on (nginx: "
        "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;)"
    )


def _handshake(origin: str) -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Origin": origin,
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Protocol": "streamlit",
    }


def _asked(origin: str, path: str, headers: dict[str, str]) -> int:
    target = urlsplit(origin)
    kind = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    link = kind(target.hostname or "", target.port, timeout=SECONDS)
    try:
        link.request("GET", path, headers=headers)
        return link.getresponse().status
    finally:
        link.close()
