"""``lopore runs``: runs and models, the settings that differ, and their scores."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .show import MOST_LETTERS


@click.command(name="runs")
@click.argument("pattern", required=False, default="*")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("models"), show_default=True,
    metavar="FOLDER", help="Folder that holds checkpoints/RUN and final/NAME/VERSION.",
)  # fmt: skip
@click.option(
    "--sort", "key", default="started", show_default=True, metavar="KEY",
    help="What to sort by: started, validation, a score such as roc_auc, or a key of the config.",
)  # fmt: skip
@click.option(
    "--score", default="roc_auc", show_default=True, metavar="NAME", help="Score to show, such as recall/pore."
)
@click.option("--against", "pair", nargs=2, metavar="A B", help="Show run or model A beside B, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a run, one a line.")
def command(pattern: str, out: Path, key: str, score: str, pair: tuple[str, str] | None, as_json: bool) -> None:
    """List runs with the settings that differ and their scores.

    PATTERN selects by the name of run, model or experiment; * and ? stand for anything. A validation score chose the
    epoch and may choose the run; the other score stands on test films, with its 95 % interval. `NAME/best` names the
    version of a model with the best validation score, of equals the newest, wherever a model is named.

    \b
    Examples:
      lopore runs
      lopore runs 'weld*' --sort validation
      lopore runs --against weld-20260101-120000 weld-20260102-090000
    """
    from lopore.errors import RunError
    from lopore.messages import plain, terminal_json
    from lopore.training.run_list import list_runs, select, sort_runs

    from .run_tables import against, run_table

    entries, problems = list_runs(out)
    for problem in problems:
        click.echo(plain(f"unusable: {problem}", MOST_LETTERS), err=True)
    if not entries:
        raise RunError(f"no run in {out / 'checkpoints'} and no model; train one, or name another folder with --out")
    chosen = [select(entries, name)[-1] for name in pair] if pair else sort_runs(select(entries, pattern), key)
    if as_json:
        for entry in chosen:
            click.echo(terminal_json(json.dumps(entry.as_data(), ensure_ascii=False, default=str)))
    else:
        click.echo(against(*chosen) if pair else run_table(chosen, score=score))
