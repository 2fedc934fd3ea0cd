"""``lopore predict``: decisions for files, folders and globs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..predict import Prediction


@click.command(name="predict")
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@click.option("--model", "model_name", required=True, help="Model folder, ONNX file, NAME or NAME/VERSION.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a .csv, .json or .jsonl file instead of the terminal.")
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
    from ..enhance import Chain
    from ..errors import ConfigError
    from ..model import locate_model, open_model
    from ..predict import Failure, predict_files
    from .inputs import Tally, expand

    if out is not None and out.suffix not in (".csv", ".json", ".jsonl"):
        raise ConfigError(f"--out {out} ends in '{out.suffix}'; allowed are .csv, .json, .jsonl")
    tally = Tally()
    chain = Chain.from_text(chain_text) if chain_text else None
    model = open_model(locate_model(model_name), runtime=runtime, device=device, threads=threads)
    results = predict_files(model, expand(images, tally), chain=chain, batch_size=batch_size, page=page)

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
    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])[:3]
    scores = "  ".join(f"{name} {score:.3f}" for name, score in ranked)
    return f"{prediction.source}: {prediction.decision.text}  ({scores})"


def _write_file(out: Path, predictions: Iterator[Prediction]) -> None:
    from ..files import atomic_write_text

    stream = io.StringIO()
    if out.suffix == ".csv":
        _write_csv(stream, predictions)
    elif out.suffix == ".jsonl":
        stream.writelines(f"{prediction.model_dump_json()}\n" for prediction in predictions)
    else:
        json.dump([prediction.model_dump(mode="json") for prediction in predictions], stream, indent=1)
    atomic_write_text(out, stream.getvalue())
    click.echo(str(out), err=True)


def _write_csv(stream: IO[str], predictions: Iterator[Prediction]) -> None:
    writer: Any = None
    for prediction in predictions:
        if writer is None:
            names = ["source", "decision", "score", "threshold", *prediction.scores, "sha256", "page", "model"]
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(names)
        decision = prediction.decision
        scores = [f"{score:.6f}" for score in prediction.scores.values()]
        source = prediction.source if prediction.source[:1] not in "=+-@" else f"'{prediction.source}"
        row = [source, decision.text, f"{decision.score:.6f}", decision.threshold, *scores]
        writer.writerow([*row, prediction.sha256, prediction.page, prediction.model])
