"""``lopore data``: project folders, manifests, checks, splits and made films."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lopore.messages import counted

from .annotations import command as marks

if TYPE_CHECKING:
    from lopore.data.index import Indexed
    from lopore.data.manifest import Manifest

FAR_FROM_SHARE = 0.1
_PATH = click.Path(path_type=Path)
_threads = click.option(
    "--threads",
    type=click.IntRange(1, 64),
    metavar="N",
    show_default="the cores allowed",
    help="Threads that read files.",
)
_seed = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    metavar="N",
    default=0,
    show_default=True,
    help="Equal seeds give equal results.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="data")
def command() -> None:
    """Describe, check and split sets of films, or make some."""


command.add_command(marks)


@command.command()
@click.argument("folder", type=_PATH, default=".")
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
@click.argument("source", type=_PATH)
@click.option("--out", type=_PATH, metavar="FILE", default=Path("manifest.csv"), show_default=True,
              help="Manifest to write; the films stay where they are.")  # fmt: skip
@click.option("--root", type=_PATH, metavar="FOLDER", show_default="that of SOURCE",
              help="Folder that paths count from and may not leave.")  # fmt: skip
@click.option("--groups", type=click.Choice(["from-pictures", "none"]), default="from-pictures", show_default=True,
              help="Join copies found from the pixels (flipped, turned, brightened, cropped a little).")  # fmt: skip
@click.option("--group-column", metavar="NAME", help="CSV column that names the film, weld or part.")
@click.option("--group-pattern", metavar="REGEX",
              help="Regular expression on file names; its first bracket names the film or weld.")  # fmt: skip
@click.option("--film-names", type=click.Choice(["propose", "join"]), default="propose", show_default=True,
              help="Films that file names state (R13_[1][2].png): propose them as groups, or join them.")  # fmt: skip
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
              help="Copies of one picture in several classes: keep, give each all labels, or leave out.")  # fmt: skip
@click.option("--licence", metavar="WORDS", default=None, help="Licence of the films, kept in the manifest.")
@click.option("--source", "origin", metavar="WORDS", help="Where the films come from, kept in the manifest.")
@click.option("--attribution", metavar="WORDS", help="Whom to name, kept in the manifest.")
@click.option("--skip-bad", is_flag=True, help="Leave missing and unreadable files out and exit 0.")
@click.option("--replace", is_flag=True, help="Replace a manifest that has a split.")
@_threads
@_as_json
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
            _pattern(options["group_pattern"]), options["groups"] == "from-pictures", options["film_names"] == "join"
        ),
        mm_per_pixel=options["mm_per_pixel"],
        conflicts=options["conflicts"],
        skip_bad=skip_bad,
        threads=options["threads"],
        stage=_stage,
    )
    manifest = found.manifest.write(out)
    for path, why in found.problems:
        click.echo(f"lopore: {_plain(path)} {_plain(why, 300)}", err=True)
    click.echo(json.dumps(_index_data(found, manifest), indent=2) if as_json else _index_text(found, manifest))
    if found.problems and not skip_bad:
        left_out = counted(len(found.problems), "file was", "files were")
        click.echo(f"lopore: {left_out} left out; mend what is wrong, or say --skip-bad", err=True)
        raise SystemExit(1)


@command.command()
@click.argument("source", type=_PATH)
@click.option("--root", type=_PATH, metavar="FOLDER",
              help="For a folder or CSV that is not indexed: as in `lopore data index`.")  # fmt: skip
@_threads
@_as_json
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
    from lopore.data.manifest import Manifest, is_manifest

    if is_manifest(source):
        report = check_manifest(Manifest.read(source), threads=threads, stage=_stage)
    else:
        report = check_listing(list_images(source, root=root), threads=threads, stage=_stage)
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


@command.command()
@click.argument("manifest", type=_PATH)
@click.option("--train", type=click.FloatRange(0, 1), metavar="SHARE", show_default="0.7",
              help="Share to learn from.")  # fmt: skip
@click.option("--val", type=click.FloatRange(0, 1), metavar="SHARE", show_default="0.15",
              help="Share to choose epoch and threshold on.")  # fmt: skip
@click.option("--test", type=click.FloatRange(0, 1), metavar="SHARE", show_default="0.15",
              help="Share for the final score.")  # fmt: skip
@click.option("--folds", type=click.IntRange(2, 100), metavar="N",
              help="Number folds for cross-validation too, over all films.")  # fmt: skip
@_seed
@click.option("--by", type=click.Choice(["group", "image"]), default="group", show_default=True,
              help="What stays together; 'image' parts films: training refuses such a split if it leaks.")  # fmt: skip
@click.option("--film-names", type=click.Choice(["join", "ignore"]), show_default="join, and say so",
              help="Films that file names state: keep each in one split, or ignore the names.")  # fmt: skip
@click.option("--leave-out", multiple=True, metavar="CLASS", help="Class whose films get no side; may be given again.")
@click.option("--out", type=_PATH, metavar="FILE", show_default="MANIFEST itself", help="Manifest to write.")
@click.option("--replace", is_flag=True, help="Replace a split that is there already.")
@_as_json
def split(
    manifest: Path, folds: int | None, seed: int, by: Any, film_names: str | None, leave_out: tuple[str, ...],
    out: Path | None, replace: bool, as_json: bool, **shares: float | None,
) -> None:  # fmt: skip
    """Put films on the sides train, val and test, whole groups together.

    MANIFEST is what `lopore data index` wrote. Every class comes near its share on every side.

    \b
    Examples:
      lopore data split data/processed/films.csv --out data/splits/films.csv
      lopore data split films.csv --train 0.6 --val 0.2 --test 0.2 --folds 5
    """
    from lopore.data.film_names import keep_films_whole
    from lopore.data.manifest import Manifest
    from lopore.data.split import complete_shares, fold_manifest, split_manifest
    from lopore.errors import DataError

    before = Manifest.read(manifest)
    before, assumed = keep_films_whole(before, film_names if by == "group" else "ignore")
    try:
        done = split_manifest(before, complete_shares(shares), seed=seed, by=by, leave_out=leave_out)
    except DataError as error:
        raise DataError("; ".join([str(error), *assumed])) from None
    result, notes = done.manifest, [*assumed, *done.notes, *_missed_shares(done.manifest)]
    if folds:
        folded = fold_manifest(result, folds, seed=seed, by=by, leave_out=leave_out)
        result = folded.manifest
        notes += [note for note in folded.notes if note not in notes]
    out = out or manifest
    _refuse_losing_a_split(out, result, replace)
    result = result.write(out)
    if as_json:
        click.echo(json.dumps(_split_data(result, notes), indent=2))
        return
    click.echo(_split_text(result))
    for note in notes:
        click.echo(f"note: {note}")
    click.echo(f"wrote {out}")


@command.command()
@click.argument("out", type=_PATH)
@click.option("--films", type=click.IntRange(1, 1_000_000), metavar="N", default=200, show_default=True,
              help="Pictures of each class.")  # fmt: skip
@click.option("--class", "classes", multiple=True, metavar="NAME[=N]",
              show_default="no_defect, lack_of_penetration, pore",
              help="Class and how many pictures of it: no_defect, pore, lack_of_penetration, lack_of_fusion, "
                   "slag_inclusion or crack; may be given again.")  # fmt: skip
@_seed
@click.option("--size", type=click.IntRange(64, 20_000), metavar="PX", show_default="640",
              help="Width and height in pixels.")  # fmt: skip
@click.option("--bits", type=click.Choice(["8", "16"]), show_default="8", help="Depth of the files.")
@click.option("--receptor", type=click.Choice(["film", "detector"]), show_default="film",
              help="Scanned film, or digital detector with defects bright.")  # fmt: skip
def synth(
    out: Path, films: int, classes: tuple[str, ...], seed: int, size: int | None, bits: str | None, receptor: str | None
) -> None:
    """Make labelled weld radiographs from physics.

    The folder OUT gets class folders, masks/, labels.csv with groups and scale, and truth.csv with every defect in mm.

    \b
    Examples:
      lopore data synth films
      lopore data synth films --films 60 --class pore --class no_defect=120
      lopore data synth deep --bits 16 --receptor detector
    """
    from lopore.synthesis.dataset import DEFAULT_COUNTS, write_dataset

    counts = dict(_count(text, films) for text in classes) or dict.fromkeys(DEFAULT_COUNTS, films)
    wanted: dict[str, Any] = {
        "size": (size, size) if size else None,
        "bit_depth": int(bits) if bits else None,
        "receptor": receptor,
    }
    settings = {name: value for name, value in wanted.items() if value is not None}
    write_dataset(out, counts, seed, progress=_stage("making"), **settings)
    click.echo(f"{counted(sum(counts.values()), 'film')} in {out}; next: lopore data index {out / 'labels.csv'}")


def _count(text: str, films: int) -> tuple[str, int]:
    name, equals, number = text.partition("=")
    if equals and not number.isdigit():
        raise click.BadParameter(f"{text!r} is not NAME or NAME=N, such as pore=200", param_hint="--class")
    return name, int(number) if equals else films


def _stage(name: str) -> Callable[[int, int], None]:
    """Progress on a terminal; silence elsewhere."""
    if not sys.stderr.isatty():
        from lopore.data.scan import silent

        return silent(name)
    bars: list[Any] = []

    def tell(done: int, total: int) -> None:
        if not bars:
            bars.append(click.progressbar(length=total, label=name, file=sys.stderr))
            bars[0].render_progress()
        bars[0].update(done - bars[0].pos)
        if done >= total:
            bars[0].render_finish()

    return tell


def _plain(text: str, limit: int = 160) -> str:
    from lopore.messages import plain

    return plain(text, limit)


def _pattern(text: str | None) -> Any:
    from lopore.data.grouping import compile_pattern

    return compile_pattern(text) if text else None


def _origin(source: Path, options: dict[str, Any]) -> dict[str, str]:
    """Rights from the options, else from a ``source.json`` beside the images, as `lopore data synth` writes it."""
    from lopore.data.layout import rights_beside

    told = rights_beside(source if source.is_dir() else source.parent)
    given = {"source": options["origin"], "licence": options["licence"], "attribution": options["attribution"]}
    return {name: value or told.get(name, "") for name, value in given.items()}


def _refuse_overwriting(out: Path, source: Path, replace: bool) -> None:
    from lopore.data.manifest import Manifest, is_manifest
    from lopore.errors import DataError

    if out.exists() and source.exists() and out.samefile(source):
        raise DataError(f"{out} is what is indexed and would be lost; name another file with --out")
    if not out.exists() or replace:
        return
    if not is_manifest(out):
        raise DataError(f"{out} exists and is no manifest; name another file with --out")
    if any(row.split or row.fold is not None for row in Manifest.read(out).rows):
        raise DataError(f"{out} has a split, which indexing again would lose; name another file, or say --replace")


def _refuse_losing_a_split(out: Path, result: Manifest, replace: bool) -> None:
    from lopore.data.manifest import Manifest
    from lopore.errors import DataError

    if replace or not out.exists():
        return
    there = Manifest.read(out)
    has_split = any(row.split or row.fold is not None for row in there.rows)
    if has_split and there.split_fingerprint != result.split_fingerprint:
        kind = there.about.split_kind or "unknown"
        raise DataError(f"{out} has another split already ({kind}); write to another file with --out, or say --replace")


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
    lines = [f"note: {_plain(note, 300)}" for note in found.notes]
    lines += [f"conflict: {conflict}" for conflict in found.conflicts[:20]]
    if len(found.conflicts) > 20:
        lines.append(f"conflict: and {len(found.conflicts) - 20} more; --json lists all")
    lines += [f"{count:>7}  {_plain(name, 60)}" for name, count in manifest.class_counts.items()]
    groups = counted(len(set(manifest.group_ids().tolist())), "group")
    lines.append(f"{counted(len(manifest), 'image')} in {groups}; wrote {manifest.location}")
    return "\n".join(lines)


def _split_data(manifest: Manifest, notes: list[str]) -> dict[str, Any]:
    from lopore.data.split import table

    return {
        "manifest": str(manifest.location),
        "split_kind": manifest.about.split_kind,
        "seed": manifest.about.seed,
        "split_fingerprint": manifest.split_fingerprint,
        "sides": table(manifest),
        "notes": notes,
    }


def _missed_shares(manifest: Manifest) -> list[str]:
    """Sides that are far from the share that was asked for, as they are where groups are few or large."""
    from lopore.data.split import table

    sides, wanted = table(manifest), manifest.about.shares or {}
    total = sum(sides[side]["images"] for side in wanted if side in sides)
    got = {side: sides[side]["images"] / total for side in wanted if side in sides}
    missed = [side for side, share in got.items() if abs(share - wanted[side]) > FAR_FROM_SHARE]
    told = ", ".join(f"{side} {got[side]:.0%} instead of {wanted[side]:.0%}" for side in missed)
    return (
        [f"{told}: groups stay whole, and every side wants each class; more groups bring it nearer"] if missed else []
    )


def _split_text(manifest: Manifest) -> str:
    from lopore.data.split import table

    sides = table(manifest)
    names = list(manifest.classes)
    width = max(len("side"), *(len(side) for side in sides))
    heads = [_plain(name, 30) for name in names]
    lines = [f"{'side':<{width}}  images  groups  " + "  ".join(heads)]
    for side, row in sides.items():
        cells = "  ".join(f"{row['classes'][name]:>{len(head)}}" for name, head in zip(names, heads, strict=True))
        lines.append(f"{side:<{width}}  {row['images']:>6}  {row['groups']:>6}  {cells}")
    return "\n".join(lines)
