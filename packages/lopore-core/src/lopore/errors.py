"""What can go wrong, said in one line each: what was got, what is allowed, what to do next."""

from __future__ import annotations

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
]


class LoporeError(Exception):
    """A mistake that a user can mend; the command line prints its text alone and exits with 1."""


class ImageError(LoporeError):
    """A file that is no image, is broken, is over the limits or cannot be read right."""


class DataError(LoporeError):
    """A folder, CSV or manifest that does not describe a usable set of images."""


class LeakError(DataError):
    """One image, film or family stands on two sides of a split."""


class ConfigError(LoporeError):
    """A config, chain or option that asks for something unknown or impossible."""


class ModelError(LoporeError):
    """A model folder or model file that is incomplete, altered, foreign or unsafe."""


class ParityError(ModelError):
    """An export that does not give the answers of its source; nothing was published."""


class RunError(LoporeError):
    """A training run that cannot start, go on or be resumed."""


class PluginError(LoporeError):
    """A plugin entry that is absent, disputed, or failed while it was used."""
