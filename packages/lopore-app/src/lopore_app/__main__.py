"""``lopore-app``: start Streamlit on this machine with lopore's limits."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lopore_app import theme

UPLOAD_MB = 50


def flags(port: int, address: str, *, browser: bool) -> list[str]:
    """Every option of ``streamlit run`` that lopore sets, so that no config file of the machine weakens one."""
    options = {
        "server.port": str(port),
        "server.address": address,
        "server.headless": str(not browser).lower(),
        "server.maxUploadSize": os.environ.get("LOPORE_UPLOAD_MB", str(UPLOAD_MB)),
        "server.enableCORS": "true",
        "server.enableXsrfProtection": "true",
        "server.enableStaticServing": "false",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
        "runner.magicEnabled": "false",  # it draws bare strings of a page, such as a docstring
        **theme.options(),
    }
    return [f"--{name}={value}" for name, value in options.items()]


def _no_address() -> None:
    """This machine's address on the internet: not known, since nobody asked lopore to find it out."""


@click.command(name="lopore-app")
@click.option("--models", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of models.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.option("--address", default="127.0.0.1", show_default=True, help="Interface to listen on.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def main(models: Path | None, port: int, address: str, browser: bool) -> None:
    """Open lopore's app: films in, decision and heat map out."""
    if models is not None:
        roots = [str(models.resolve()), os.environ.get("LOPORE_MODELS", "")]
        os.environ["LOPORE_MODELS"] = os.pathsep.join(filter(None, roots))
    from streamlit import net_util
    from streamlit.web import cli

    # Streamlit asks a server of a third party for this machine's address, at its start and when a foreign page knocks.
    vars(net_util)["get_external_ip"] = _no_address
    page = Path(__file__).with_name("main.py")
    cli.main(["run", str(page), *flags(port, address, browser=browser)], prog_name="streamlit")


if __name__ == "__main__":
    main()
