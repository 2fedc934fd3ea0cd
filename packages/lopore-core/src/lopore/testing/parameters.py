"""Parameters of an entry: what they promise, and the values worth trying: defaults, both ends of every range, every
choice."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, Protocol, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lopore.contracts import Params

from .check import require


class HasParameters(Protocol):
    """An enhancer, loss or augmentation step."""

    @property
    def params(self) -> type[Params]:
        """The model of its parameters."""
        ...


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


def defaults_are_valid(entry: HasParameters) -> None:
    """Parameters have defaults, come back from JSON unchanged, and an unknown one is refused."""
    require(
        isinstance(entry.params, type) and issubclass(entry.params, Params),
        f"params is {entry.params!r}; it is a subclass of lopore.contracts.Params",
    )
    needed = [name for name, field in entry.params.model_fields.items() if field.is_required()]
    require(not needed, f"{', '.join(needed)} has no default; every parameter has one")
    made = entry.params()
    again = entry.params.model_validate(made.model_dump(mode="json"))
    require(again == made, f"the defaults {made!r} come back from JSON as {again!r}")
    try:
        entry.params.model_validate({"no_such_parameter": 1})
    except ValidationError:
        return
    raise AssertionError("an unknown parameter is accepted in silence; keep extra='forbid' of Params")


def bounds_are_stated_and_hold(entry: HasParameters) -> None:
    """Every number has a lowest and a highest value, which draw its control, and refuses what lies beyond."""
    for name, field in entry.params.model_fields.items():
        if not is_number(field):
            continue
        low, high = bounds_of(field)
        if low is None or high is None:
            raise AssertionError(
                f"{name} has bounds {low} to {high}; give Field(ge=..., le=...) so that it is a slider"
            )
        for beyond in (low - 2 * abs(high - low) - 2, high + 2 * abs(high - low) + 2, float("nan")):
            require(_refuses(entry.params, name, beyond), f"{name}={beyond} is accepted; it says {low} to {high}")


def _refuses(params: type[Params], name: str, value: float) -> bool:
    try:
        params.model_validate({name: value})
    except ValidationError:
        return True
    return False
