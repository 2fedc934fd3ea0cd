"""Limits of acceptance rules: small formulas of numbers and variables, such as ``min(0.3 * thickness, 4)``."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass

from lopore.errors import ConfigError

MOST_LETTERS = 200


class MissingVariableError(Exception):
    """A formula needs a variable that was not given; ``args[0]`` is its name."""


@dataclass(frozen=True)
class Limit:
    """A formula of numbers, variables, ``+ - * /``, ``min`` and ``max``; nothing else is run."""

    text: str
    variables: frozenset[str]
    _tree: ast.expr

    @classmethod
    def parse(cls, text: str | float) -> Limit:
        """ConfigError in one line for anything but such a formula."""
        written = str(text)
        if len(written) > MOST_LETTERS:
            raise ConfigError(f"limit of {len(written)} letters; at most {MOST_LETTERS} are read")
        try:
            tree = ast.parse(written, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ConfigError(f"limit {written!r} is no formula; write such as 4, or min(0.3 * thickness, 4)") from None
        return cls(written, frozenset(_names(tree, written)), tree)

    def value(self, variables: Mapping[str, float]) -> float:
        """The limit's number; MissingVariableError for one that is not given, ConfigError where there is no number."""
        try:
            number = _value(self._tree, variables)
        except ZeroDivisionError:
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(
                f"limit {self.text!r} has no value for {dict(variables)}; change the formula or the values"
            )
        return number


def _names(node: ast.expr, written: str) -> set[str]:
    """The variables of a formula, all parts of which are checked here."""
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float()):
            return set()
        case ast.Name(id=name):
            return {name}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _names(operand, written)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            return _names(left, written) | _names(right, written)
        case ast.Call(func=ast.Name(id="min" | "max"), args=[_, *_] as args, keywords=[]):
            return set().union(*(_names(part, written) for part in args))
    raise ConfigError(
        f"limit {written!r} holds {ast.unparse(node)[:40]!r}; allowed are numbers, variables, + - * /, min( ) and "
        "max( )"
    )


def _value(node: ast.expr, variables: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            if name not in variables:
                raise MissingVariableError(name)
            return variables[name]
        case ast.UnaryOp(operand=operand):
            return -_value(operand, variables)
        case ast.BinOp(left=left, op=op, right=right):
            one, two = _value(left, variables), _value(right, variables)
            match op:
                case ast.Add():
                    return one + two
                case ast.Sub():
                    return one - two
                case ast.Mult():
                    return one * two
            return one / two
        case ast.Call(func=ast.Name(id=name), args=args):
            numbers = [_value(part, variables) for part in args]
            return min(numbers) if name == "min" else max(numbers)
    raise ConfigError(f"{ast.unparse(node)!r} is no part of a limit")
