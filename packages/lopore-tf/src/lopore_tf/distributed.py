"""Devices: their names, how many a run takes, and one loss, one set of statistics and one set of weights on all.

TensorFlow drives several devices from one process (``tf.distribute.MirroredStrategy``); ``torchrun`` is not needed. On
several machines one process each takes its share of every batch (``tf.distribute.MultiWorkerMirroredStrategy``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Scores
from lopore.errors import ConfigError

from .cluster import process_rank
from .start import tf

NO_WINDOWS_GPU = "TensorFlow sees no GPU on native Windows (use WSL2) nor without tensorflow[and-cuda]"


def prepare(threads: int | None) -> None:
    """Before the first device is used: GPUs take memory as they need it, the CPU this many threads.

    On a GPU fp32 then means fp32 and not TF32, whose 10 bits would give other scores than a CPU or an exported file.
    TensorFlow fixes memory and threads at the process's first tensor; later calls change nothing (``facts`` names what
    is in force).
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)
    with suppress(RuntimeError):
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    if threads:
        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)


def threads_in_force() -> int:
    """CPU threads of one operation."""
    from lopore.cores import available_cores

    return int(tf.config.threading.get_intra_op_parallelism_threads()) or available_cores()


def choose_devices(name: str) -> list[str]:
    """TensorFlow's names of the devices a run takes, such as ``["GPU:0", "GPU:1"]``.

    "auto" is the first GPU, else the CPU. "all" is every GPU, else every CPU device; "cuda:0,cuda:1" are those
    two. ConfigError for a device that is absent.
    """
    gpus = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices("GPU")]
    cpus = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices("CPU")]
    if name == "all":
        return gpus or cpus
    if name == "auto":
        return gpus[:1] or cpus[:1]
    if name == "cpu":
        return cpus[:1]
    if name == "mps":
        raise ConfigError("device 'mps' is PyTorch's; with trainer: tf choose auto or cpu")
    found = [f"GPU:{int(part.partition(':')[2] or 0)}" for part in name.split(",")]
    if len(set(found)) < len(found):
        raise ConfigError(f"device '{name}' names a GPU twice; name each once")
    absent = [device for device in found if device not in gpus]
    if absent:
        why = "" if gpus else f" ({NO_WINDOWS_GPU})"
        raise ConfigError(f"device '{name}' is not here: TensorFlow sees {len(gpus)} GPUs{why}; choose auto or cpu")
    return found


@dataclass(frozen=True)
class Mirrors:
    """replicas: of the network on all machines. local: of this process. first: the number of its first one."""

    replicas: int = 1
    local: int = 1
    first: int = 0


def mirrors_of(strategy: Any) -> Mirrors:
    """The replicas of a strategy, and which of them are this process's."""
    replicas, (rank, world) = int(strategy.num_replicas_in_sync), process_rank()
    return Mirrors(replicas, replicas // world, rank * (replicas // world))


def start(name: str) -> tuple[list[str], Any]:
    """The devices of this process that a name means, and the strategy over them and over those of other machines.

    Before the process's first tensor where there are other machines: they are waited for here. Each then takes all its
    GPUs, or its CPU. ConfigError for a device that is absent, or that cannot be chosen with other machines.
    """
    if process_rank()[1] == 1:
        devices = choose_devices(name)
        return devices, strategy_for(devices)
    if name not in ("auto", "all", "cpu"):
        raise ConfigError(f"device '{name}' names single devices; with several machines choose auto or cpu")
    strategy = _over_machines(name == "cpu")
    return [str(device).rpartition("device:")[2] for device in strategy.extended.worker_devices], strategy


@cache
def _over_machines(cpu: bool) -> Any:
    """One for all runs of a process: its group is joined once."""
    if cpu:
        tf.config.set_visible_devices([], "GPU")
    return tf.distribute.MultiWorkerMirroredStrategy()


def strategy_for(devices: Sequence[str]) -> Any:
    """One device by itself, several as mirrors of each other."""
    if len(devices) == 1:
        return tf.distribute.OneDeviceStrategy(f"/{devices[0]}")
    # TensorFlow's own choice between CPUs numbers its messages anew for every strategy, so that two mix in one process.
    on_gpus = devices[0].startswith("GPU")
    sums = tf.distribute.NcclAllReduce() if on_gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([f"/{device}" for device in devices], cross_device_ops=sums)


def config_names(devices: Sequence[str]) -> str:
    """Devices as a config names them: "cpu", or "cuda:0,cuda:1"."""
    named = [device.lower().replace("gpu", "cuda").replace("cpu:0", "cpu") for device in devices]
    return ",".join(named)


def here(mirrors: Mirrors, *values: Any) -> tuple[Any, ...]:
    """This device's share of its process's batch, every n-th row of each tensor, and the weight of its rows.

    A device whose share would be empty takes the last row with weight 0, since no convolution takes none. The weights
    are (rows,) float32, or None where there is one device in all.
    """
    if mirrors.replicas == 1:
        return (*values, None)
    context, count = tf.distribute.get_replica_context(), tf.shape(values[0])[0]
    own = context.replica_id_in_sync_group - mirrors.first
    rows = tf.range(own, tf.maximum(count, own + 1), mirrors.local)
    shares = (tf.gather(value, tf.minimum(rows, count - 1)) for value in values)
    return (*shares, tf.cast(rows < count, tf.float32))


def add_up(values: Any, replicas: int) -> Any:
    """Sum over the devices, for a tensor or a list of tensors; its gradient is again a sum over the devices."""
    if replicas == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)


def joined(parts: Sequence[NDArray[Any]], count: int) -> Scores:
    """``count`` rows of all devices in the order of the batch, which ``here`` dealt out."""
    scores = np.empty((count, *parts[0].shape[1:]), np.float32)
    for number, part in enumerate(parts):
        own = scores[number :: len(parts)]
        own[:] = part[: len(own)]
    return scores


def put(variable: Any, value: Any) -> None:
    """Within a graph: write this device's copy of a variable. Every device writes the same."""
    tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)
