"""``lopore sweep``: one config trained with many settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lopore.training.sweep import Outcome

TRIALS = 20


@click.command(name="sweep")
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--set", "settings", multiple=True, required=True, metavar="KEY=a,b,c",
    help="Values that a key of the config takes in turn, or a range KEY=lo..hi; may be given again.",
)  # fmt: skip
@click.option(
    "--trials", type=click.IntRange(1, 100_000), metavar="N", show_default=f"every combination; {TRIALS} with a range",
    help="Points that Optuna proposes (extra `sweep`), in place of every combination.",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1, 256), default=1, show_default=True, metavar="N",
    help="Runs at once at most, as far as memory allows.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("models"), show_default=True,
    metavar="FOLDER", help="Folder that gets checkpoints/RUN and final/NAME/VERSION.",
)  # fmt: skip
@click.option("--allow-leaks", is_flag=True, help="Train although the split leaks; the models carry the mark.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a point, one a line.")
def command(
    config: Path, settings: tuple[str, ...], trials: int | None, jobs: int, out: Path, allow_leaks: bool, as_json: bool
) -> None:
    """Train CONFIG with many settings, or search ranges.

    Every point is a run and publishes a version of the model. The same command after Ctrl-C, kill or a crash goes on:
    finished points are kept, one in the making goes on from its last epoch. The list at the end is sorted by the
    validation score; `NAME/best` then names the best version.

    \b
    Examples:
      lopore sweep first.yaml --set training.batch_size=8,16 --set seed=0,1
      lopore sweep first.yaml --set model.dropout=0..0.5 --trials 30
    """
    from lopore.progress import Progress
    from lopore.training.sweep import Sweep
    from lopore.training.sweep_points import Axis, grid, parse_axis
    from lopore.training.sweep_search import search

    axes = [parse_axis(text) for text in settings]
    lists = [axis for axis in axes if isinstance(axis, Axis)]
    sweep = Sweep(out, jobs, allow_leaks, Progress(quiet=as_json))
    if trials is None and len(lists) == len(axes):
        points = grid(config, lists)
        sweep.check(points)
        outcomes = sweep.run(points)
    else:
        outcomes = search(config, axes, trials or TRIALS, sweep)
    _print_outcomes(outcomes, out, as_json)
    if any(outcome.error for outcome in outcomes):
        raise SystemExit(1)


def _print_outcomes(outcomes: list[Outcome], out: Path, as_json: bool) -> None:
    from lopore.training.run_list import list_runs

    from .run_tables import run_table

    ranked = sorted(outcomes, key=lambda one: float("-inf") if one.rank is None else one.rank, reverse=True)
    runs = {entry.name: entry for entry in list_runs(out)[0]}
    if as_json:
        for one in ranked:
            entry = runs.get(one.point.run)
            facts = {"settings": dict(one.point.settings), "error": one.error or None}
            click.echo(json.dumps({**(entry.as_data() if entry else {"name": one.point.run}), "sweep": facts}))
        return
    entries = [runs[one.point.run] for one in ranked if one.point.run in runs]
    if entries:
        click.echo(run_table(entries, score="roc_auc"))
    for one in ranked:
        if one.error:
            click.echo(f"failed: {one.point.run}: {one.error}")
    best = next((one for one in ranked if one.score is not None and one.point.run in runs), None)
    if best:
        click.echo(f"best by validation: {runs[best.point.run].model or best.point.run}")
