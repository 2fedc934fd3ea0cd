"""The values worth trying of an enhancer's parameters: defaults, both ends of every range, every choice."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lopore.contracts import Params


def kinds_of(annotation: Any) -> list[Any]:
    """The alternatives of an annotation: the parts of a union, None left out, else itself."""
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return [kind for part in get_args(annotation) if part is not type(None) for kind in kinds_of(part)]
    return [annotation]


def is_number(field: FieldInfo) -> bool:
    return any(kind in (int, float) for kind in kinds_of(field.annotation))


def bounds_of(field: FieldInfo) -> tuple[float | None, float | None]:
    """Lowest and highest value that a numeric field says it takes, None where it says nothing.

    An excluded end (``gt``, ``lt``) is moved inwards: by 1 for whole numbers, by a thousandth of the range for others.
    """
    low: float | None = None
    high: float | None = None
    open_low = open_high = False
    for rule in field.metadata:
        if isinstance(rule, Ge | Gt):
            low, open_low = _number(rule.ge if isinstance(rule, Ge) else rule.gt), isinstance(rule, Gt)
        if isinstance(rule, Le | Lt):
            high, open_high = _number(rule.le if isinstance(rule, Le) else rule.lt), isinstance(rule, Lt)
    integer = int in kinds_of(field.annotation)
    margin = 1.0 if integer or low is None or high is None else (high - low) / 1000
    return (
        low + margin if low is not None and open_low else low,
        high - margin if high is not None and open_high else high,
    )


def _number(value: Any) -> float:
    return float(value)


def edge_values(field: FieldInfo) -> list[Any]:
    """Both ends of a range, or every choice; empty for what is neither."""
    values: list[Any] = []
    for kind in kinds_of(field.annotation):
        if kind is bool:
            values += [False, True]
        elif get_origin(kind) is Literal:
            values += get_args(kind)
        elif isinstance(kind, type) and issubclass(kind, Enum):
            values += list(kind)
        elif kind in (int, float):
            values += [kind(end) for end in bounds_of(field) if end is not None]
    return values


def variations(params: type[Params]) -> Iterator[tuple[str, Params]]:
    """The defaults, then one parameter at a time at an edge value; a value that other parameters forbid is left out."""
    yield "the defaults", params()
    for name, field in params.model_fields.items():
        for value in edge_values(field):
            try:
                changed = params.model_validate({name: value})
            except ValidationError:
                continue
            yield f"{name}={value}", changed
