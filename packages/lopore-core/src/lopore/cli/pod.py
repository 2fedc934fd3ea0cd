"""``lopore pod``: probability of detection over size, of any table of flaws."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lopore.messages import counted, plain, terminal_json

if TYPE_CHECKING:
    from lopore.evaluation.pod_table import PodTable
    from lopore.metrics.pod.study import PodStudy

REFUSED = 3
"""Exit status where a90/95 is not stated."""


@click.command(name="pod")
@click.argument("table", type=click.Path(path_type=Path), metavar="TABLE.csv")
@click.option("--size", default="size_mm", show_default=True, metavar="COLUMN", help="Size of each flaw.")
@click.option("--hit", metavar="COLUMN", show_default="hit", help="1 where the flaw was found, 0 where it was missed.")
@click.option("--signal", metavar="COLUMN", help="Signal of each flaw, instead of --hit; needs --decision.")
@click.option("--decision", type=float, metavar="VALUE", help="Signal from which on a place is called.")
@click.option("--floor", type=float, metavar="VALUE", help="Signals at or under it are noise.")
@click.option("--saturation", type=float, metavar="VALUE", help="Signals at or over it are cut off.")
@click.option("--group", metavar="COLUMN", help="Film of each flaw; flaws of one film are not independent.")
@click.option("--link", type=click.Choice(["logit", "probit", "cloglog"]), show_default="by AIC", help="Fixed link.")
@click.option(
    "--scale",
    type=click.Choice(["linear", "ln"]),
    show_default="by AIC",
    help="Fixed scale of the size: size or ln size.",
)
@click.option("--firth", is_flag=True, help="Use Firth's penalised likelihood, also without separation.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder for pod.json, pod.svg and pod.png.")
@click.option("--json", "as_json", is_flag=True, help="Print the study as JSON.")
def command(
    table: Path, size: str, hit: str | None, signal: str | None, decision: float | None, floor: float | None,
    saturation: float | None, group: str | None, link: str | None, scale: str | None, firth: bool, out: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """State which flaw size is found, and how surely.

    a90 is the size that is found with 90 % probability, a90/95 its 95 % bound.

    TABLE.csv has a line for each flaw, of a model's detections or of a reader's. A line without a size is a place
    without a flaw; a hit there is a false call. What the data cannot carry is refused, with what is missing, and the
    exit status is 3.

    \b
    Examples:
      lopore pod flaws.csv --size size_mm --hit hit --group film --out pod
      lopore pod signals.csv --size depth_mm --signal peak --decision 40 --floor 5
    """
    from lopore.evaluation.pod_table import read_pod_table

    from .doctor import require

    _check_options(hit, signal, decision, floor, saturation, link, firth)
    require("scipy")
    if out is not None:
        from .inputs import check_out_folder

        require("matplotlib")
        check_out_folder(out)
    found = read_pod_table(table, size=size, hit=None if signal else hit or "hit", signal=signal, group=group)
    if decision is not None:
        study = _signal_study(found, size, decision, floor, saturation)
    else:
        study = _hit_study(found, size, link, scale, firth)
    click.echo(terminal_json(study.model_dump_json(indent=2)) if as_json else _as_text(study))
    if out is not None:
        for path in write_study(study, found, out):
            click.echo(str(path), err=as_json)
    if study.refusals:
        raise SystemExit(REFUSED)


def _check_options(
    hit: str | None, signal: str | None, decision: float | None, floor: float | None, saturation: float | None,
    link: str | None, firth: bool,
) -> None:  # fmt: skip
    if hit and signal:
        raise click.UsageError("--hit and --signal are two kinds of study; name one of them")
    if signal and decision is None:
        raise click.UsageError("--signal needs --decision VALUE, the signal from which on a place is called")
    if not signal and (decision is not None or floor is not None or saturation is not None):
        raise click.UsageError("--decision, --floor and --saturation belong to --signal COLUMN")
    if signal and (link or firth):
        raise click.UsageError("--link and --firth belong to hits and misses, not to --signal")


def _hit_study(table: PodTable, size: str, link: str | None, scale: str | None, firth: bool) -> PodStudy:
    from lopore.metrics.pod.hit_miss import hit_miss_study
    from lopore.metrics.pod.links import LINKS
    from lopore.metrics.pod.sizes import SCALES

    return hit_miss_study(
        table.sizes,
        table.values,
        table.films,
        size_name=size,
        false_calls=(int(table.sound.sum()), len(table.sound)),
        link=next((name for name in LINKS if name == link), None),
        scale=next((name for name in SCALES if name == scale), None),
        firth=firth,
    )


def _signal_study(
    table: PodTable, size: str, decision: float, floor: float | None, saturation: float | None
) -> PodStudy:
    from lopore.errors import DataError
    from lopore.metrics.pod.signal_response import signal_study

    try:
        return signal_study(
            table.sizes, table.values, decision, table.films, floor=floor, saturation=saturation, size_name=size,
            sound_signals=table.sound,
        )  # fmt: skip
    except ValueError as error:
        raise DataError(str(error)) from None


def write_study(study: PodStudy, table: PodTable, out: Path) -> list[Path]:
    """pod.json, pod.svg and pod.png in ``out``."""
    from lopore.atomic_files import atomic_write_bytes, atomic_write_text
    from lopore.evaluation.report.pod_plot import pod_figure, pod_svg

    called = table.values if study.decision is None else table.values >= study.decision
    atomic_write_text(out / "pod.json", study.model_dump_json(indent=2) + "\n")
    atomic_write_text(out / "pod.svg", pod_svg(study, table.sizes, called))
    drawn = io.BytesIO()
    pod_figure(study, table.sizes, called).savefig(drawn, format="png", dpi=160)
    atomic_write_bytes(out / "pod.png", drawn.getvalue())
    return [out / name for name in ("pod.json", "pod.svg", "pod.png")]


def _as_text(study: PodStudy) -> str:
    lines = [_first_line(study)]
    for number, model in enumerate(study.models):
        mark = "*" if number < study.like else " "
        lines.append(f"  {mark} {model.title:<28} AIC {model.aic:8.2f}  a90 {model.a90:.4g}")
    known = (("a50", study.a50, ""), ("a90", study.a90, ""), ("a90/95", study.a90_95, f"  ({study.method})"))
    lines += [f"{name:<8} {value:.4g}{way}" for name, value, way in known if value is not None]
    if study.a90_95 is not None and study.other_bounds:
        others = ", ".join(f"{way} {_shown(bound)}" for way, bound in study.other_bounds.items())
        lines.append(f"         of the first model alone: {others}")
    if study.film_effect is not None:
        lines.append(f"films widen the variance of a90 by a factor of {study.film_effect:.2f}")
    if study.false_calls is not None:
        calls, rate = study.false_calls, study.false_calls.rate
        bounds = f"{_share(rate.value)} ({_share(rate.low)} to {_share(rate.high)})"
        lines.append(f"false calls: {calls.calls} of {counted(calls.places, 'place')} without a flaw, {bounds}")
    lines += [refusal.text for refusal in study.refusals]
    return "\n".join([*lines, *(f"note: {note}" for note in study.notes)])


def _first_line(study: PodStudy) -> str:
    films = f" on {counted(study.films, 'film')}" if study.films else ""
    sizes = f", {plain(study.size_name, 40)} {study.smallest:.3g} to {study.largest:.3g}" if study.marks else ""
    return f"{counted(study.marks, 'flaw')}{films}, {study.hits} found{sizes}"


def _shown(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"
