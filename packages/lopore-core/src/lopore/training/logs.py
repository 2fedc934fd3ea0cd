"""The training log as CSV and for TensorBoard, in step with the checkpoints."""

from __future__ import annotations

import csv
import io
import os
import socket
import time
from pathlib import Path
from typing import Any, BinaryIO

from lopore.atomic_files import atomic_write_text

COLUMNS = (
    "epoch", "loss", "learning_rate", "val_auc", "val_f1", "val_loss", "val_dice", "val_iou", "val_hits", "best",
    "images", "seconds", "data_wait_seconds",
)  # fmt: skip


def write_csv(path: Path, history: list[dict[str, Any]]) -> None:
    """The whole log, atomically; so it never says more than the checkpoint beside it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in history:
        writer.writerow({key: "" if row.get(key) is None else row[key] for key in COLUMNS})
    atomic_write_text(path, text.getvalue())


class TensorBoardLog:
    """Scalars for TensorBoard through its own record writer; no framework is imported.

    first_epoch: of a resumed run, the epoch it goes on after; TensorBoard then drops what came later before.
    Does nothing where tensorboard is not installed.
    """

    def __init__(self, folder: Path, first_epoch: int = 0) -> None:
        self._file: BinaryIO | None = None
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            return
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()[:40]}.{os.getpid()}.0"
        self._file = (folder / name).open("ab")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if first_epoch:
            log = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=first_epoch + 1, session_log=log))

    def add(self, row: dict[str, Any]) -> None:
        """One epoch's row of numbers."""
        if self._file is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        names = {"loss": "train/loss", "learning_rate": "train/learning_rate", "val_auc": "val/roc_auc",
                 "val_f1": "val/f1", "val_loss": "val/loss", "val_dice": "val/dice", "val_iou": "val/iou",
                 "val_hits": "val/hits", "seconds": "time/epoch_seconds",
                 "data_wait_seconds": "time/data_wait_seconds"}  # fmt: skip
        shown = {tag: row[key] for key, tag in names.items() if row.get(key) is not None}
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in shown.items()]
        self._write(Event(wall_time=time.time(), step=row["epoch"], summary=Summary(value=values)))

    def _write(self, event: Any) -> None:
        if self._file is not None:
            self._records.write(event.SerializeToString())
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
