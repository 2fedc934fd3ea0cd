"""``lopore app``: start the web app."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="app")
@click.option("--models", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of models.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.option("--address", default="127.0.0.1", show_default=True, help="Interface to listen on.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
def command(models: Path | None, port: int, address: str, browser: bool) -> None:
    """Open the app: upload films, dial enhancements, see the decision and what drove it."""
    import os
    import sys
    from importlib.util import find_spec

    from lopore.errors import PluginError

    if find_spec("lopore_app") is None:
        raise PluginError("the app is not installed; pip install lopore-app")
    if models is not None:
        roots = [str(models.resolve()), os.environ.get("LOPORE_MODELS", "")]
        os.environ["LOPORE_MODELS"] = os.pathsep.join(filter(None, roots))
    options = [f"--port={port}", f"--address={address}", "--browser" if browser else "--no-browser"]
    os.execv(sys.executable, [sys.executable, "-m", "lopore_app", *options])
