"""``--on``: a command's shards on other machines, and their results as one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import click

ON = re.compile(r"ray(://[^\s/]{1,200})?")
OURS = ("on", "shards", "shard")


def _on(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not ON.fullmatch(value):
        raise click.BadParameter(f"{value[:60]!r} is no address of Ray; write ray or ray://HOST:PORT", ctx, param)
    return value


on_option = click.option(
    "--on",
    metavar="ADDRESS",
    callback=_on,
    help="Run as shards on Ray: 'ray' for this machine or the cluster of RAY_ADDRESS, or ray://HOST:PORT.",
)
shards_option = click.option(
    "--shards",
    type=click.IntRange(1, 999_999),
    metavar="N",
    show_default="four a core",
    help="How many shards --on makes.",
)


def words_of(ctx: click.Context) -> list[str]:
    """The command line that gave ``ctx``, without the options of this module: what each shard is told."""
    options: list[str] = []
    arguments: list[str] = []
    for param in ctx.command.params:
        value: Any = ctx.params.get(param.name or "")
        if param.name in OURS or ctx.get_parameter_source(param.name or "") is click.core.ParameterSource.DEFAULT:
            continue
        if isinstance(param, click.Argument):
            arguments += [str(one) for one in (value if param.nargs == -1 else [value])]
        elif isinstance(param, click.Option) and param.is_flag:
            options.append(param.opts[0] if value else param.secondary_opts[0])
        else:
            for one in value if param.multiple else [value]:
                options += [param.opts[0], str(one)]
    if ctx.params["threads"] is None:
        options += ["--threads", "1"]  # a shard has one core
    return [ctx.command.name or "", *options, "--", *arguments]


def run_elsewhere(ctx: click.Context, files: int, merge: Callable[[int], None]) -> None:
    """Run this command's shards where ``--on`` says, tell what they told, and merge; status 1 where anything failed.

    files: how many there are. merge: told the number of shards when all have come to their end.
    """
    from importlib import import_module
    from importlib.util import find_spec

    from lopore.errors import ConfigError, LoporeError, PluginError

    if ctx.params["shard"]:
        raise ConfigError("--on makes its own shards; leave --shard out")
    if find_spec("lopore_ray") is None:
        raise PluginError("Ray is not installed; pip install lopore-ray")
    ray: Any = import_module("lopore_ray.shards")
    cores = ray.connect(ctx.params["on"])
    try:
        count = max(1, min(files, ctx.params["shards"] or ray.SHARDS_PER_CORE * cores))
        ends = list(_reported(ray.run_shards(words_of(ctx), count)))
    finally:
        ray.leave()
    lost = [f"{one.shard[0]}/{count}: {one.errors}" for one in ends if one.status not in (0, 1)]
    if lost:
        raise LoporeError(f"{len(lost)} of {count} shards were lost ({'; '.join(lost[:3])}); the same command goes on")
    merge(count)
    if any(one.status for one in ends):
        raise SystemExit(1)


def _reported(ends: Iterator[Any]) -> Iterator[Any]:
    for end in ends:
        click.echo(end.output, nl=False)
        click.echo(end.errors if end.status is not None else "", nl=False, err=True)
        yield end
