"""``lopore data``: project folders, manifests, checks, splits and made films."""

from __future__ import annotations

import json
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lopore.messages import counted

from .data_options import PATH, json_option, plain_text, stage, threads_option

if TYPE_CHECKING:
    from lopore.data.index import Indexed
    from lopore.data.manifest import Manifest

_ELSEWHERE = {
    "annotations": "annotations:command", "crop": "data_crop:crop", "leaks": "data_leaks:leaks",
    "next": "data_next:next", "split": "data_split:split", "synth": "data_synth:synth",
}  # fmt: skip
"""Commands with a file of their own, imported when they are asked for."""
MOST_CONFLICTS = 5
"""Printed in full; ``--json`` lists all."""


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, name = _ELSEWHERE[cmd_name].split(":")
        found: click.Command = getattr(import_module(f".{module}", __package__), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            near = get_close_matches(args[0], known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"No such command '{args[0][:60]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(name="data", cls=_Group)
def command() -> None:
    """Describe, check and split sets of films, or make some."""


@command.command()
@click.argument("folder", type=PATH, default=".")
def init(folder: Path) -> None:
    """Make the folders of a project and a first config.

    In FOLDER, or here: data/raw, data/processed, data/splits, models/, and configs/first.yaml. What exists stays.

    \b
    Examples:
      lopore data init
      lopore data init shop3
    """
    from lopore.data.layout import init_layout

    made = init_layout(folder)
    click.echo("\n".join(str(folder / name) for name in made) if made else f"{folder} has everything already")
    if made:
        click.echo(f"next: put films into {folder / 'data' / 'raw'}/CLASS/; {folder / 'README.md'} tells the rest")


@command.command()
@click.argument("source", type=PATH)
@click.option("--out", type=PATH, metavar="FILE", default=Path("manifest.csv"), show_default=True,
              help="Manifest to write; the films stay where they are.")  # fmt: skip
@click.option("--root", type=PATH, metavar="FOLDER", show_default="that of SOURCE",
              help="Folder that paths count from and may not leave.")  # fmt: skip
@click.option("--groups", type=click.Choice(["from-images", "none"]), default="from-images", show_default=True,
              help="Join copies found from the pixels (flipped, turned, brightened, cropped a little).")  # fmt: skip
@click.option("--group-column", metavar="NAME", help="CSV column that names the film, weld or part.")
@click.option("--group-pattern", metavar="REGEX",
              help="Regular expression on file names; its first bracket names the film or weld.")  # fmt: skip
@click.option("--film-names", type=click.Choice(["propose", "join"]), default="propose", show_default=True,
              help="Films that file names state (R13_[1][2].png): propose them as groups, or join them.")  # fmt: skip
@click.option("--letters", type=click.Choice(["propose", "join"]), metavar="CHOICE",
              help="Read the numbers in lead letters (slow): 'propose' films of one number as groups, or 'join' "
                   "them.")  # fmt: skip
@click.option("--label-column", metavar="NAME", help="CSV column of labels, where its name is unusual.")
@click.option("--masks", metavar="FOLDER", default="auto", show_default=True,
              help="Folder of masks; 'auto' finds masks/, ground_truth/, NAME_mask and NAME_gt, 'beside' also a PNG "
                   "beside an image of its name, 'none' takes none.")  # fmt: skip
@click.option("--label", metavar="CLASS",
              help="Class of images that lie in no class folder; with masks, of those that are marked.")  # fmt: skip
@click.option("--sound", metavar="CLASS", multiple=True,
              help="Class that means a sound weld, where its name does not say so; may be given again.")  # fmt: skip
@click.option("--mm-per-pixel", type=click.FloatRange(0, 1000, min_open=True), metavar="MM",
              help="Size of a pixel, where neither the CSV nor the file states it.")  # fmt: skip
@click.option("--conflicts", type=click.Choice(["keep", "join", "drop"]), default="keep", show_default=True,
              help="Copies of one image in several classes: keep, give each all labels, or leave out.")  # fmt: skip
@click.option("--licence", metavar="WORDS", default=None, help="Licence of the films, kept in the manifest.")
@click.option("--source", "origin", metavar="WORDS", help="Where the films come from, kept in the manifest.")
@click.option("--attribution", metavar="WORDS", help="Whom to name, kept in the manifest.")
@click.option("--skip-bad", is_flag=True, help="Leave missing and unreadable files out and exit 0.")
@click.option("--replace", is_flag=True, help="Replace a manifest that has a split.")
@threads_option
@json_option
def index(source: Path, out: Path, as_json: bool, replace: bool, skip_bad: bool, **options: Any) -> None:
    """Describe a folder or CSV of films as a manifest.

    SOURCE is a folder of class folders, split or not, or a CSV of labels. Bad files are named and left out; the exit
    status is then 1.

    \b
    Examples:
      lopore data index data/raw --out data/processed/films.csv
      lopore data index data/raw --group-pattern "^(W[0-9]+)"
      lopore data index labels.csv --root scans --group-column weld
    """
    from lopore.data.index import Grouping, Origin, index_images, list_images

    _refuse_overwriting(out, source, replace)
    names = ("root", "masks", "label_column", "group_column", "label", "sound")
    listing = list_images(source, **{name: options[name] for name in names if options[name] is not None})
    found = index_images(
        listing,
        origin=Origin(**_origin(source, options)),
        grouping=Grouping(
            _pattern(options["group_pattern"]),
            options["groups"] == "from-images",
            options["film_names"] == "join",
            options["letters"] or "",
        ),
        mm_per_pixel=options["mm_per_pixel"],
        conflicts=options["conflicts"],
        skip_bad=skip_bad,
        threads=options["threads"],
        stage=stage,
    )
    manifest = found.manifest.write(out)
    for path, why in found.problems:
        click.echo(f"lopore: {plain_text(path)} {plain_text(why, 300)}", err=True)
    click.echo(json.dumps(_index_data(found, manifest), indent=2) if as_json else _index_text(found, manifest))
    if found.problems and not skip_bad:
        left_out = counted(len(found.problems), "file was", "files were")
        click.echo(f"lopore: {left_out} left out; mend what is wrong, or say --skip-bad", err=True)
        raise SystemExit(1)


@command.command()
@click.argument("source", type=PATH)
@click.option("--root", type=PATH, metavar="FOLDER",
              help="For a folder or CSV that is not indexed: as in `lopore data index`.")  # fmt: skip
@threads_option
@json_option
def check(source: Path, root: Path | None, threads: int | None, as_json: bool) -> None:
    """List everything that is wrong with a set of films.

    SOURCE is a manifest, a folder or a CSV. The exit status is 1 for errors, 0 for warnings alone.

    \b
    Examples:
      lopore data check data/processed/films.csv
      lopore data check data/raw
    """
    from lopore.data.check import check_listing, check_manifest
    from lopore.data.check_masks import masks_in_a_line
    from lopore.data.index import list_images
    from lopore.data.manifest import Manifest
    from lopore.data.manifest_text import is_manifest

    if is_manifest(source):
        report = check_manifest(Manifest.read(source), threads=threads, stage=stage)
    else:
        report = check_listing(list_images(source, root=root), threads=threads, stage=stage)
    if as_json:
        click.echo(json.dumps(report.as_data(), indent=2))
    else:
        for finding in report.findings:
            click.echo(str(finding))
        if masks := report.facts.get("masks"):
            click.echo(masks_in_a_line(masks))
        counts = [counted(len(report.errors), "error"), counted(len(report.warnings), "warning")]
        click.echo(f"{counted(report.facts['images'], 'image')}: {', '.join(counts)}")
    if report.errors:
        raise SystemExit(1)


def _pattern(text: str | None) -> Any:
    from lopore.data.grouping import compile_pattern

    return compile_pattern(text) if text else None


def _origin(source: Path, options: dict[str, Any]) -> dict[str, str]:
    """Rights from the options, else from a ``source.json`` beside the images, as `lopore data synth` writes it."""
    from lopore.data.layout import rights_beside

    found = rights_beside(source if source.is_dir() else source.parent)
    given = {"source": options["origin"], "licence": options["licence"], "attribution": options["attribution"]}
    return {name: value or found.get(name, "") for name, value in given.items()}


def _refuse_overwriting(out: Path, source: Path, replace: bool) -> None:
    from lopore.data.manifest import Manifest
    from lopore.data.manifest_text import is_manifest
    from lopore.errors import DataError

    if out.exists() and source.exists() and out.samefile(source):
        raise DataError(f"{out} is what is indexed and would be lost; name another file with --out")
    if not out.exists() or replace:
        return
    if not is_manifest(out):
        raise DataError(f"{out} exists and is no manifest; name another file with --out")
    if any(row.split or row.fold is not None for row in Manifest.read(out).rows):
        raise DataError(f"{out} has a split, which indexing again would lose; name another file, or say --replace")


def _index_data(found: Indexed, manifest: Manifest) -> dict[str, Any]:
    return {
        "manifest": str(manifest.location),
        "images": len(manifest),
        "classes": manifest.class_counts,
        "groups": len(set(manifest.group_ids().tolist())),
        "fingerprint": manifest.fingerprint,
        "notes": list(found.notes),
        "problems": [{"path": path, "reason": why} for path, why in found.problems],
        "conflicts": [
            {"labels": list(c.labels), "family": c.family, "same_bytes": c.same_bytes, "paths": list(c.paths)}
            for c in found.conflicts
        ],
    }


def _index_text(found: Indexed, manifest: Manifest) -> str:
    lines = [f"note: {plain_text(note, 300)}" for note in found.notes]
    lines += [f"conflict: {conflict}" for conflict in found.conflicts[:MOST_CONFLICTS]]
    if len(found.conflicts) > MOST_CONFLICTS:
        lines.append(f"conflict: and {len(found.conflicts) - MOST_CONFLICTS} more; --json lists all")
    lines += [f"{count:>7}  {plain_text(name, 60)}" for name, count in manifest.class_counts.items()]
    groups = counted(len(set(manifest.group_ids().tolist())), "group")
    lines.append(f"{counted(len(manifest), 'image')} in {groups}; wrote {manifest.location}")
    return "\n".join(lines)
