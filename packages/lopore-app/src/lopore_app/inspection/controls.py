"""An enhancer's parameter model as dials, with its own bounds, defaults and texts. No Streamlit in here."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from lopore.contracts import Enhancer

WIDEST_WHOLE = 5000
"""Whole numbers over a wider range are typed, not dialled."""


def title(name: str) -> str:
    """``clip_limit`` as "Clip limit"."""
    return name.replace("_", " ").replace("-", " ").capitalize()


def controls(enhancer: Enhancer, values: dict[str, Any]) -> list[dict[str, Any]]:
    """What the chain editor draws for each parameter: its kind, bounds, step, choices, help and present value."""
    found = []
    for name, field in enhancer.params.model_fields.items():
        value = values.get(name, field.get_default(call_default_factory=True))
        value = value.value if isinstance(value, Enum) else value
        found.append({"name": name, "label": title(name), "help": field.description, "value": value, **_kind(field)})
    return found


def _kind(field: FieldInfo) -> dict[str, Any]:
    kind = field.annotation
    if get_origin(kind) is Literal:
        return {"kind": "choice", "choices": list(get_args(kind))}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"kind": "choice", "choices": [item.value for item in kind]}
    if kind is bool:
        return {"kind": "switch"}
    if kind is int or kind is float:
        return dial(field) or {"kind": "number", "whole": kind is int}
    return {"kind": "text"}


def dial(field: FieldInfo) -> dict[str, Any] | None:
    """Range of a bounded number as a slider shows it; None where it has no two bounds or too many whole values.

    A positive range over more than two decades is dialled on a logarithmic scale.
    """
    integer = field.annotation is int
    low, high = _bounds(field)
    if field.annotation not in (int, float) or low is None or high is None:
        return None
    if integer and high - low > WIDEST_WHOLE:
        return None
    step = 1 if integer else _step(float(high - low))
    log = not integer and low > 0 and high / low >= 50
    return {"kind": "dial", "low": low, "high": high, "step": step, "log": log, "whole": integer}


def _bounds(field: FieldInfo) -> tuple[Any, Any]:
    low = high = None
    nudge: Any = 1 if field.annotation is int else 1e-3
    for rule in field.metadata:
        if isinstance(rule, Ge):
            low = rule.ge
        elif isinstance(rule, Le):
            high = rule.le
        elif isinstance(rule, Gt):
            above: Any = rule.gt
            low = above + nudge
        elif isinstance(rule, Lt):
            below: Any = rule.lt
            high = below - nudge
    return low, high


def _step(span: float) -> float:
    for step in (0.001, 0.01, 0.05, 0.1, 0.5, 1.0):
        if span / step <= 200:
            return step
    return span / 200
