"""TensorFlow and Keras, woken without their start-up chatter: every module here takes both from this one."""

from __future__ import annotations

import logging
import os
import platform
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if platform.machine().lower() in ("x86_64", "amd64"):
    # TensorFlow takes oneDNN by itself only where there is AVX-512 VNNI; elsewhere, as on most AMD machines, a ResNet
    # trains 3.5 times as fast with it, and all networks answer up to twice as fast.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    """TensorFlow's C++ writes to descriptor 2 before its log level is read; what it wrote is shown if it fails."""
    try:
        terminal = os.dup(2)
    except OSError:  # a service without a standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


@contextmanager
def _left_out(*names: str) -> Iterator[None]:
    """Packages that Keras takes along for its own wrappers and images, unless they are here already.

    scikit-learn, pandas and matplotlib are 45 % of the processor time of ``import tensorflow``; Keras does without them
    where they are absent. The program can import them afterwards as ever.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


with _stderr_held_back(), _left_out("sklearn", "pandas", "matplotlib"):
    import keras
    import tensorflow as tf

    if keras.config.backend() != "tensorflow":
        raise ImportError(
            f"Keras runs on {keras.config.backend()} here, lopore-tf needs tensorflow; unset the variable KERAS_BACKEND"
        )
    # Triton, which torch brings, carries the same LLVM: loaded after TensorFlow it aborts the process, before it not.
    # Without it torch only loses torch.compile on GPUs.
    sys.modules.setdefault("triton", None)  # type: ignore[arg-type]
    logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)  # it warns that triton is not there
    # Naming the devices starts the runtime, which is what prints last.
    _GPUS = len(tf.config.list_physical_devices("GPU"))

DEVICES: tuple[str, ...] = ("cpu", *(f"cuda:{number}" for number in range(_GPUS)))
"""What ``training.device`` may name here."""

if not _GPUS:
    # TensorFlow's stand-in for CUDA makes torch, once it follows, report an error where there simply is no GPU.
    warnings.filterwarnings("ignore", "CUDA initialization: Unexpected error", UserWarning)

__all__ = ["DEVICES", "keras", "tf"]
