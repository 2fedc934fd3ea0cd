"""``lopore inspect``: whole films to indications with place and size, and to a verdict by the user's rules."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .elsewhere import on_option, shards_option
from .inspection_job import InspectionJob
from .options import device_option, page_option, runtime_option, shard_option
from .rules import FiniteRange

if TYPE_CHECKING:
    from lopore.indications import InspectionOptions, Profile

    from .inputs import Tally

SIZE = FiniteRange(0, 1e6)


@click.command(name="inspect")
@click.argument("model_name", metavar="MODEL")
@click.argument("films", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILM...")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="A folder that gets one folder a film.")
@click.option("--profile", "profile_path", type=click.Path(path_type=Path), metavar="RULES.yaml", help="Your rules.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A value that the profile asks for.")
@click.option("--json", "as_json", is_flag=True, help="Print one inspection a line as JSON.")
@click.option(
    "--mm-per-pixel", type=FiniteRange(0, 10, min_open=True), metavar="MM", show_default="what each file states",
    help="Size of a film's pixel.",
)  # fmt: skip
@click.option(
    "--scale", "factor", type=FiniteRange(0, 8, min_open=True), metavar="F", show_default="by the pitch",
    help="Network pixels in a film pixel, for a model that states no mm per pixel.",
)  # fmt: skip
@click.option(
    "--mode", type=click.Choice(["windows", "dense"]), default="windows", show_default=True,
    help="Overlapping tiles, or strips through one convolutional pass.",
)  # fmt: skip
@click.option(
    "--overlap",
    metavar="SHARE",
    type=FiniteRange(0, 0.9),
    default=0.5,
    show_default=True,
    help="Share of neighbouring tiles.",
)
@click.option(
    "--halo",
    metavar="PX",
    type=click.IntRange(0, 4096),
    default=0,
    show_default=True,
    help="Unused rim of tiles, in px.",
)
@click.option(
    "--threshold", type=FiniteRange(0, 1), metavar="P", show_default="the model's own",
    help="Probability that an indication reaches.",
)  # fmt: skip
@click.option(
    "--extent", metavar="P", type=FiniteRange(0, 1, min_open=True), default=0.5, show_default=True,
    help="Pixels from this probability on belong to an indication.",
)  # fmt: skip
@click.option("--min-length-mm", "minimum_length_mm", type=SIZE, metavar="MM", help="Set aside what is shorter.")
@click.option(
    "--min-length-px", "minimum_length_px", type=SIZE, metavar="PX", default=0.0, show_default=True, help="In px."
)
@click.option("--min-area-mm2", "minimum_area_mm2", type=SIZE, metavar="MM2", help="Set aside what is smaller.")
@click.option(
    "--min-area-px", "minimum_area_px", type=SIZE, metavar="PX", default=0.0, show_default=True, help="In px."
)
@click.option(
    "--exclude", multiple=True, metavar="X0,Y0,X1,Y1[:WHY]", help="Set aside what lies in a rectangle, in film pixels."
)
@click.option(
    "--seam", type=click.Choice(["off", "mark", "only"]), default="off", show_default=True,
    help="Find the weld; 'only' sets aside what lies beside it.",
)  # fmt: skip
@click.option(
    "--letters", type=click.Choice(["off", "read", "exclude"]), default="off", show_default=True,
    help="Read the film's number in lead letters; 'exclude' sets aside marks on letters.",
)  # fmt: skip
@click.option("--group-gap-mm", type=FiniteRange(0, 1e4, min_open=True), metavar="MM", help="Gap that joins marks.")
@click.option(
    "--group-gap-px", type=FiniteRange(0, 1e6, min_open=True), metavar="PX",
    show_default="the smaller mark's length", help="The same in pixels.",
)  # fmt: skip
@click.option("--chain", "chain_text", metavar="STEPS", help="Enhance first, as `lopore enhance` takes steps.")
@shard_option
@on_option
@shards_option
@click.option("--pdf/--no-pdf", default=True, show_default=True, help="Print the report by a browser, if there is one.")
@click.option("--batch-size", type=click.IntRange(1, 4096), metavar="N", help="Tiles that the network takes at once.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of the network.")
@runtime_option
@device_option
@page_option
def command(model_name: str, films: tuple[Path, ...], **asked: Any) -> None:
    """Find and measure indications on whole films.

    A profile of your own rules gives a verdict, with the rule and the marks that break it. FILM is a file, folder or
    glob. With --out each film gets a folder with its marked image, heat map, table (CSV, JSON,
    COCO) and report; films that are done there are passed over, and a film that was stopped goes on where it was. Bad
    films are reported one by one and the rest goes on; the exit status is then 1.

    \b
    Examples:
      lopore inspect weld film.tif --mm-per-pixel 0.0403
      lopore inspect weld films/ --out seen --profile rules.yaml --set t=12
      lopore inspect weld films/ --out seen --shard 3/64
    """
    from lopore.inference.jobs import parse_shard
    from lopore.models.catalogue import locate_model
    from lopore.models.opening import open_model
    from lopore.preprocessing.enhancement_chain import Chain
    from lopore.progress import Progress

    from .inputs import Tally, check_out_folder, expand

    tally = Tally()
    profile, variables = _rules(asked)
    options = _options(asked, variables)
    shard = parse_shard(asked["shard"]) if asked["shard"] else None
    chain = Chain.from_text(asked["chain_text"]) if asked["chain_text"] else None
    if asked["out"] is not None:
        check_out_folder(asked["out"])
    if asked["on"] is not None:
        _elsewhere(expand(films, tally), asked["out"])
        return
    model = open_model(
        locate_model(model_name), runtime=asked["runtime"], device=asked["device"], threads=asked["threads"]
    )
    paths = expand(films, tally)
    job = InspectionJob(model, options, profile, chain, asked, Progress(quiet=asked["as_json"]))
    _run(job, paths, tally, shard, asked["out"])


def _run(
    job: InspectionJob, paths: Sequence[Path], tally: Tally, shard: tuple[int, int] | None, out: Path | None
) -> None:
    from lopore.inference.jobs import folder_names, shard_of

    mine = shard_of(list(zip(paths, folder_names(paths), strict=True)), shard or (1, 1))
    for path, name in mine:
        tally.attempt(path, partial(job.film, path, name))
    if out is not None and shard is not None:
        job.end_of_shard(out, shard, len(mine), tally.failed)
    elif out is not None:
        job.finish(out)
    tally.finish("inspected")


def _rules(asked: Mapping[str, Any]) -> tuple[Profile | None, dict[str, float]]:
    """The profile and the values that it asks for."""
    from lopore.indications import read_profile
    from lopore.indications.acceptance import check_variables

    profile = read_profile(asked["profile_path"]) if asked["profile_path"] else None
    variables = _variables(asked["settings"], profile)
    if profile is not None:
        check_variables(profile, variables)
    return profile, variables


def _elsewhere(paths: Sequence[Path], out: Path | None) -> None:
    """The same command as shards on other machines; the folder is that of one run."""
    from lopore.indications.merge_folders import SHARDS, merge_folders

    from .elsewhere import run_elsewhere

    def merge(count: int) -> None:
        if out is not None:
            merge_folders(out, count=count)
            shutil.rmtree(out / SHARDS)

    run_elsewhere(click.get_current_context(), len(paths), merge)


def _variables(settings: tuple[str, ...], profile: Profile | None) -> dict[str, float]:
    from lopore.errors import ConfigError

    if settings and profile is None:
        raise ConfigError("--set gives values to a profile; name one with --profile RULES.yaml")
    values: dict[str, float] = {}
    for text in settings:
        name, equals, number = text.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise ConfigError(f"--set {text[:60]!r} is no NAME=VALUE; write such as --set thickness=12")
    return values


def _options(asked: Mapping[str, Any], variables: dict[str, float]) -> InspectionOptions:
    from lopore.indications import InspectionOptions

    named = {name: value for name, value in asked.items() if name in InspectionOptions.model_fields}
    named["exclude"] = tuple(_excluded(text) for text in asked["exclude"])
    return InspectionOptions(**named, variables=variables)


def _excluded(text: str) -> dict[str, Any]:
    from lopore.errors import ConfigError

    position, _, reason = text.partition(":")
    try:
        box = tuple(float(part) for part in position.split(","))
    except ValueError:
        box = ()
    if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
        raise ConfigError(f"--exclude {text[:60]!r} is no rectangle; write LEFT,TOP,RIGHT,BOTTOM:REASON in film pixels")
    return {"box": box, "reason": reason.strip() or "excluded by the user"}
