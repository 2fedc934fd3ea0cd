"""The training log as CSV, in step with the checkpoints."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from lopore.atomic_files import atomic_write_text

COLUMNS = (
    "epoch", "loss", "learning_rate", "val_auc", "val_f1", "val_loss", "val_dice", "val_iou", "val_hits", "best",
    "images", "seconds", "data_wait_seconds",
)  # fmt: skip


def write_csv(path: Path, history: list[dict[str, Any]]) -> None:
    """The whole log, atomically; so it never says more than the checkpoint beside it. Metrics of plugins
    stand before ``best``."""
    found = dict.fromkeys(key for row in history for key in row if key.startswith("val_") and key not in COLUMNS)
    column = COLUMNS.index("best")
    columns = (*COLUMNS[:column], *found, *COLUMNS[column:])
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in history:
        writer.writerow({key: "" if row.get(key) is None else row[key] for key in columns})
    atomic_write_text(path, text.getvalue())
