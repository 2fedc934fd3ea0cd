"""An enhancer's parameter model as Streamlit controls: bounds, defaults and texts come from the model."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from lopore.contracts import Enhancer


def plain(text: object, limit: int = 120) -> str:
    """Text from outside with every sign that Streamlit's markdown reads escaped, on one line, bounded."""
    line = " ".join(str(text).split())[:limit]
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+-.!|<>~:$&" else sign for sign in line)


def parameters(enhancer: Enhancer, key: str, start: dict[str, Any] | None = None) -> dict[str, Any]:
    """Controls for every parameter of an enhancer; returns the values set. ``key`` keeps two steps apart."""
    values = {}
    for name, field in enhancer.params.model_fields.items():
        default = (start or {}).get(name, field.get_default(call_default_factory=True))
        values[name] = _control(name, field, default, f"{key}/{name}")
    return values


def _bounds(field: FieldInfo) -> tuple[Any, Any]:
    low = high = None
    for rule in field.metadata:
        if isinstance(rule, Ge | Gt):
            low = rule.ge if isinstance(rule, Ge) else rule.gt
        elif isinstance(rule, Le | Lt):
            high = rule.le if isinstance(rule, Le) else rule.lt
    return low, high


def _control(name: str, field: FieldInfo, default: Any, key: str) -> Any:
    label, text = name.replace("_", " ").capitalize(), field.description
    kind = field.annotation
    if get_origin(kind) is Literal:
        choices = list(get_args(kind))
        return st.selectbox(label, choices, index=choices.index(default), key=key, help=text)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.selectbox(label, list(kind), index=list(kind).index(default), key=key, help=text)
    if kind is bool:
        return st.toggle(label, value=default, key=key, help=text)
    if kind is int or kind is float:
        return _number(label, int if kind is int else float, default, _bounds(field), key, text)
    return st.text_input(label, value="" if default is None else str(default), key=key, help=text) or default


def _number(
    label: str, kind: type[int] | type[float], default: Any, bounds: tuple[Any, Any], key: str, text: str | None
) -> Any:
    low, high = bounds
    if low is None or high is None or (kind is int and high - low > 5000):
        least, most = (None if edge is None else kind(edge) for edge in (low, high))
        return st.number_input(label, min_value=least, max_value=most, value=kind(default), key=key, help=text)
    step = 1 if kind is int else _step(float(high - low))
    return st.slider(label, kind(low), kind(high), kind(default), step, key=key, help=text)


def _step(span: float) -> float:
    for step in (0.001, 0.01, 0.05, 0.1, 0.5, 1.0):
        if span / step <= 200:
            return step
    return span / 200
