"""What can go wrong, said in one line each: what was got, what is allowed, what to do next."""

from __future__ import annotations

import errno

__all__ = [
    "ConfigError",
    "DataError",
    "ImageError",
    "LeakError",
    "LoporeError",
    "ModelError",
    "ParityError",
    "PluginError",
    "RunError",
    "memory_is_short",
]


class LoporeError(Exception):
    """A mistake that a user can mend; the command line prints its text alone and exits with 1."""


class ImageError(LoporeError):
    """A file that is no image, is broken, is over the limits or cannot be read right."""


class DataError(LoporeError):
    """A folder, CSV or manifest that does not describe a usable set of images."""


class LeakError(DataError):
    """One image, film or family stands in two splits."""


class ConfigError(LoporeError):
    """A config, chain or option that asks for something unknown or impossible."""


class ModelError(LoporeError):
    """A model folder or model file that is incomplete, altered, foreign or unsafe."""


class ParityError(ModelError):
    """An export that does not give the answers of its source; nothing was published."""


class RunError(LoporeError):
    """A training run that cannot start, go on or be resumed."""


class PluginError(LoporeError):
    """A plugin entry that is absent, disputed, or failed while it was used. mend: what to do, where more is known."""

    def __init__(self, message: str = "", *, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend


_NO_MEMORY = ("cannot allocate memory", "failed to map segment", "std::bad_alloc", "out of memory")


def memory_is_short(error: BaseException) -> bool:
    """Whether this error, or the one that it came from, says that there is too little memory.

    A limit on memory shows in many ways: a library that cannot be mapped is an ImportError, a file that cannot an
    OSError.
    """
    for one in (error, error.__cause__):
        if isinstance(one, MemoryError) or (isinstance(one, OSError) and one.errno == errno.ENOMEM):
            return True
        if type(one).__name__ == "ResourceExhaustedError":  # TensorFlow's, which is a plain Exception
            return True
        if isinstance(one, ImportError | OSError | RuntimeError) and any(
            text in str(one).lower() for text in _NO_MEMORY
        ):
            return True
    return False
