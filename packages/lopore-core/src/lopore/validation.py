"""One line for each value that a settings file or a record has wrong, with the nearest allowed name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

from .messages import plain

# How pydantic names the branch of a union within the location of an error.
_UNION_TAG = re.compile(r"[a-z-]+\[.*\]$|[A-Z]\w*$")
# What a pattern allows, in words, by the key that has it.
_IN_WORDS = {
    "name": "1 to 64 letters a to z, digits, '.', '_' and '-' are allowed, no sign first",
    "device": "choose auto, cpu, mps, cuda, cuda:1, all, or several such as cuda:0,cuda:1",
    "pretrained_sha256": "a SHA-256 is 64 digits and letters a to f",
}
_MAPPING = re.compile(r"a valid dictionary( or instance of \w+)?")


def explain_validation(error: ValidationError, model: type[BaseModel]) -> str:
    """pydantic's findings in one line: where, what was got, what is allowed, the nearest key for a misspelt one."""
    found: dict[tuple[str, ...], str] = {}
    for item in error.errors():
        path = _path_of(item)
        if path in found and item["type"] in ("dict_type", "model_type"):
            found[path] += ", or a mapping"  # the other branch of a union
            continue
        found.setdefault(path, _explain_one(item, path, model))
    # A union tells of every branch: the one that was meant is the one that was understood deepest.
    deepest = [path for path in found if not any(path == other[: len(path)] != other for other in found)]
    return "; ".join(found[path] for path in deepest[:5])


def _path_of(item: Any) -> tuple[str, ...]:
    """Where a finding lies as the user wrote it, without the branches of unions that pydantic names."""
    if not item["loc"]:
        return ()
    *inner, last = map(str, item["loc"])
    branch = item["type"] != "extra_forbidden" and last.endswith("]") and _UNION_TAG.match(last)
    return (*(part for part in inner if not _UNION_TAG.match(part)), *([] if branch else [last]))


def _explain_one(item: Any, path: tuple[str, ...], model: type[BaseModel]) -> str:
    where = plain(".".join(path), 120)
    if item["type"] == "extra_forbidden":
        known = list(_fields_at(model, path[:-1]))
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        section = next(_places(model, path[-1]), "")
        hint = f"did you mean '{near[0]}'?" if near else f"allowed: {', '.join(known)}"
        return f"unknown key '{where}', {f'it belongs under {section}' if section else hint}"
    value = item["input"]
    got = f" (got {plain(repr(value), 60)})" if isinstance(value, (str, int, float)) else ""
    if value is None or isinstance(value, date):
        got = f" (got {'nothing' if value is None else value})"
    if item["type"] == "string_type" and isinstance(value, (int, float, date)):
        got += "; put it in quotes"
    if item["type"] == "missing":
        got = ""
    message = item["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    message = _MAPPING.sub("a mapping", message)
    if item["type"] == "path_type":
        message = "a path is needed"
    if item["type"] == "string_pattern_mismatch":
        message = _IN_WORDS.get(path[-1], message)
    return f"{where}: {message}{got}" if where else f"{message}{got}"


def _sections(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Fields of a model that are models themselves, unions with other things included."""
    found = {}
    for name, field in model.model_fields.items():
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if nested:
            found[name] = nested[0]
    return found


def _fields_at(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    for name in path:
        model = _sections(model).get(name, model)
    return list(model.model_fields)


def _places(model: type[BaseModel], key: str, path: str = "") -> Iterator[str]:
    for name, section in _sections(model).items():
        here = f"{path}.{name}" if path else name
        if key in section.model_fields:
            yield here
        yield from _places(section, key, here)
