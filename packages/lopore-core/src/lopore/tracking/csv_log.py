"""One CSV file that many runs write into: a row an epoch."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from lopore.contracts import EpochEnded, Listener, RunEvent, RunStarted

COLUMNS = (
    "run", "version", "epoch", "loss", "learning_rate", "val_auc", "val_f1", "val_loss", "val_dice", "val_iou",
    "val_hits", "best", "images", "seconds", "data_wait_seconds",
)  # fmt: skip


def listen(start: RunStarted, path: Path) -> Listener:
    """Append rows to ``path``. Each goes in one write, so that runs at the same time do not mix within a row.

    An epoch that a resumed run repeats has two rows; the later one counts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)

    def hear(event: RunEvent) -> None:
        if isinstance(event, EpochEnded):
            facts = {"run": start.run, "version": start.version, "epoch": event.epoch, "best": int(event.best)}
            _append(path, {**event.figures, **facts})

    return hear


def _append(path: Path, row: dict[str, object]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="", extrasaction="ignore")
        if os.fstat(handle).st_size == 0:
            writer.writeheader()
        writer.writerow(row)
        os.write(handle, text.getvalue().encode())
    finally:
        os.close(handle)
