"""What each field of a descriptor has to be; asked when one is made, so that no wrong one spreads."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import PurePath
from typing import Any

from lopore.errors import PluginError

from .params import Params

_NAME = re.compile(r"^[a-z0-9]+([-_.][a-z0-9]+)*[+]*$")
_STEP = re.compile(r"^[a-z0-9.+_-]+\s*[(|]")
TITLE_LENGTH, TEXT_LENGTH = 80, 2000
Rule = tuple[Callable[[Any], bool], str]


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 100 and _NAME.match(value) is not None


def _are_names(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_name, value))


def _are_modules(value: Any) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(name, str) and all(part.isidentifier() for part in name.split(".")) for name in value
    )


def _is_bound(value: Any) -> bool:
    return type(value) in (int, float) and value == value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_LENGTH


def _is_file_name(value: Any) -> bool:
    return isinstance(value, str) and value not in ("", ".", "..") and PurePath(value).name == value


def _is_preset(title: Any, steps: Any) -> bool:
    return (
        isinstance(title, str)
        and 0 < len(title.strip()) <= TITLE_LENGTH
        and title.isprintable()
        and not _STEP.match(title)
        and isinstance(steps, list | tuple)
        and all(isinstance(step, Mapping) and isinstance(step.get("name"), str) for step in steps)
    )


def _are_presets(value: Any) -> bool:
    return isinstance(value, Mapping) and all(_is_preset(*pair) for pair in value.items())


def _are_formats(value: Any) -> bool:
    return bool(value) and (value == ("*",) or _are_names(value))


def _takes(count: int, optional: bool = False) -> Rule:
    """A callable that can be called with ``count`` values; of builtins that tell no signature only that."""

    def fits(value: Any) -> bool:
        if value is None:
            return optional
        if not callable(value):
            return False
        try:
            inspect.signature(value).bind(*[None] * count)
        except TypeError:
            return False
        except ValueError:
            return True
        return True

    return fits, f"{'None or ' * optional}a function of {count} argument{'s' * (count != 1)}"


_LETTERS = "small letters and digits joined by - _ or ."
_GROUPS: Mapping[str, Rule] = {
    "name framework format native_format": (_is_name, _LETTERS),
    "formats tasks": (lambda value: bool(value) and _are_names(value), "a tuple of names, at least one"),
    "pretrained": (_are_names, "a tuple of names"),
    "runtime": (_are_modules, "a tuple of names of modules"),
    "summary scale source explanation_layer install": (_is_text, "text of at most 2000 letters"),
    "file_name": (_is_file_name, "a plain file name without folders"),
    "params": (lambda value: isinstance(value, type) and issubclass(value, Params), "a subclass of Params"),
    "presets": (_are_presets, "title -> steps {'name': ...}, the title a few words that do not read like a step"),
    "preview_only exact_cam segmentation quantised": (lambda value: isinstance(value, bool), "True or False"),
    "calibrated averages weighs_classes higher_is_better": (lambda value: isinstance(value, bool), "True or False"),
    "default_size": (lambda value: type(value) is int and 1 <= value <= 16384, "a side in pixels"),
    "preference": (lambda value: type(value) is int, "a whole number"),
    "lowest highest": (_is_bound, "a number; infinity where there is no bound"),
    "tolerance": (lambda value: type(value) in (int, float) and 0 <= value <= 1, "a number from 0 to 1"),
    "needs": (lambda value: value in ("gradients", "features", "nothing"), "gradients, features or nothing"),
    "devices process_rank": _takes(0),
    "build learner fits": _takes(1),
    "reach family export_weights opens_film": _takes(1, optional=True),
    "apply export listen": _takes(2),
    "lookup motion": _takes(2, optional=True),
    "opens explain": _takes(3),
    "compute": _takes(3),
    "import_weights moves rows": _takes(3, optional=True),
    "survey changes": _takes(4, optional=True),
}
RULES: Mapping[str, Rule] = {name: rule for names, rule in _GROUPS.items() for name in names.split()}
"""What each field has to be, and how that is said."""


def check_fields(descriptor: Any) -> None:
    """PluginError in one line for the first field that is not what the contract says."""
    kind = type(descriptor).__name__
    name = str(getattr(descriptor, "name", getattr(descriptor, "framework", "")))[:60]
    for item in fields(descriptor):
        if item.name not in RULES:
            continue
        fits, wanted = RULES[item.name]
        value = getattr(descriptor, item.name)
        if item.name == "formats" and kind == "Explainer":
            fits, wanted = _are_formats, "a tuple of names of formats, or ('*',)"
        if item.name == "needs" and kind == "Callback":
            fits, wanted = _are_modules, "a tuple of names of modules"
        if item.name == "export" and getattr(descriptor, "calibrated", False):
            fits, wanted = _takes(3)
        if not fits(value):
            raise PluginError(f"{item.name} of {kind} '{name}' is {_shown(value)}; it is {wanted}")


def check_parameters(owner: str, params: type[Params]) -> None:
    """The parameters draw controls, ``--list`` and the record of a chain: they need defaults and JSON."""
    try:
        params().model_dump_json()
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise PluginError(
            f"params of {owner} cannot be made and written as JSON "
            f"({type(error).__name__}: {text}); every field has a default and a plain type"
        ) from error


def _shown(value: Any) -> str:
    """A value on one line, of a function its arguments."""
    if callable(value) and not isinstance(value, type):
        try:
            return f"a function of {inspect.signature(value)}"[:80]
        except (TypeError, ValueError):
            return "a callable"
    return " ".join(repr(value).split())[:80]
