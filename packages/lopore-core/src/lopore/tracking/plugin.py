"""The callbacks of core; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lopore.contracts import LOPORE_API as LOPORE_API
from lopore.contracts import Callback, Listener, NoParams, Params, RunStarted
from lopore.hookspecs import hookimpl


class Csv(Params):
    """Parameters of ``csv``."""

    path: Path = Field(Path("runs.csv"), description="File that gets a row an epoch of every run that names it")


class MlFlow(Params):
    """Parameters of ``mlflow``."""

    tracking_uri: str = Field(
        "mlruns", max_length=500, description="A folder (local), or the address of a server, such as http://host:5000"
    )
    experiment: str = Field("", max_length=200, description="Experiment of MLflow; default: the name of the config")


class Wandb(Params):
    """Parameters of ``wandb``."""

    mode: Literal["offline", "online"] = Field(
        "offline", description="'offline' writes files for `wandb sync`; 'online' sends to the service of W&B"
    )
    project: str = Field("lopore", min_length=1, max_length=128)
    folder: Path = Field(Path(), description="Gets the folder wandb/")


def _csv(start: RunStarted, params: Csv) -> Listener:
    from .csv_log import listen

    return listen(start, params.path)


def _tensorboard(start: RunStarted, params: NoParams) -> Listener:
    from .tensorboard_log import listen

    return listen(start)


def _mlflow(start: RunStarted, params: MlFlow) -> Listener:
    from .mlflow_log import listen

    return listen(start, params.tracking_uri, params.experiment or start.experiment)


def _wandb(start: RunStarted, params: Any) -> Listener:
    from .wandb_log import listen

    return listen(start, params.mode, params.project, params.folder)


@hookimpl
def lopore_callbacks() -> Iterable[Callback]:
    yield Callback(name="csv", summary="Rows of many runs in one CSV file", params=Csv, listen=_csv)
    yield Callback(
        name="tensorboard", summary="Scalars for TensorBoard in the run's folder", params=NoParams,
        listen=_tensorboard, needs=("tensorboard",), install="lopore-core[train]",
    )  # fmt: skip
    yield Callback(
        name="mlflow", summary="Settings, figures and scores in MLflow, by default in a local folder", params=MlFlow,
        listen=_mlflow, needs=("mlflow",), install="lopore-core[mlflow]",
    )  # fmt: skip
    yield Callback(
        name="wandb", summary="Settings, figures and scores in Weights & Biases, by default offline", params=Wandb,
        listen=_wandb, needs=("wandb",), install="lopore-core[wandb]",
    )  # fmt: skip
