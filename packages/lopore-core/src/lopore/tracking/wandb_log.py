"""Settings, figures and scores of a run in Weights & Biases: files for ``wandb sync``, or its service."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lopore.contracts import EpochEnded, Listener, RunEvent, RunStarted


def listen(start: RunStarted, mode: str, project: str, folder: Path) -> Listener:
    """Log into one run of W&B. ``offline`` sends nothing, whatever the environment says.

    A resumed run goes on with its own: the id is made of the run's version.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    quiet = wandb.Settings(
        mode="online" if mode == "online" else "offline", silent=True, disable_git=True, disable_code=True,
        console="off", x_disable_stats=True,
    )  # fmt: skip
    run = wandb.init(
        project=project, name=start.run, group=start.experiment, dir=str(folder.resolve()), config=dict(start.settings),
        id=re.sub(r"[^A-Za-z0-9_-]", "-", f"{start.version}-{start.run}")[-128:], resume="allow", settings=quiet,
    )  # fmt: skip

    def hear(event: RunEvent) -> None:
        if isinstance(event, EpochEnded):
            run.log(dict(event.figures), step=event.epoch)
            return
        run.summary.update({f"test/{name}": value for name, value in event.scores.items()})
        run.finish(exit_code=0 if event.state == "finished" else 1)

    return hear
