"""``lopore predict``: decisions for files, folders and globs."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from lopore.messages import counted

from .options import device_option, model_option, page_option, runtime_option
from .rules import FiniteRange, rule_from, rule_options

if TYPE_CHECKING:
    from lopore.inference.predict import Failure, Prediction
    from lopore.inference.segment import SegmentationPrediction
    from lopore.models.opening import OpenModel

    from .inputs import Tally


@click.command(name="predict")
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@model_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default="the terminal",
    help="A .csv, .json or .jsonl file to write.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--chain",
    "chain_text",
    metavar="STEPS",
    help="Enhance first, by steps or a preset as `lopore enhance` takes them; the model's own chain is applied anyway.",
)
@rule_options
@click.option(
    "--detections",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Segmentation: a .csv to write, a row for each detection.",
)
@click.option(
    "--mm-per-pixel",
    type=FiniteRange(0, 100, min_open=True),
    metavar="MM",
    show_default="what each file states",
    help="Segmentation: size of a pixel, for areas in mm2.",
)
@runtime_option
@device_option
@click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    show_default="the cores allowed",
    help="Threads of the network.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 4096),
    metavar="N",
    show_default="32 of 224 px, fewer of larger",
    help="Films that the network takes at once.",
)
@page_option
def command(
    images: tuple[Path, ...],
    model_name: str,
    out: Path | None,
    as_json: bool,
    detections: Path | None,
    runtime: str | None,
    device: str,
    threads: int | None,
    **options: Any,
) -> None:
    """Decide on films with a model.

    IMAGES are files, folders or globs. Bad files are told one by one and the rest goes on; the exit status is then 1.

    A segmentation model also gives detections, of known place and size. Those too small by --min-area are dropped, and
    then scores and decisions ignore them.

    \b
    Examples:
      lopore predict --model weld films/
      lopore predict --model weld --out predictions.csv "films/*.tif"
      lopore predict --model model.onnx film.png --json
    """
    from lopore.models.catalogue import locate_model
    from lopore.models.opening import open_model
    from lopore.preprocessing.enhancement_chain import Chain
    from lopore.progress import Progress

    from .inputs import Tally

    _check_places(out, detections)
    tally, text = Tally(), options.pop("chain_text")
    chain = Chain.from_text(text) if text else None
    model = open_model(locate_model(model_name), runtime=runtime, device=device, threads=threads)
    paths, results = _answers(model, images, tally, chain=chain, detected=detections is not None, **options)
    if out is not None:
        results = Progress().track(results, len(paths), "predicting")
    _write(results, tally, out, detections, as_json=as_json)
    tally.finish("predicted")


def _answers(
    model: OpenModel, images: Sequence[Path], tally: Tally, *, detected: bool, min_area: float | None,
    min_area_mm2: float | None, opening: int | None, mm_per_pixel: float | None, **how: Any,
) -> tuple[list[Path], Iterator[Prediction | Failure]]:  # fmt: skip
    """The films, and their predictions as they come; with detections where these, or a rule for them, are asked for."""
    from lopore.inference.predict import predict_files
    from lopore.inference.regions import DetectionRule
    from lopore.inference.segment import check_maps, detect_files

    from .inputs import expand

    rule = rule_from(min_area, min_area_mm2, opening) or (DetectionRule() if detected or mm_per_pixel else None)
    if rule is None:
        paths = expand(images, tally)
        return paths, predict_files(model, paths, **how)
    check_maps(model)
    paths = expand(images, tally)
    return paths, detect_files(model, paths, rule, pitch_mm=mm_per_pixel, **how)


def _write(
    results: Iterator[Prediction | Failure], tally: Tally, out: Path | None, detections: Path | None, *, as_json: bool
) -> None:
    """Answers to ``out`` or the terminal, and detections to their own file, both whole or not at all."""
    from lopore.atomic_files import atomic_text_stream

    with ExitStack() as stack:
        note = _detections_table(stack.enter_context(atomic_text_stream(detections))) if detections else None
        _tell(_good(results, tally, note), out, as_json=as_json)
    if detections is not None:
        click.echo(str(detections), err=True)


def _good(
    results: Iterator[Prediction | Failure], tally: Tally, note: Callable[[SegmentationPrediction], None] | None
) -> Iterator[Prediction]:
    """The predictions; failures are told as they come, detections go to ``note``."""
    from lopore.inference.predict import Failure
    from lopore.inference.segment import SegmentationPrediction

    for result in results:
        if isinstance(result, Failure):
            tally.fail(result.source, result.reason)
            continue
        tally.good += 1
        if note is not None and isinstance(result, SegmentationPrediction):
            note(result)
        yield result


def _tell(predictions: Iterator[Prediction], out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        _write_file(out, predictions)
        return
    for prediction in predictions:
        click.echo(prediction.model_dump_json() if as_json else _line(prediction))


def _check_places(out: Path | None, detections: Path | None) -> None:
    from lopore.errors import ConfigError

    if out is not None and out.suffix.lower() not in (".csv", ".json", ".jsonl"):
        raise ConfigError(f"--out {out} ends in '{out.suffix}'; allowed are .csv, .json, .jsonl")
    if detections is not None and detections.suffix.lower() != ".csv":
        raise ConfigError(f"--detections {detections} ends in '{detections.suffix}'; allowed is .csv")
    if detections is not None and out == detections:
        raise ConfigError(f"--out and --detections both name {out}; give each a file of its own")


_COLUMNS = (
    "source", "class", "area_px", "area_mm2", "centre_x", "centre_y", "left", "top", "right", "bottom", "peak", "mean",
    "sha256", "page", "model",
)  # fmt: skip


def _detections_table(stream: IO[str]) -> Callable[[SegmentationPrediction], None]:
    """Writes the heading at once, and with each call a row for each detection of one picture."""
    from lopore.data.manifest import safe_cell

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)

    def note(prediction: SegmentationPrediction) -> None:
        for one in prediction.detections:
            area = "" if one.area_mm2 is None else f"{one.area_mm2:.6g}"
            row = [safe_cell(prediction.source), safe_cell(one.class_name), f"{one.area_px:.2f}", area]
            row += [f"{value:.2f}" for value in (*one.centre, *one.box)]
            row += [f"{one.peak:.6f}", f"{one.mean:.6f}"]
            writer.writerow([*row, prediction.sha256, prediction.page, prediction.model])

    return note


def _line(prediction: Prediction) -> str:
    from lopore.messages import plain

    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])[:3]
    scores = "  ".join(f"{plain(name, 60)} {score:.3f}" for name, score in ranked)
    return f"{plain(prediction.source, 300)}: {plain(prediction.decision.text)}  ({scores}){_counted(prediction)}"


def _counted(prediction: Prediction) -> str:
    from lopore.inference.segment import SegmentationPrediction

    if not isinstance(prediction, SegmentationPrediction):
        return ""
    dropped = f", {prediction.dropped} dropped" if prediction.dropped else ""
    return f"  {counted(len(prediction.detections), 'detection')}{dropped}"


def _write_file(out: Path, predictions: Iterator[Prediction]) -> None:
    from lopore.atomic_files import atomic_text_stream

    write = {".csv": _write_csv, ".jsonl": _write_lines, ".json": _write_list}[out.suffix.lower()]
    with atomic_text_stream(out) as stream:
        write(stream, predictions)
    click.echo(str(out), err=True)


def _write_lines(stream: IO[str], predictions: Iterator[Prediction]) -> None:
    stream.writelines(f"{prediction.model_dump_json()}\n" for prediction in predictions)


def _write_list(stream: IO[str], predictions: Iterator[Prediction]) -> None:
    before = "["
    for prediction in predictions:
        stream.write(f"{before}\n{prediction.model_dump_json()}")
        before = ","
    stream.write("[]\n" if before == "[" else "\n]\n")


def _write_csv(stream: IO[str], predictions: Iterator[Prediction]) -> None:
    from lopore.data.manifest import safe_cell

    writer = csv.writer(stream, lineterminator="\n")
    for number, prediction in enumerate(predictions):
        decision, scores = prediction.decision, prediction.scores
        if number == 0:
            names = [f"score:{name}" for name in scores]
            writer.writerow(["source", "decision", "score", "threshold", *names, "sha256", "page", "model"])
        told = [f"{value:.6f}" for value in (decision.score, decision.threshold, *scores.values())]
        row = [safe_cell(prediction.source), safe_cell(decision.text), *told]
        writer.writerow([*row, prediction.sha256, prediction.page, prediction.model])
