"""Which distributions name a plugin in entry-point group ``lopore``; one garbled list spoils no other."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from importlib.metadata import EntryPoint, distributions, entry_points
from typing import Any

from .problems import Problem, bare, describe_error, one_line

GROUP = "lopore"


def distribution_name(entry: EntryPoint) -> str:
    """The distribution that an entry point belongs to, in the spelling that ``LOPORE_BLOCK`` takes."""
    return normal_name(entry.dist.name if entry.dist is not None and entry.dist.name else entry.name)


def normal_name(name: str) -> str:
    """A distribution's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def blocked_names() -> set[str]:
    """The distributions that ``LOPORE_BLOCK=NAME,NAME`` leaves out."""
    return {normal_name(name) for name in os.environ.get("LOPORE_BLOCK", "").split(",") if name.strip()}


def source_of(entry: EntryPoint) -> str:
    """Distribution and version on one line."""
    if entry.dist is None or not entry.dist.name:
        return one_line(entry.name)
    return one_line(f"{entry.dist.name} {entry.dist.version or '?'}")


def load_entry(entry: EntryPoint) -> Any:
    """The module or object that an entry point names; ImportError where its text names none."""
    if EntryPoint.pattern.match(entry.value) is None:
        raise ImportError(f"entry point '{entry.name} = {entry.value[:60]}' names no module")
    return entry.load() if entry.attr else importlib.import_module(entry.module)


def installed_entries() -> tuple[list[EntryPoint], list[Problem]]:
    """Every entry point of group ``lopore``, in name order, each once, and distributions whose lists cannot be read."""
    problems: list[Problem] = []
    try:
        found = list(entry_points(group=GROUP))
    except Exception:  # one garbled entry_points.txt spoils the list of all
        found = _one_by_one(problems)
    unique = {(distribution_name(entry), entry.name, entry.value): entry for entry in found}
    return [entry for _, entry in sorted(unique.items(), key=lambda pair: pair[0])], problems


def _one_by_one(problems: list[Problem]) -> list[EntryPoint]:
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            name = normal_name(distribution.name)
            if name not in seen:  # the first on the path shadows the others
                seen.add(name)
                found += distribution.entry_points.select(group=GROUP)
        except Exception as error:
            source = one_line(str(getattr(distribution, "_path", "a distribution")).rsplit(os.sep, 1)[-1])
            with contextlib.suppress(Exception):
                source = one_line(f"{distribution.name} {distribution.version}")
            reason = f"its entry_points.txt cannot be read ({describe_error(error)})"
            problems.append(Problem(source, "metadata", reason, error, f"reinstall {bare(source)}"))
    return found
