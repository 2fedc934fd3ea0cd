"""``lopore serve``: the HTTP service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
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
@click.option("--records", metavar="LOCATION", envvar="LOPORE_RECORDS", show_default="nothing is written",
              help="Folder, or postgresql://USER@HOST/BASE, for a record of every answer.")  # fmt: skip
@click.option("--max-upload-mb", type=click.FloatRange(0, 10_000, min_open=True), metavar="MIB", default=200.0,
              show_default=True, help="Largest request.")  # fmt: skip
@click.option("--queue", type=click.IntRange(1, 100_000), metavar="N", default=256, show_default=True,
              help="Images of one model that may wait; more are answered with status 503.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, 3600, min_open=True), metavar="S", default=60.0, show_default=True,
              help="Longest time for one image.")  # fmt: skip
@click.option("--inbox", "folder", type=FOLDER, metavar="FOLDER", help="Folder that is watched for films; needs --out.")
@click.option("--out", type=FOLDER, metavar="FOLDER", help="Folder that gets a report of each film of the inbox.")
@click.option("--inbox-model", metavar="MODEL", show_default="the only one", help="Model that inspects these films.")
@click.option("--profile", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="RULES.yaml",
              help="Rules that judge the films of the inbox.")  # fmt: skip
@click.option("--dicom-port", type=click.IntRange(1, 65535), metavar="PORT",
              help="Take radiographs by DICOM (C-STORE) into the inbox; 11112 is usual.")  # fmt: skip
@click.option("--dicom-address", metavar="ADDRESS", default="127.0.0.1", show_default=True,
              help="Interface for DICOM; another than the loopback needs --dicom-from.")  # fmt: skip
@click.option("--dicom-title", metavar="AE", default="LOPORE", show_default=True, help="AE title that senders call.")
@click.option("--dicom-from", "dicom_calling", metavar="AE", multiple=True,
              help="AE title of a sender that may call; may be repeated.")  # fmt: skip
@click.option("--device", metavar="DEVICE", default="auto", show_default=True, help="Where the network runs.")
@click.option("--threads", type=click.IntRange(1, 256), metavar="N", help="Threads of one session.")
def command(
    names: tuple[str, ...], models: Path | None, port: int, address: str, token_file: Path | None, is_open: bool,
    folder: Path | None, out: Path | None, inbox_model: str | None, profile: Path | None, dicom_port: int | None,
    dicom_address: str, dicom_title: str, dicom_calling: tuple[str, ...], **limits: Any,
) -> None:  # fmt: skip
    """Serve models over HTTP.

    Files go to /v1/predict and whole films to /v1/inspect; /v2 is the Open Inference Protocol; /docs describes all
    routes, /metrics counts. It runs until Ctrl-C or SIGTERM and then finishes what runs.

    \b
    Examples:
      lopore serve
      lopore serve --model weld --port 9000
      lopore serve --address 0.0.0.0 --token-file token.txt
      lopore serve --inbox /srv/films --out /srv/reports --dicom-port 11112
    """
    import os
    from importlib import import_module
    from importlib.util import find_spec

    from lopore.errors import ConfigError, PluginError

    if find_spec("lopore_serve") is None:
        raise PluginError("the service is not installed; pip install lopore-serve")
    if address not in LOOPBACK and token_file is None and not is_open:
        raise ConfigError(f"--address {address} opens the service to the network; add --token-file FILE, or --open")
    _check_inbox(folder, out, dicom_port, dicom_address, dicom_calling)
    if models is not None:
        os.environ["LOPORE_MODELS"] = os.pathsep.join(filter(None, (os.environ.get("LOPORE_MODELS"), str(models))))
    settings = import_module("lopore_serve.settings")
    token = None if token_file is None else settings.read_token(token_file)
    if folder is not None:
        limits["inbox"] = settings.InboxSettings(
            folder=folder, out=out, model=inbox_model, profile=profile, dicom_port=dicom_port,
            dicom_address=dicom_address, dicom_title=dicom_title, dicom_calling=dicom_calling,
        )  # fmt: skip
    chosen = settings.ServiceSettings(models=names, token=token, **limits)
    click.echo(f"lopore serves on http://{address}:{port} (/docs describes it); Ctrl-C stops", err=True)
    import_module("lopore_serve.server").serve(chosen, address=address, port=port)


def _check_inbox(
    folder: Path | None, out: Path | None, port: int | None, address: str, calling: tuple[str, ...]
) -> None:
    from importlib.util import find_spec

    from lopore.errors import ConfigError, PluginError

    if (folder is None) != (out is None) or (port is not None and folder is None):
        raise ConfigError("films come by --inbox FOLDER and their reports go to --out FOLDER; name both")
    if folder is not None and out is not None and out.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"--out {out} lies in the inbox {folder}; name a folder beside it")
    if port is not None and address not in LOOPBACK and not calling:
        raise ConfigError(
            f"--dicom-address {address} opens the inbox to the network; name who may call with --dicom-from"
        )
    if port is not None and find_spec("pynetdicom") is None:
        raise PluginError("DICOM needs pynetdicom; pip install 'lopore-serve[dicom]'")
