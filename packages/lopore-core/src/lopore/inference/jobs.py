"""Many films on one machine or on many: which films are whose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from lopore.errors import ConfigError

T = TypeVar("T")


def parse_shard(text: str) -> tuple[int, int]:
    """(number, count) of ``3/64``; ConfigError in one line for anything else."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigError(f"shard {text[:40]!r} is none; write I/N with I from 1 to N, such as 3/64")
    return int(match[1]), int(match[2])


def shard_of(items: Sequence[T], shard: tuple[int, int]) -> list[T]:
    """The items of one shard: every N-th; the shards of one list hold each item once."""
    number, count = shard
    return list(items[number - 1 :: count])


def folder_names(paths: Sequence[Path]) -> list[str]:
    """One folder name a film: its stem, with as much of its path before it as tells it from the others."""
    stems = Counter(path.stem.casefold() for path in paths)
    names = []
    for path in paths:
        name = path.stem if stems[path.stem.casefold()] == 1 else "__".join((*path.parent.parts[-2:], path.name))
        names.append(re.sub(r"[^\w.+-]+", "_", name, flags=re.UNICODE).strip(".")[:120] or "film")
    again = Counter(name.casefold() for name in names)
    return [name if again[name.casefold()] == 1 else f"{name}__{number}" for number, name in enumerate(names, start=1)]
