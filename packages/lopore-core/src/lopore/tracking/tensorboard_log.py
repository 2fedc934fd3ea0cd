"""Scalars for TensorBoard through its own record writer; no framework is imported."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from lopore.contracts import EpochEnded, Listener, RunEnded, RunEvent, RunStarted

TAGS = {
    "loss": "train/loss", "learning_rate": "train/learning_rate", "val_auc": "val/roc_auc", "val_f1": "val/f1",
    "val_loss": "val/loss", "val_dice": "val/dice", "val_iou": "val/iou", "val_hits": "val/hits",
    "seconds": "time/epoch_seconds", "data_wait_seconds": "time/data_wait_seconds",
}  # fmt: skip


def listen(start: RunStarted) -> Listener:
    """Write into ``tensorboard/`` of the run. Of a resumed run TensorBoard drops what came after the epoch it goes on
    from."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder = start.folder / "tensorboard"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()[:40]}.{os.getpid()}.0"
    file = (folder / name).open("ab")
    records = RecordWriter(file)

    def write(**facts: Any) -> None:
        records.write(Event(wall_time=time.time(), **facts).SerializeToString())
        file.flush()

    def hear(event: RunEvent) -> None:
        if isinstance(event, EpochEnded):
            shown = {TAGS[key]: value for key, value in event.figures.items() if key in TAGS}
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in shown.items()]
            write(step=event.epoch, summary=Summary(value=values))
        elif isinstance(event, RunEnded):
            file.close()

    write(file_version="brain.Event:2")
    if start.epochs_done:
        write(step=start.epochs_done + 1, session_log=SessionLog(status=SessionLog.START))
    return hear
