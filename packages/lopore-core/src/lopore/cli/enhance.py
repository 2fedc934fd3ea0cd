"""``lopore enhance``: a chain of enhancements over files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lopore.messages import plain

from .options import page_option

if TYPE_CHECKING:
    from lopore.preprocessing.enhancement_chain import Chain


@click.command(name="enhance")
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--chain",
    "chain_text",
    metavar="STEPS",
    help="Steps such as 'clahe(clip_limit=3)|median(size=3)', or a preset's title.",
)
@click.option("--chain-file", type=click.Path(path_type=Path), metavar="FILE", help="YAML file with a list of steps.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder for the enhanced PNG files, 8 or 16 bit as read; needed unless --list is given.",
)
@page_option
@click.option("--colour", is_flag=True, help="Keep colour; films are read as grey otherwise.")
@click.option("--list", "list_all", is_flag=True, help="List enhancers with their parameters, and presets.")
def command(
    images: tuple[Path, ...],
    chain_text: str | None,
    chain_file: Path | None,
    out: Path | None,
    page: int | None,
    colour: bool,
    list_all: bool,
) -> None:
    """Enhance films by a chain of steps or by a preset.

    IMAGES are files, folders or globs. Each becomes a PNG of the same depth; the films themselves stay as they are.

    \b
    Examples:
      lopore enhance films/ --chain "stretch|clahe(clip_limit=3)" --out better
      lopore enhance film.tif --chain "CLAHE + Denoise" --out better
      lopore enhance --list
    """
    if list_all:
        click.echo(_listing())
        return
    from lopore.errors import ConfigError

    from .inputs import Tally, expand

    if (chain_text is None) == (chain_file is None):
        raise ConfigError("give one of --chain and --chain-file; `lopore enhance --list` shows what there is")
    if out is None:
        raise ConfigError("give --out, the folder for the enhanced files")
    chain = _chain(chain_text, chain_file)
    tally = Tally()
    paths = expand(images, tally)
    for path, target in zip(paths, target_names(paths, out), strict=True):
        tally.attempt(path, partial(_one, path, target, chain, page, colour))
    tally.finish("enhanced")


def _one(path: Path, target: Path, chain: Chain, page: int | None, colour: bool) -> None:
    from lopore.reading.encode import write_radiograph
    from lopore.reading.radiograph import read_radiograph

    radiograph = read_radiograph(path, channels=3 if colour else 1, page=page)
    pixels, _ = chain.apply(radiograph.pixels)
    write_radiograph(pixels, target)
    click.echo(plain(target, 4096))


def target_names(paths: list[Path], out: Path) -> list[Path]:
    """One PNG name a source below ``out``; sources of equal stem get -2, -3, ... so that none overwrites another.

    ConfigError where a target is one of the sources, since films are never written over, or ``out`` cannot be a folder.
    """
    from lopore.errors import ConfigError

    from .inputs import check_out_folder

    check_out_folder(out)
    sources = {path.resolve() for path in paths}
    taken: set[str] = set()
    targets = []
    for path in paths:
        name, number = path.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}-{number}"
        taken.add(name.casefold())
        targets.append(out / f"{name}.png")
        if targets[-1].resolve() in sources:
            raise ConfigError(f"--out {out} would write over the source {targets[-1]}; name another folder")
    return targets


def _chain(text: str | None, file: Path | None) -> Chain:
    from lopore.config.yaml_loader import load_yaml
    from lopore.errors import ConfigError
    from lopore.preprocessing.enhancement_chain import Chain

    if text is not None:
        return Chain.from_text(text)
    assert file is not None
    data = load_yaml(file)
    if not isinstance(data, list):
        raise ConfigError(f"{file} holds {type(data).__name__}; a chain is a list of steps")
    return Chain.parse(data)


def _listing() -> str:
    from lopore.plugins.registry import discover

    registry = discover()
    lines = []
    for enhancer in registry.enhancers.values():
        mark = " (preview only)" if enhancer.preview_only else ""
        lines.append(f"{enhancer.name}: {enhancer.summary}{mark}")
        schema = enhancer.params.model_json_schema().get("properties", {})
        for name, facts in schema.items():
            low, high = facts.get("minimum", facts.get("exclusiveMinimum")), facts.get("maximum")
            bounds = f" [{low}..{high}]" if low is not None or high is not None else ""
            choice = f" {facts['enum']}" if "enum" in facts else ""
            lines.append(f"    {name} = {facts.get('default')}{bounds}{choice}  {facts.get('description', '')}")
    lines.append("presets:")
    lines += [f"  {title}: {' | '.join(step['name'] for step in steps)}" for title, steps in registry.presets().items()]
    return "\n".join(lines)
