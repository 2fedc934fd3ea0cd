"""Shards of an inspection of many films become one folder with one table."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from lopore.atomic_files import atomic_folder, atomic_write_text
from lopore.errors import DataError
from lopore.inference.jobs import Shard, finished_shards

from .inspection_folder import RECORD, read_inspection, write_summary

SHARDS = ".shards"
"""Folder below ``--out`` with one JSON file a finished shard: how many films, and which of them failed."""


def write_shard(out: Path, shard: Shard, films: int, failed: Sequence[str]) -> Path:
    """Say that a shard has come to its end."""
    path = out / SHARDS / f"{shard[0]}-of-{shard[1]}.json"
    atomic_write_text(path, json.dumps({"films": films, "failed": list(failed)}, indent=1) + "\n")
    return path


def merge_folders(out: Path, parts: Sequence[Path] = (), count: int | None = None) -> tuple[int, list[str]]:
    """``films.csv`` of all shards, which lie in ``out`` or in ``parts``, whose films are copied; (films, failed ones).

    count: only of a job with so many shards.
    Raises DataError where a shard has not come to its end, or where two parts hold different reports of one name.
    """
    shards: dict[Shard, list[str]] = {}
    films = 0
    for folder in (out, *parts):
        for path in sorted((folder / SHARDS).glob("*.json")):
            match = re.fullmatch(r"(\d{1,6})-of-(\d{1,6})", path.stem)
            shard = (int(match[1]), int(match[2])) if match is not None else (0, 0)
            if match is not None and shard not in shards and count in (None, shard[1]):
                state = json.loads(path.read_bytes())
                shards[shard] = [str(name) for name in state["failed"]]
                films += int(state["films"])
    order = finished_shards(shards, out)
    for part in parts:
        for record in sorted(part.glob(f"*/{RECORD}")):
            _copy(record.parent, out / record.parent.name)
    write_summary(out)
    return films, [name for shard in order for name in shards[shard]]


def _copy(folder: Path, target: Path) -> None:
    there = read_inspection(target)
    if there is not None:
        if there != read_inspection(folder):
            raise DataError(f"{folder} and {target} hold different reports; merge the shards of one job")
        return
    with atomic_folder(target) as making:
        shutil.copytree(folder, making, dirs_exist_ok=True)
