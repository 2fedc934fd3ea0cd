"""``lopore film``: what a film's file says, its image quality, and its scale by a known object."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from lopore.messages import plain

if TYPE_CHECKING:
    from lopore.reading.film_source import FilmSource
    from lopore.reading.image_quality import ImageQuality
    from lopore.reading.wire_indicator import WireIndicator

FILM = click.argument("film", type=click.Path(path_type=Path), metavar="FILM")
PAGE = click.option("--page", type=int, metavar="N", help="Page or frame, from 1, of a file with several.")


def _point(context: click.Context, parameter: click.Parameter, value: str) -> tuple[float, float]:
    """Two numbers with a comma between them."""
    try:
        x, y = (float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value[:40]!r} is no point; write it as 120,45") from None
    return x, y


@click.group(name="film")
def command() -> None:
    """Image quality of one film, and its scale.

    \b
    Examples:
      lopore film quality weld.tif
      lopore film calibrate weld.tif --from 120,300 --to 2605,298 --mm 100
    """


@command.command(name="quality")
@FILM
@PAGE
@click.option("--mm-per-pixel", type=float, metavar="MM", help="Pixel pitch, where the file does not state it.")
@click.option(
    "--polarity",
    type=click.Choice(["film", "detector"]),
    help="What the file does not say: bright is little (film) or much radiation.",
)
@click.option("--region", metavar="X0,Y0,X1,Y1", show_default="the most even one", help="Where SNR is measured.")
@click.option("--srb-um", type=float, metavar="UM", help="Basic spatial resolution SRb, as a duplex wire shows it.")
@click.option("--wires", type=int, metavar="N", help="First wire of the indicator, such as 10 of '10 FE DIN'.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def quality(
    film: Path, page: int | None, mm_per_pixel: float | None, polarity: str | None, region: str | None,
    srb_um: float | None, wires: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure a film's image quality.

    SNR and SNRn, grey values in use, clipped and dead pixels, scratches, and the wires of an indicator.

    \b
    Examples:
      lopore film quality weld.tif
      lopore film quality weld.tif --mm-per-pixel 0.05 --polarity film --wires 10
      lopore film quality weld.tif --srb-um 80 --region 100,200,400,300 --json
    """
    from lopore.reading.image_quality import assess
    from lopore.reading.windows import open_film
    from lopore.reading.wire_indicator import find_wires

    way = cast("Literal['film', 'detector'] | None", polarity)
    with open_film(film, page=page, mm_per_pixel=mm_per_pixel, polarity=way) as source:
        try:
            found = assess(source, region=_region(region), resolution_um=srb_um)
            indicator = find_wires(source, first_wire=wires) if source.pixel_pitch_mm is not None else None
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        click.echo(_as_json(source, found, indicator) if as_json else _as_text(source, found, indicator))


def _region(text: str | None) -> Any:
    from lopore.reading.image_quality import Region

    if text is None:
        return None
    try:
        x0, y0, x1, y1 = (int(part) for part in text.split(","))
    except ValueError:
        raise click.UsageError(f"{text[:40]!r} is no region; write it as 100,200,400,300") from None
    if x0 >= x1 or y0 >= y1:
        raise click.UsageError(f"{text[:40]!r} is an empty region; the second point lies right of and below the first")
    return Region(x0, y0, x1, y1)


def _as_json(source: FilmSource, found: ImageQuality, indicator: WireIndicator | None) -> str:
    facts = dataclasses.asdict(source.facts) | {"path": str(source.path), "dtype": str(source.dtype)}
    answer = {
        "film": facts | {"sha256": source.sha256},
        "quality": dataclasses.asdict(found),
        "wires": None if indicator is None else dataclasses.asdict(indicator),
    }
    return json.dumps(_finite(answer), indent=2)


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and value in (float("inf"), float("-inf")) else value


def _as_text(source: FilmSource, found: ImageQuality, indicator: WireIndicator | None) -> str:
    height, width = source.shape
    greys, noise = found.greys, found.noise
    pitch = "not known" if source.pixel_pitch_mm is None else f"{source.pixel_pitch_mm:.4g} mm, {source.pitch_source}"
    lines = [
        ("film", f"{plain(source.name)}, {width} x {height} px, {source.file_depth} bits, {source.polarity} polarity"),
        ("pitch", pitch),
        ("greys", f"{greys.usual[0]} to {greys.usual[1]} ({greys.range_used:.1%} of the range), {greys.levels} in use"),
    ]
    if noise is not None:
        lines.append(("SNR", f"{noise.ratio:.1f} (signal {noise.signal:.0f}, noise {noise.noise:.2f})"))
        if noise.normalised is not None:
            how = f"at {noise.resolution_um:.1f} um, {noise.resolution_source}"
            lines.append(("SNRn", f"{noise.normalised:.1f} {how}"))
    if source.pixel_pitch_mm is None:
        lines.append(("wires", "not looked for: the pixel pitch is not known; give --mm-per-pixel"))
    elif indicator is None:
        lines.append(("wires", "none found"))
    else:
        lines.append(("wires", indicator.likely))
        lines += [("", text) for text in indicator.evidence]
    notes = (*source.notes, *found.notes, *(noise.notes if noise else ()))
    lines += [("note", plain(note)) for note in dict.fromkeys(notes)]
    return "\n".join(f"{name:<7}{text}" for name, text in lines)


@command.command(name="calibrate")
@FILM
@click.option(
    "--from", "start", callback=_point, metavar="X,Y", required=True, help="One end of the known object, in pixels."
)
@click.option("--to", "end", callback=_point, metavar="X,Y", required=True, help="Its other end.")
@click.option("--mm", type=float, required=True, metavar="MM", help="Their distance in mm.")
@click.option("--note", metavar="WORDS", help="What the object was.")
def calibrate_command(
    film: Path, start: tuple[float, float], end: tuple[float, float], mm: float, note: str | None
) -> None:
    """Keep a film's scale, found by a known object.

    The pixel pitch is written to FILM.lopore.json beside the film. It stands over what the file itself states, and
    holds for this version of the file alone.

    \b
    Example:
      lopore film calibrate weld.tif --from 120,300 --to 2605,298 --mm 100
    """
    from lopore.reading.film_sidecar import calibrate, sidecar_path

    found = calibrate(film, start, end, mm, note=note or "")
    click.echo(
        f"{found.mm_per_pixel:.5g} mm a pixel, to {found.relative_error:.2%} at best; "
        f"written to {plain(str(sidecar_path(film)))}"
    )
