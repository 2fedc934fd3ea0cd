"""``lopore jobs``: what the shards of one job wrote becomes one result."""

from __future__ import annotations

from pathlib import Path

import click

from lopore.messages import counted


@click.group(name="jobs")
def command() -> None:
    """Put the shards of a job together.

    `lopore predict` and `lopore inspect` take --shard I/N: one of N commands, which any scheduler may run anywhere.

    \b
    Examples:
      lopore jobs merge answers.csv
      lopore jobs merge seen/
    """


@command.command(name="merge")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@click.argument("parts", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="[PART...]")
def merge(out: Path, parts: tuple[Path, ...]) -> None:
    """Make one result of what all shards of a job wrote.

    OUT is what the shards were given as --out (or --detections): a table, of which each shard wrote a part beside it,
    or a folder of films. PART are further folders, of shards that ran where OUT cannot be reached. A shard that has not
    come to its end is named, and nothing is written. Films that failed give the exit status 1.

    \b
    Examples:
      lopore jobs merge answers.csv
      lopore jobs merge seen/ machine-1/seen machine-2/seen
    """
    from lopore.errors import ConfigError
    from lopore.indications.merge_folders import merge_folders
    from lopore.inference.jobs import merge_tables

    if out.suffix.lower() in (".csv", ".json", ".jsonl"):
        if parts:
            raise ConfigError(f"{out} is a table: its parts lie beside it, and no PART is named")
        click.echo(f"{out}: {counted(len(merge_tables(out)), 'shard')} merged", err=True)
        return
    films, failed = merge_folders(out, parts)
    for name in failed:
        click.echo(f"lopore: {name} failed", err=True)
    click.echo(f"{out / 'films.csv'}: {counted(films, 'film')}, {len(failed)} failed", err=True)
    if failed:
        raise SystemExit(1)
