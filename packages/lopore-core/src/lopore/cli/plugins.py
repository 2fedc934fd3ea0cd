"""``lopore plugins``: what is installed, from where, and what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from lopore.messages import counted

if TYPE_CHECKING:
    from lopore.plugins.registry import Registry


@click.command(name="plugins")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--strict", is_flag=True, help="Exit 1 if any plugin has a problem.")
def command(as_json: bool, strict: bool) -> None:
    """List what the installed plugins offer, and their problems.

    Enhancers, backbones, trainers, exporters, predictors, explainers, callbacks, losses, metrics and augmentations;
    LOPORE_BLOCK=NAME,NAME leaves packages out.
    """
    from lopore.plugins.registry import discover

    registry = discover()
    click.echo(json.dumps(_as_data(registry), indent=2) if as_json else _as_text(registry))
    if strict and registry.problems:
        raise SystemExit(1)


def _as_data(registry: Registry) -> dict[str, Any]:
    from lopore.plugins.registry import KINDS

    entries = {kind: getattr(registry, kind) for kind in KINDS}
    return {
        "plugins": [vars_of(plugin) for plugin in registry.plugins],
        **{
            kind: {key: {"source": found.sources[key], "summary": found[key].summary} for key in found}
            for kind, found in entries.items()
        },
        "problems": [
            {"source": p.source, "stage": p.stage, "reason": p.reason, "mend": p.mend} for p in registry.problems
        ],
        "blocked": list(registry.blocked),
    }


def vars_of(plugin: Any) -> dict[str, Any]:
    """A plugin's facts as plain data."""
    return {
        "source": plugin.source,
        "module": plugin.module,
        "import_seconds": round(plugin.cost.seconds, 3),
        "entries": plugin.entries,
    }


def _as_text(registry: Registry) -> str:
    from lopore.plugins.problems import one_line
    from lopore.plugins.registry import KINDS

    lines = []
    for kind in KINDS:
        found = getattr(registry, kind)
        lines.append(f"{kind} ({len(found)})")
        width = max((len(key) for key in found), default=0)
        lines += [f"  {key:<{width}}  {one_line(found[key].summary)}  [{found.sources[key]}]" for key in found]
    lines.append(f"plugins ({len(registry.plugins)})")
    lines += [
        f"  {one.source}  {counted(one.entries, 'entry', 'entries')}, import {one.cost.seconds:.2f} s"
        for one in registry.plugins
    ]
    if registry.blocked:
        lines.append(f"left out by LOPORE_BLOCK: {', '.join(registry.blocked)}")
    lines.append(f"problems ({len(registry.problems)})")
    lines += [f"  {problem}" for problem in registry.problems]
    return "\n".join(lines)
