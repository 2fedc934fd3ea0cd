"""``lopore data split``: films on train, val and test, whole groups together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .data_options import PATH, json_option, plain_text, seed_option

if TYPE_CHECKING:
    from lopore.data.manifest import Manifest

FAR_FROM_SHARE = 0.1


@click.command()
@click.argument("manifest", type=PATH)
@click.option("--train", type=click.FloatRange(0, 1), metavar="SHARE", show_default="0.7",
              help="Share to learn from.")  # fmt: skip
@click.option("--val", type=click.FloatRange(0, 1), metavar="SHARE", show_default="0.15",
              help="Share to choose epoch and threshold on.")  # fmt: skip
@click.option("--test", type=click.FloatRange(0, 1), metavar="SHARE", show_default="0.15",
              help="Share for the final score.")  # fmt: skip
@click.option("--folds", type=click.IntRange(2, 100), metavar="N",
              help="Number folds for cross-validation too, over all films.")  # fmt: skip
@seed_option
@click.option("--by", type=click.Choice(["group", "image"]), default="group", show_default=True,
              help="What stays together; 'image' parts films: training refuses such a split if it leaks.")  # fmt: skip
@click.option("--film-names", type=click.Choice(["join", "ignore"]), show_default="join, and say so",
              help="Films that file names state: keep each in one split, or ignore the names.")  # fmt: skip
@click.option("--leave-out", multiple=True, metavar="CLASS", help="Class whose films get no split; may be given again.")
@click.option("--out", type=PATH, metavar="FILE", show_default="MANIFEST itself", help="Manifest to write.")
@click.option("--replace", is_flag=True, help="Replace a split that is there already.")
@json_option
def split(
    manifest: Path, folds: int | None, seed: int, by: Any, film_names: str | None, leave_out: tuple[str, ...],
    out: Path | None, replace: bool, as_json: bool, **shares: float | None,
) -> None:  # fmt: skip
    """Put films on train, val and test, group by group.

    MANIFEST is what `lopore data index` wrote. Every class comes near its share in every split.

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


def _split_data(manifest: Manifest, notes: list[str]) -> dict[str, Any]:
    from lopore.data.split import table

    return {
        "manifest": str(manifest.location),
        "split_kind": manifest.about.split_kind,
        "seed": manifest.about.seed,
        "split_fingerprint": manifest.split_fingerprint,
        "splits": table(manifest),
        "notes": notes,
    }


def _missed_shares(manifest: Manifest) -> list[str]:
    """Sides that are far from the share that was asked for, as they are where groups are few or large."""
    from lopore.data.split import table

    splits, wanted = table(manifest), manifest.about.shares or {}
    total = sum(splits[split]["images"] for split in wanted if split in splits)
    got = {split: splits[split]["images"] / total for split in wanted if split in splits}
    missed = [split for split, share in got.items() if abs(share - wanted[split]) > FAR_FROM_SHARE]
    shares_got = ", ".join(f"{split} {got[split]:.0%} instead of {wanted[split]:.0%}" for split in missed)
    return (
        [f"{shares_got}: groups stay whole, and every split wants each class; more groups bring it nearer"]
        if missed
        else []
    )


def _split_text(manifest: Manifest) -> str:
    from lopore.data.split import table

    splits = table(manifest)
    names = list(manifest.classes)
    width = max(len("split"), *(len(split) for split in splits))
    heads = [plain_text(name, 30) for name in names]
    lines = [f"{'split':<{width}}  images  groups  " + "  ".join(heads)]
    for split, row in splits.items():
        cells = "  ".join(f"{row['classes'][name]:>{len(head)}}" for name, head in zip(names, heads, strict=True))
        lines.append(f"{split:<{width}}  {row['images']:>6}  {row['groups']:>6}  {cells}")
    return "\n".join(lines)
