"""Settings, figures and scores of a run in MLflow: a local folder, or a server that the config names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lopore.atomic_files import atomic_write_text
from lopore.contracts import EpochEnded, Listener, RunEvent, RunStarted

RUN_ID, MOST_LETTERS = "mlflow_run_id", 500
STATES = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


def listen(start: RunStarted, tracking_uri: str, experiment: str) -> Listener:
    """Log into one run of MLflow; a resumed run goes on with its own, whose id lies in the run's folder.

    Only ``tracking_uri`` decides where to: MLflow's environment variables are not read, its telemetry is off.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    local = "://" not in tracking_uri and not tracking_uri.startswith(("file:", "databricks"))
    if local:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # newer releases of MLflow ask for it
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(tracking_uri=Path(tracking_uri).resolve().as_uri() if local else tracking_uri)
    run_id = _run_of(client, start, experiment)
    texts = {key: str(value)[:MOST_LETTERS] for key, value in start.settings.items()}
    if not start.epochs_done:
        items = [Param(key, value) for key, value in texts.items()]
        for at in range(0, len(items), 100):  # MLflow takes a hundred at once
            client.log_batch(run_id, params=items[at : at + 100])

    def hear(event: RunEvent) -> None:
        if isinstance(event, EpochEnded):
            now = _milliseconds()
            metrics = [Metric(key, float(value), now, event.epoch) for key, value in event.figures.items()]
            client.log_batch(run_id, metrics=metrics)
            return
        for key, value in event.scores.items():
            client.log_metric(run_id, f"test/{_plain(key)}", value)
        if event.model:
            client.set_tag(run_id, "lopore.model", str(event.model))
        client.set_terminated(run_id, STATES[event.state])

    return hear


def _run_of(client: Any, start: RunStarted, experiment: str) -> str:
    """The id of this run in MLflow, made anew where it has none."""
    id_file = start.folder / RUN_ID
    if start.epochs_done and id_file.is_file():
        run_id = id_file.read_text(encoding="utf-8").strip()
        client.update_run(run_id, status="RUNNING")
        return run_id
    found = client.get_experiment_by_name(experiment)
    number = found.experiment_id if found else client.create_experiment(experiment)
    tags = {"lopore.version": start.version, "lopore.classes": ", ".join(start.classes)[:MOST_LETTERS]}
    run_id = str(client.create_run(number, run_name=start.run, tags=tags).info.run_id)
    atomic_write_text(id_file, run_id + "\n")
    return run_id


def _plain(name: str) -> str:
    """A name with the letters that MLflow takes; ``f1/pore`` would be a file inside the file ``f1``."""
    return "".join(sign if sign.isalnum() or sign in "_-. " else "." for sign in name)


def _milliseconds() -> int:
    import time

    return int(time.time() * 1000)
