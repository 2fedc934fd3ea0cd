"""``lopore app``: start the web app."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="app")
@click.option(
    "--models",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="One more folder of models, beside ./models/final and those of LOPORE_MODELS.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    default=8501,
    show_default=True,
    help="Port to listen on.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Interface to listen on; 0.0.0.0 opens the app to the network, without a login.",
)
@click.option(
    "--browser/--no-browser", default=True, show_default=True, help="Whether the page is opened in a browser."
)
@click.option(
    "--origin",
    "origins",
    metavar="ADDRESS",
    multiple=True,
    help="Address that people open the app under, behind a proxy: https://lopore.example.com. May be repeated.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder that keeps reviews of films over reloads and days; without it nothing is kept.",
)
@click.option(
    "--keep-films",
    is_flag=True,
    help="Let each visitor keep their films in the folder of --work, when they ask for it on the page.",
)
@click.option(
    "--records",
    metavar="LOCATION",
    envvar="LOPORE_RECORDS",
    show_default="nothing is written",
    help="Folder, or postgresql://USER@HOST/BASE, for a record of every answer and review.",
)
@click.option("--check", metavar="ADDRESS", help="Tell whether a browser reaches the running app at this address.")
def command(
    models: Path | None, port: int, address: str, browser: bool, origins: tuple[str, ...], work: Path | None,
    keep_films: bool, records: str | None, check: str | None,
) -> None:  # fmt: skip
    """Open the web app: films in, decision and heat map out.

    It runs until Ctrl-C.

    \b
    Examples:
      lopore app
      lopore app --models /srv/models --port 8502 --no-browser
      lopore app --work reviews --keep-films
      lopore app --no-browser --origin https://lopore.example.com
      lopore app --check https://lopore.example.com
    """
    import os
    import sys
    from importlib.util import find_spec

    from lopore.errors import PluginError

    if find_spec("lopore_app") is None:
        raise PluginError("the app is not installed; pip install lopore-app")
    options = [f"--port={port}", f"--address={address}", "--browser" if browser else "--no-browser"]
    options += [f"--origin={origin}" for origin in origins]
    if work is not None:
        options.append(f"--work={work.resolve()}")
    if keep_films:
        options.append("--keep-films")
    if records is not None:
        from lopore.audit import open_trail

        open_trail(records, create=True).close()  # a place that cannot be used is told before anything starts
        os.environ["LOPORE_RECORDS"] = records if "://" in records else str(Path(records).resolve())
    if check is not None:
        options.append(f"--check={check}")
    if models is not None:
        options.append(f"--models={models}")
    os.execv(sys.executable, [sys.executable, "-m", "lopore_app", *options])
