"""The service on a port, until it is told to stop."""

from __future__ import annotations

import socket

import uvicorn

from lopore.errors import ConfigError

from .application import create_app
from .service import Service
from .settings import ServiceSettings

SECONDS_TO_FINISH = 30
"""After a first signal; a film that runs longer is cut off."""


def serve(settings: ServiceSettings, *, address: str, port: int) -> None:
    """Listen until SIGINT or SIGTERM, then finish what runs. ConfigError where the port is taken."""
    service = Service(settings)
    config = uvicorn.Config(  # uvicorn's own log_config closes the handlers of everything else in the process
        create_app(service), host=address, port=port, log_config=None, log_level="warning", access_log=False,
        server_header=False, timeout_graceful_shutdown=SECONDS_TO_FINISH, timeout_keep_alive=30,
        h11_max_incomplete_event_size=64 << 10,
    )  # fmt: skip
    server = uvicorn.Server(config)
    service.when_failed = lambda: setattr(server, "should_exit", True)
    with _bound(address, port) as listening:
        server.run(sockets=[listening])
    if service.failure:
        raise ConfigError(service.failure)


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        raise ConfigError(f"cannot listen on {address} port {port} ({error.strerror}); choose another --port") from None
    return listening
