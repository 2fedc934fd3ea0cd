"""``lopore serve``: the HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command(name="serve")
@click.option("--model", "names", metavar="MODEL", multiple=True,
              show_default="the newest of each",
              help="Model to serve, by NAME, NAME/VERSION or path; may be repeated.")  # fmt: skip
@click.option("--models", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              help="One more folder of models, beside ./models/final and those of LOPORE_MODELS.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), metavar="PORT", default=8000, show_default=True,
              help="Port to listen on.")  # fmt: skip
@click.option("--address", metavar="ADDRESS", default="127.0.0.1", show_default=True,
              help="Interface to listen on; another than the loopback needs --token-file or --open.")  # fmt: skip
@click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="File with the token that clients send as 'Authorization: Bearer TOKEN'.")  # fmt: skip
@click.option("--open", "is_open", is_flag=True, help="Serve the network without a token.")
@click.option("--records", metavar="PLACE", envvar="LOPORE_RECORDS", show_default="nothing is written",
              help="Folder, or postgresql://USER@HOST/BASE, for a record of every answer.")  # fmt: skip
@click.option("--max-upload-mb", type=click.FloatRange(0, 10_000, min_open=True), metavar="MIB", default=200.0,
              show_default=True, help="Largest request.")  # fmt: skip
@click.option("--queue", type=click.IntRange(1, 100_000), metavar="N", default=256, show_default=True,
              help="Images of one model that may wait; more are answered with status 503.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, 3600, min_open=True), metavar="S", default=60.0, show_default=True,
              help="Longest time for one image.")  # fmt: skip
@click.option("--device", metavar="DEVICE", default="auto", show_default=True, help="Where the network runs.")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads of one session.")
def command(
    names: tuple[str, ...], models: Path | None, port: int, address: str, token_file: Path | None, is_open: bool,
    **limits: Any,
) -> None:  # fmt: skip
    """Serve models over HTTP.

    Files go to /v1/predict and whole films to /v1/inspect; /v2 is the Open Inference Protocol; /docs describes all
    routes, /metrics counts. It runs until Ctrl-C or SIGTERM and then finishes what runs.

    \b
    Examples:
      lopore serve
      lopore serve --model weld --port 9000
      lopore serve --address 0.0.0.0 --token-file token.txt
    """
    import os
    from importlib.util import find_spec

    from lopore.errors import ConfigError, PluginError

    if find_spec("lopore_serve") is None:
        raise PluginError("the service is not installed; pip install lopore-serve")
    if address not in LOOPBACK and token_file is None and not is_open:
        raise ConfigError(f"--address {address} opens the service to the network; add --token-file FILE, or --open")
    if models is not None:
        os.environ["LOPORE_MODELS"] = os.pathsep.join(filter(None, (os.environ.get("LOPORE_MODELS"), str(models))))
    from importlib import import_module

    settings = import_module("lopore_serve.settings")
    token = None if token_file is None else settings.read_token(token_file)
    chosen = settings.ServiceSettings(models=names, token=token, **limits)
    click.echo(f"lopore serves on http://{address}:{port} (/docs describes it); Ctrl-C stops", err=True)
    import_module("lopore_serve.server").serve(chosen, address=address, port=port)
