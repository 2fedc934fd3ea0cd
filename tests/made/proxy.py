"""A proxy before the app: one that hides the address that was typed, or a link as slow as is asked for."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PIECE = 8192


@dataclass
class Link:
    """rate: bytes a second from the server to the browser; None for no limit. latency: seconds that what is sent after
    a pause arrives later, either way. Both may change at any time."""

    port: int = 0
    rate: float | None = None
    latency: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)


def _pump(link: Link, source: socket.socket, sink: socket.socket, told: tuple[bytes, bytes], *, slow: bool) -> None:
    last = 0.0
    try:
        while data := source.recv(PIECE):
            if link.latency and time.monotonic() - last > link.latency:
                time.sleep(link.latency)
            last = time.monotonic()
            if data.startswith((b"GET ", b"PUT ")):
                data = data.replace(*told, 1)
            sink.sendall(data)
            if slow and link.rate:
                time.sleep(len(data) / link.rate)
    except OSError:
        pass
    finally:
        sink.close()


@contextmanager
def proxied(target: int, *, hides: bool = False) -> Iterator[Link]:
    """A port that passes everything on to ``target``. hides: the server is told its own address as the host."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = Link(int(server.getsockname()[1]))
        host = b"127.0.0.1:%d\r\n"
        told = (host % link.port, host % target) if hides else (b"\0", b"\0")

        def answer() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
                behind = socket.create_connection(("127.0.0.1", target))
                for source, sink, slow in ((client, behind, False), (behind, client, True)):
                    work = {"slow": slow}
                    threading.Thread(target=_pump, args=(link, source, sink, told), kwargs=work, daemon=True).start()

        threading.Thread(target=answer, daemon=True).start()
        yield link
