"""``lopore records``: the chain of what service and app decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lopore.audit import AuditRecord, AuditTrail

LOCATION = click.option(
    "--records", "location", metavar="LOCATION", envvar="LOPORE_RECORDS", required=True,
    help="Folder of the records, or postgresql://USER@HOST/BASE; else the variable LOPORE_RECORDS.",
)  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
RECORD = click.argument("record", metavar="RECORD")


@click.group(name="records")
def command() -> None:
    """List, check and replay records of decisions.

    Service and app record predictions, indications, verdicts and reviews where a location is named. RECORD is a number,
    an id, or its first 8 letters.

    \b
    Examples:
      lopore records list --records /srv/records
      lopore records verify --records /srv/records
      lopore records replay 17 --records /srv/records --film films/
    """


def _opened(location: str) -> AuditTrail:
    from lopore.audit import open_trail

    return open_trail(location)


@command.command(name="list")
@LOCATION
@JSON
@click.option("--kind", type=click.Choice(["prediction", "indications", "verdict", "review"]), help="One kind only.")
@click.option("--newest", type=click.IntRange(1), metavar="N", help="Only the last N.")
def list_records(location: str, as_json: bool, kind: str | None, newest: int | None) -> None:
    """List records, the oldest first.

    \b
    Examples:
      lopore records list --records /srv/records --kind review --newest 20
    """
    with _opened(location) as trail:
        for record in trail.records(kind=kind, newest=newest or 0):
            click.echo(json.dumps(record.as_data()) if as_json else _line(record))


@command.command(name="show")
@RECORD
@LOCATION
@JSON
def show(record: str, location: str, as_json: bool) -> None:
    """Show one record whole.

    \b
    Examples:
      lopore records show 17 --records /srv/records
    """
    with _opened(location) as trail:
        found = trail.find(record)
    click.echo(json.dumps(found.as_data(), indent=None if as_json else 1))


@command.command(name="verify")
@LOCATION
@JSON
@click.option("--receipt", metavar="NUMBER:HASH", help="A receipt that was noted elsewhere, to be found unchanged.")
def check(location: str, as_json: bool, receipt: str | None) -> None:
    """Compute every hash anew and tell what does not fit.

    The exit status is then 1. It finds an edited byte, a row that is missing, and another order. Note the receipt that
    it prints elsewhere: with --receipt it also finds a chain that was written anew as a whole.

    \b
    Examples:
      lopore records verify --records /srv/records
    """
    from lopore.audit import verify

    with _opened(location) as trail:
        found = verify(trail, expected=receipt)
    if as_json:
        click.echo(json.dumps(found.as_data()))
    elif found.sound:
        click.echo(f"{found.records} records, the chain is whole; receipt {found.records}:{found.head}")
    for fault in found.faults:
        where = f"record {fault.number}: " if fault.number else ""
        click.echo(f"lopore: {where}{fault.what}", err=True)
    if not found.sound:
        raise SystemExit(1)


@command.command(name="replay")
@RECORD
@LOCATION
@JSON
@click.option("--film", "films", type=click.Path(path_type=Path, exists=True), multiple=True, metavar="FILE",
              help="The film, or a folder that holds it; it is known by its hash. May be repeated.")  # fmt: skip
def replay(record: str, location: str, as_json: bool, films: tuple[Path, ...]) -> None:
    """Decide once more by the recorded model and settings.

    The exit status is 1 for another decision. Records hold hashes, not films: name the film with --film.

    \b
    Examples:
      lopore records replay 17 --records /srv/records --film films/
    """
    from lopore.audit.replay import replay as decide_again

    files = [path for film in films for path in ([film] if film.is_file() else sorted(film.rglob("*")))]
    with _opened(location) as trail:
        done = decide_again(trail, trail.find(record), [path for path in files if path.is_file()])
    said = "the same decision" if done.same else "another decision"
    summary = f"{said}: then {done.then}, now {done.now}; largest difference {done.difference:.2g}"
    click.echo(json.dumps(done.as_data()) if as_json else summary)
    if not done.same:
        raise SystemExit(1)


def _line(record: AuditRecord) -> str:
    from lopore.messages import plain

    summary = plain(_summary(record), 100)
    return f"{record.number:>7}  {record.id[:8]}  {record.written[:19]}  {record.kind:<11}  {summary}"


def _summary(record: AuditRecord) -> str:
    data: dict[str, Any] = record.data
    if "prediction" in data:
        said = data["prediction"]
        return f"{said['source']}: {' + '.join(said['decision']['labels']) or 'none found'}"
    if "inspection" in data:
        return f"{data['inspection']['film']['name']}: {len(data['inspection']['indications'])} indications"
    if "verdict" in data:
        return str(data["verdict"]["answer"])
    if "review" in data:
        return str(data["review"].get("verdict", ""))
    return f"{data['tensor']['shape'][0]} inputs of bare pixels"
