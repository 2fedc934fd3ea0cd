"""What must stay together: rows joined by any key they share (a film number, a file name, a family of images)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from lopore.errors import ConfigError

from .name_forms import nfc

AUGMENTED = re.compile(r"^(.+?)\.rf\.[0-9A-Za-z]{6,64}(?=\.|$)")
"""Exports of one image with random changes: ``NAME.rf.<hash>.jpg``."""
MAX_PATTERN = 300


def name_key(path: str, pattern: re.Pattern[str] | None) -> str:
    """The part of a file name that its family shares, or an empty text.

    pattern: its first group, or the whole match without a group; None looks for ``NAME.rf.<hash>``.
    """
    found = (pattern or AUGMENTED).search(nfc(PurePosixPath(path).name))
    if not found:
        return ""
    return (found.group(1) if found.re.groups else found.group(0)) or ""


def compile_pattern(text: str) -> re.Pattern[str]:
    """A regular expression from outside; ConfigError where it is none."""
    if len(text) > MAX_PATTERN:
        raise ConfigError(f"--group-pattern has {len(text)} characters; at most {MAX_PATTERN} are taken")
    try:
        return re.compile(text)
    except re.error as error:
        message = f"--group-pattern {text[:60]!r} is no regular expression ({error})"
        raise ConfigError(f"{message}; one is such as '^(RRT-[0-9]+)'") from None


def join_groups(count: int, keys: Mapping[str, Sequence[str]]) -> list[str]:
    """One group name for each of ``count`` rows; rows that share a value under any source are one group.

    keys: source -> one value a row, empty where it has none. Values of different sources never meet.
    A group is named by its first value of the first source that names it; a row without any value gets "".
    """
    home = _joined(count, keys)
    names: dict[int, str] = {}
    taken: set[str] = set()
    for values in keys.values():
        for index, value in sorted(enumerate(values), key=lambda item: item[1]):
            if value and home[index] not in names:
                names[home[index]] = _free(value, taken)
                taken.add(names[home[index]])
    return [names.get(home[index], "") for index in range(count)]


def _joined(count: int, keys: Mapping[str, Sequence[str]]) -> list[int]:
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for values in keys.values():
        first: dict[str, int] = {}
        for index, value in enumerate(map(nfc, values)):
            if value:
                one, other = sorted((root(first.setdefault(value, index)), root(index)))
                parent[other] = one
    return [root(index) for index in range(count)]


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}~{number}", number + 1
    return free
