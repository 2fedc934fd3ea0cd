"""``lopore-app``: start Streamlit on this machine with lopore's limits."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

UPLOAD_MB = 50


@click.command(name="lopore-app")
@click.option("--models", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of models.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.option("--address", default="127.0.0.1", show_default=True, help="Interface to listen on.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def main(models: Path | None, port: int, address: str, browser: bool) -> None:
    """Open lopore's app: films in, decision and heat map out."""
    environment = dict(os.environ)
    if models is not None:
        roots = [str(models.resolve()), environment.get("LOPORE_MODELS", "")]
        environment["LOPORE_MODELS"] = os.pathsep.join(filter(None, roots))
    options = {
        "server.port": port,
        "server.address": address,
        "server.headless": str(not browser).lower(),
        "server.maxUploadSize": os.environ.get("LOPORE_UPLOAD_MB", UPLOAD_MB),
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
    }
    page = Path(__file__).with_name("main.py")
    flags = [f"--{name}={value}" for name, value in options.items()]
    # In place of this process, so that whoever stops it stops the server.
    os.execve(sys.executable, [sys.executable, "-m", "streamlit", "run", str(page), *flags], environment)


if __name__ == "__main__":
    main()
