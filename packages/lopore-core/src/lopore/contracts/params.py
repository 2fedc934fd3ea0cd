"""Parameters of an enhancer: one pydantic model draws controls, checks configs and fills the help."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Base of an enhancer's parameters: bounds, defaults and descriptions draw controls and check configs."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoParams(Params):
    """For an enhancer that has nothing to set."""
