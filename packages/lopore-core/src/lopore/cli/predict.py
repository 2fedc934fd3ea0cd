"""``lopore predict``: decisions for files, folders and globs."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lopore.predict import Prediction


@click.command(name="predict")
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@click.option("--model", "model_name", required=True, help="Model folder, ONNX file, NAME or NAME/VERSION.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write a .csv, .json or .jsonl file instead of the terminal."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--chain", "chain_text", help="Enhance first: steps or a preset, as `lopore enhance` takes them.")
@click.option("--runtime", help="Predictor or format to use, such as onnxruntime or pth.")
@click.option("--device", default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Threads of the network; default: the cores allowed.")
@click.option("--batch-size", type=click.IntRange(1, 4096), default=16, show_default=True)
@click.option("--page", type=int, help="Page of multi-page files, from 1.")
def command(
    images: tuple[Path, ...],
    model_name: str,
    out: Path | None,
    as_json: bool,
    chain_text: str | None,
    runtime: str | None,
    device: str,
    threads: int | None,
    batch_size: int,
    page: int | None,
) -> None:
    """Predict IMAGES (files, folders or globs); bad files are told one by one and the rest goes on."""
    from lopore.enhance import Chain
    from lopore.errors import ConfigError
    from lopore.model import locate_model, open_model
    from lopore.predict import Failure, predict_files
    from lopore.run.progress import Progress

    from .inputs import Tally, expand

    if out is not None and out.suffix not in (".csv", ".json", ".jsonl"):
        raise ConfigError(f"--out {out} ends in '{out.suffix}'; allowed are .csv, .json, .jsonl")
    tally = Tally()
    chain = Chain.from_text(chain_text) if chain_text else None
    model = open_model(locate_model(model_name), runtime=runtime, device=device, threads=threads)
    paths = expand(images, tally)
    results = predict_files(model, paths, chain=chain, batch_size=batch_size, page=page)
    if out is not None:
        results = Progress().track(results, len(paths), "predicting")

    def good() -> Iterator[Prediction]:
        for result in results:
            if isinstance(result, Failure):
                tally.fail(result.source, result.reason)
            else:
                tally.good += 1
                yield result

    if out is not None:
        _write_file(out, good())
    elif as_json:
        for prediction in good():
            click.echo(prediction.model_dump_json())
    else:
        for prediction in good():
            click.echo(_line(prediction))
    tally.finish("predicted")


def _line(prediction: Prediction) -> str:
    from lopore.data.manifest import plain

    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])[:3]
    scores = "  ".join(f"{plain(name, 60)} {score:.3f}" for name, score in ranked)
    return f"{plain(prediction.source, 300)}: {plain(prediction.decision.text)}  ({scores})"


def _write_file(out: Path, predictions: Iterator[Prediction]) -> None:
    from lopore.files import text_in_the_making

    write = {".csv": _write_csv, ".jsonl": _write_lines, ".json": _write_list}[out.suffix]
    with text_in_the_making(out) as stream:
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
