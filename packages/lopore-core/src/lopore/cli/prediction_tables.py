"""The files that ``lopore predict`` writes: answers as CSV, JSON or JSON lines, and a CSV of detections."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from lopore.inference.predict import Prediction
    from lopore.inference.segment import SegmentationPrediction

DETECTION_COLUMNS = (
    "path", "class", "area_px", "area_mm2", "centre_x", "centre_y", "left", "top", "right", "bottom", "peak", "mean",
    "sha256", "page", "model",
)  # fmt: skip


def write_answers(out: Path, predictions: Iterable[Prediction]) -> None:
    """Write a .csv, .json or .jsonl file, whole or not at all."""
    from lopore.atomic_files import atomic_text_stream

    write = {".csv": _write_csv, ".jsonl": _write_lines, ".json": _write_list}[out.suffix.lower()]
    with atomic_text_stream(out) as stream:
        write(stream, predictions)


def detections_table(stream: IO[str]) -> Callable[[SegmentationPrediction], None]:
    """Writes the heading at once, and with each call a row for each detection of one image."""
    from lopore.data.cells import shown_cell

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(DETECTION_COLUMNS)

    def note(prediction: SegmentationPrediction) -> None:
        for one in prediction.detections:
            area = "" if one.area_mm2 is None else f"{one.area_mm2:.6g}"
            row = [shown_cell(prediction.source), shown_cell(one.class_name), f"{one.area_px:.2f}", area]
            row += [f"{value:.2f}" for value in (*one.centre, *one.box)]
            row += [f"{one.peak:.7g}", f"{one.mean:.7g}"]
            writer.writerow([*row, prediction.sha256, prediction.page, shown_cell(prediction.model)])

    return note


def _write_lines(stream: IO[str], predictions: Iterable[Prediction]) -> None:
    stream.writelines(f"{prediction.model_dump_json()}\n" for prediction in predictions)


def _write_list(stream: IO[str], predictions: Iterable[Prediction]) -> None:
    before = "["
    for prediction in predictions:
        stream.write(f"{before}\n{prediction.model_dump_json()}")
        before = ","
    stream.write("[]\n" if before == "[" else "\n]\n")


def _write_csv(stream: IO[str], predictions: Iterable[Prediction]) -> None:
    from lopore.inference.predictions_table import PredictionRow, PredictionsTable

    table: PredictionsTable | None = None
    for one in predictions:
        table = table or PredictionsTable(stream, tuple(one.scores))
        table.write(
            PredictionRow(
                path=one.source,
                sha256=one.sha256,
                page=one.page,
                model=one.model,
                decision=one.decision,
                judged=one.judged,
                notes=one.notes,
                scores=one.scores,
            )
        )
