"""``lopore-app``: start the app on this machine with lopore's limits, or check an address that it is opened under."""

from __future__ import annotations

import os
from pathlib import Path

import click


def _origins(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    from lopore_app.request_guard import origin_of

    try:
        return tuple(origin_of(one) for one in given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(name="lopore-app")
@click.option("--models", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of models.")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True)
@click.option("--address", default="127.0.0.1", show_default=True, help="Interface to listen on.")
@click.option("--browser/--no-browser", default=True, help="Open the page in a browser.")
@click.option("--origin", "origins", multiple=True, callback=_origins, help="Address that people open it under.")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), help="Folder that keeps reviews of films.")
@click.option("--keep-films", is_flag=True, help="Let visitors keep their films in the folder of --work.")
@click.option("--records", help="Folder or postgresql://... for a record of every answer and review.")
@click.option("--check", metavar="ADDRESS", help="Tell whether a browser reaches the running app, and end.")
def main(
    models: Path | None,
    port: int,
    address: str,
    browser: bool,
    origins: tuple[str, ...],
    work: Path | None,
    keep_films: bool,
    records: str | None,
    check: str | None,
) -> None:
    """Open lopore's app: films in, decision and heat map out."""
    if check is not None:
        _check(check)
        return
    if models is not None:
        roots = [str(models.resolve()), os.environ.get("LOPORE_MODELS", "")]
        os.environ["LOPORE_MODELS"] = os.pathsep.join(filter(None, roots))
    if keep_films and work is None and not os.environ.get("LOPORE_WORK"):
        raise click.UsageError("--keep-films needs a folder to keep them in; name one with --work FOLDER")
    if work is not None:
        os.environ["LOPORE_WORK"] = str(work.resolve())
    if keep_films:
        os.environ["LOPORE_KEEP_FILMS"] = "1"
    if records is not None:
        os.environ["LOPORE_RECORDS"] = records if "://" in records else str(Path(records).resolve())
    from lopore_app.server import serve

    serve(port, address, browser=browser, origins=origins)


def _check(address: str) -> None:
    from lopore_app.connection_check import connection_problem

    try:
        problem = connection_problem(address)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--check") from None
    if problem is not None:
        raise click.ClickException(problem)
    click.echo(f"A browser reaches the app at {address}: page and websocket are passed on.")


if __name__ == "__main__":
    main()
