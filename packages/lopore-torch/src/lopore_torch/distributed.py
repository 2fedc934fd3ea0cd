"""Several processes as one: the same loss, statistics and weights as a single process would have.

Start with ``torchrun --nproc-per-node N -m lopore train ...``; the environment it sets is all that is read.
"""

from __future__ import annotations

import inspect
import os
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from lopore.contracts import Scores
from lopore.errors import ConfigError


def process_rank() -> tuple[int, int]:
    """(rank, world) from the environment that torchrun sets."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def choose_device(name: str) -> torch.device:
    """The device of a name; 'auto' is the first GPU (each process of a group its own), else the CPU.

    On a GPU fp32 then means fp32: by default cuDNN rounds its factors to 10 bits (TF32), and a threshold that was
    chosen there would meet other scores on a CPU or in an exported file. ConfigError for a device that is absent, or
    that several processes would share.
    """
    local, here = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "all" or "," in name:
        raise ConfigError(
            f"device '{name}' is several; PyTorch takes one a process: set auto and start "
            "`torchrun --nproc-per-node N -m lopore train ...`"
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device 'mps' is not here; choose auto or cpu")
    if not name.startswith("cuda"):
        return torch.device(name)
    count = torch.cuda.device_count()
    if here > 1 and (":" in name or 0 < count <= local):
        raise ConfigError(
            f"{here} processes take a GPU each, device '{name}' gives them less: torch sees {count}; set "
            "training.device to auto and start as many processes as there are GPUs"
        )
    index = int(name.partition(":")[2] or local)
    if index >= count:
        raise ConfigError(f"device '{name}' is not here: torch sees {count} GPUs; choose auto or cpu")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda", index)


def join(device: torch.device) -> None:
    """Enter the process group of ``torchrun``, once: nccl between GPUs, gloo between CPUs."""
    if process_rank()[1] > 1 and not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def sum_over_processes(values: list[float], device: torch.device) -> list[float]:
    """Element-wise sums over all processes; the values themselves where there is one."""
    if process_rank()[1] == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(tensor)
    return [float(value) for value in tensor]


def gather_scores(parts: dict[int, Scores]) -> list[Scores]:
    """Scores by batch number from all processes, in order, on every process."""
    merged = dict(parts)
    if process_rank()[1] > 1:
        everyone: list[Any] = [None] * process_rank()[1]
        dist.all_gather_object(everyone, parts)
        merged = {number: scores for part in everyone for number, scores in part.items()}
    return [np.asarray(merged[number], np.float32) for number in sorted(merged)]


class WholeBatchNorm(nn.Module):
    """Batch normalisation over the batch of all processes, on any device (torch's SyncBatchNorm needs GPUs).

    Takes the parameters, statistics and the activation of the layer it replaces, under the same names.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, layer: _BatchNorm, group: dist.ProcessGroup) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(layer, name))
        self.drop = getattr(layer, "drop", nn.Identity())
        self.act = getattr(layer, "act", nn.Identity())
        self.eps, self.momentum, self.group = layer.eps, layer.momentum, group
        self.training = layer.training

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            x = functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        else:
            x = self._normalise(x)
        return cast(Tensor, self.act(self.drop(x)))

    def _normalise(self, x: Tensor) -> Tensor:
        values = x.float()
        count = _add_up(torch.tensor([values.numel() / values.shape[1]], device=x.device), self.group)
        mean = _add_up(values.sum(dim=(0, 2, 3)), self.group) / count
        centred = values - mean.view(1, -1, 1, 1)
        variance = _add_up(centred.square().sum(dim=(0, 2, 3)), self.group) / count
        self._remember(mean.detach(), variance.detach(), count)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum or 0.1)
        self.running_var.lerp_(variance * (count / (count - 1.0).clamp_min(1.0)), self.momentum or 0.1)


class _Sum(torch.autograd.Function):
    """Sum over processes, whose gradient is again a sum over processes."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        total = values.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.clone()
        dist.all_reduce(total, group=ctx.group)
        return total, None


def _add_up(values: Tensor, group: dist.ProcessGroup) -> Tensor:
    return cast(Tensor, _Sum.apply(values, group))


def share_statistics(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with batch normalisation over the whole batch; a group of its own keeps messages apart from DDP's."""
    if device.type == "cuda":
        import timm.layers

        convert: Any = timm.layers.convert_sync_batchnorm  # type: ignore[attr-defined]
        return cast(nn.Module, convert(network))
    group = cast(dist.ProcessGroup, dist.new_group())
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, WholeBatchNorm(child, group))
    return network


def wrap(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with gradients averaged over processes; itself where there is one process."""
    if process_rank()[1] == 1 or not any(parameter.requires_grad for parameter in network.parameters()):
        return network
    ids = [device.index] if device.type == "cuda" else None
    wrapper = nn.parallel.DistributedDataParallel
    known = inspect.signature(wrapper).parameters
    alike = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"  # the name before 2.15
    return wrapper(network, device_ids=ids, **{alike: False})  # type: ignore[arg-type]
