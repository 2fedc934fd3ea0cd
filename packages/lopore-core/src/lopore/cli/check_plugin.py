"""``lopore check-plugin``: does an installed plugin keep the promises of its descriptors?"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lopore.testing.check import Outcome

KINDS = (
    "plugin", "enhancer", "backbone", "trainer", "predictor", "exporter", "explainer", "callback", "loss", "metric",
    "augmentation",
)  # fmt: skip


@click.command(name="check-plugin")
@click.argument("name")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KINDS), metavar="KIND",
    help=f"Only checks of this kind ({', '.join(KINDS)}); may be given again.",
)  # fmt: skip
@click.option("--only", metavar="REGEX", help="Only checks whose name contains this expression.")
@click.option(
    "--model",
    "models",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Model folder to judge with; may be given again.",
)
@click.option("--list", "list_only", is_flag=True, help="Name the checks and run none.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each check.")
def command(
    name: str, kinds: tuple[str, ...], only: str | None, models: tuple[Path, ...], list_only: bool, as_json: bool
) -> None:
    """Check that plugin NAME keeps its promises.

    NAME is a distribution as `lopore plugins` lists it, or a module. Predictors, exporters and explainers are judged on
    a small model that is trained for them, or on --model. The exit status is 1 where a promise is broken.

    \b
    Examples:
      lopore check-plugin lopore-mine
      lopore check-plugin lopore-mine --only 16_bit
    """
    from lopore.errors import ConfigError
    from lopore.plugins.process_guard import stdout_spared
    from lopore.testing.check import Check, run_check
    from lopore.testing.kit import iter_checks

    found: list[Check] = []
    for plugin in _plugins(name):
        found += iter_checks(plugin, kinds=kinds or None, only=only, models=models)
    if not found:
        raise ConfigError(f"no check of {name} fits; `lopore check-plugin {name} --list` names them all")
    if list_only:
        for check in found:
            click.echo(json.dumps({"id": check.id, "promise": check.promise}) if as_json else check.id)
        return
    outcomes = []
    for check in found:
        with stdout_spared():
            outcomes.append(run_check(check))
        _show(outcomes[-1], as_json)
    failed = sum(outcome.status == "failed" for outcome in outcomes)
    skipped = sum(outcome.status == "skipped" for outcome in outcomes)
    if not as_json:
        click.echo(f"{len(outcomes) - failed - skipped} kept, {failed} broken, {skipped} not judged")
    if failed:
        raise SystemExit(1)


def _show(outcome: Outcome, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        click.echo(json.dumps({**asdict(outcome), "seconds": round(outcome.seconds, 3)}))
        return
    word = {"passed": "kept", "failed": "BROKEN", "skipped": "not judged"}[outcome.status]
    reason = f": {outcome.reason}" if outcome.reason else ""
    click.echo(f"{word:<10}  {outcome.id}{reason}")


def _plugins(name: str) -> list[Any]:
    """The plugin modules of a distribution, or the one module of that name; ConfigError says what there is."""
    from lopore.plugins.entry_points import distribution_name, installed_entries, load_entry

    entries, _ = installed_entries()
    wanted = name.replace("_", "-").lower()
    mine = [entry for entry in entries if distribution_name(entry) == wanted or entry.value == name]
    if mine:
        return [_loaded(name, partial(load_entry, entry)) for entry in mine]
    return [_loaded(name, partial(_module, name, sorted(map(distribution_name, entries))))]


def _loaded(name: str, load: Callable[[], Any]) -> Any:
    """What ``load`` imports, in silence; a plugin that cannot be imported is one line, whatever it raises."""
    from lopore.errors import LoporeError, PluginError
    from lopore.plugins.problems import describe_error
    from lopore.plugins.process_guard import preserve_state, silenced

    try:
        with preserve_state("import"), silenced():
            return load()
    except (KeyboardInterrupt, LoporeError):
        raise
    except BaseException as error:  # SystemExit of a plugin must not end this command with its own status
        raise PluginError(f"{name} cannot be imported: {describe_error(error)}; mend that first") from error


def _module(name: str, installed: list[str]) -> Any:
    from difflib import get_close_matches
    from importlib import import_module
    from importlib.util import find_spec

    from lopore.errors import ConfigError

    try:
        known = find_spec(name) is not None
    except (ImportError, ValueError):
        known = False
    if not known:
        near = get_close_matches(name, installed, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"installed are {', '.join(installed) or 'none'}"
        if (Path(name) / "pyproject.toml").is_file():
            hint = f"the folder {name} is not installed yet: pip install -e {name}"
        raise ConfigError(f"no plugin or module '{name[:80]}'; {hint}")
    return import_module(name)
