"""What a training step meets on a machine and a user can mend, told in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lopore.contracts import LearnRequest
from lopore.errors import RunError


@contextmanager
def errors_in_one_line(request: LearnRequest) -> Iterator[None]:
    """RunError with advice for too little memory, batches too small to normalise, what a device cannot do
    deterministically, or a compiler that fails.

    Other errors pass as they are.
    """
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("Expected more than 1 value per channel"):
            raise
        raise RunError(
            "batches of one image leave batch normalisation nothing to average, since the last features of this "
            "network are one pixel here; raise training.batch_size to 2, or preprocessing.size"
        ) from None
    except RuntimeError as error:
        if _lacks_memory(error):
            raise RunError(
                f"the device has too little memory for batches of {request.batch_size} images; lower "
                "training.batch_size (and raise training.accumulation_steps by as much), "
                "or take a smaller preprocessing.size"
            ) from None
        if "does not have a deterministic implementation" in str(error):
            raise RunError(
                f"{str(error).partition(' ')[0]} has no deterministic form on this device; set "
                "training.deterministic: false, or training.device: cpu"
            ) from None
        if request.compile and _is_of_the_compiler(error):
            text = " ".join(str(error).split()).partition(" Set TORCHDYNAMO_VERBOSE")[0][:160]
            raise RunError(
                f"torch.compile failed here ({text}); on a CPU it needs a C++ compiler such as g++: install one, or "
                "set training.compile: false"
            ) from None
        raise


def _lacks_memory(error: RuntimeError) -> bool:
    """Of a GPU, of its libraries or Apple's, or of the CPU, none of which but the first has an error of its own."""
    phrases = ("DefaultCPUAllocator", "out of memory", "STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in phrases)


def _is_of_the_compiler(error: RuntimeError) -> bool:
    """The forward graph's errors come wrapped; the backward graph's, which may be built later, come as they are."""
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import CppCompileError, InvalidCxxCompiler

    return isinstance(error, TorchDynamoException | CppCompileError | InvalidCxxCompiler)
