"""Many files on one machine or on many: which files are whose, where a shard writes, and how the parts become one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from lopore.atomic_files import atomic_text_stream
from lopore.errors import ConfigError, DataError

T = TypeVar("T")
Shard = tuple[int, int]
"""(number, count), from 1."""
MOST_NAMED = 10


def parse_shard(text: str) -> Shard:
    """(number, count) of ``3/64``; ConfigError in one line for anything else."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigError(f"shard {text[:40]!r} is none; write I/N with I from 1 to N, such as 3/64")
    return int(match[1]), int(match[2])


def shard_of(items: Sequence[T], shard: Shard) -> list[T]:
    """The items of one shard: a block of neighbours, so that the shards of a list one behind the other are the list."""
    number, count = shard
    return list(items[(number - 1) * len(items) // count : number * len(items) // count])


def part_path(out: Path, shard: Shard) -> Path:
    """Where a shard of the table ``out`` is written: ``answers.3-of-64.csv`` beside ``answers.csv``."""
    return out.with_name(f"{out.stem}.{shard[0]}-of-{shard[1]}{out.suffix}")


def finished_shards(shards: Iterable[Shard], out: Path) -> list[Shard]:
    """All shards of one job in order. DataError where some are missing or are of several jobs, and where none is."""
    found = sorted(set(shards))
    counts = sorted({count for _, count in found})
    if len(counts) != 1:
        said = f"of jobs with {' and '.join(map(str, counts))} shards" if counts else "there is none"
        raise DataError(f"no shards of one job beside {out}: {said}; name the --out that the shards were given")
    missing = sorted(set(range(1, counts[0] + 1)) - {number for number, _ in found})
    if missing:
        named = ", ".join(f"{number}/{counts[0]}" for number in missing[:MOST_NAMED])
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise DataError(f"{out}: shard {named}{more} of {counts[0]} is not finished; run it again, then merge")
    return found


def merge_tables(out: Path, count: int | None = None) -> list[Path]:
    """Write the table ``out`` from its parts, as one run would have; the parts.

    out: .csv, .json or .jsonl. count: only of a job with so many shards.
    Raises DataError where a part is missing or has other columns.
    """
    pattern = re.compile(rf"{re.escape(out.stem)}\.(\d{{1,6}})-of-(\d{{1,6}}){re.escape(out.suffix)}")
    names = [pattern.fullmatch(path.name) for path in out.parent.iterdir()] if out.parent.is_dir() else []
    found = [(int(name[1]), int(name[2])) for name in names if name]
    shards = finished_shards([shard for shard in found if count in (None, shard[1])], out)
    parts = [part_path(out, shard) for shard in shards]
    with atomic_text_stream(out) as stream:
        if out.suffix.lower() == ".json":
            stream.write(_one_list(parts))
        else:
            heading = ""
            for part in parts:
                with part.open(encoding="utf-8", newline="") as lines:
                    if out.suffix.lower() == ".csv":
                        first = lines.readline()
                        if heading and first and first != heading:
                            raise DataError(
                                f"{part} has other columns than the parts before it; merge those of one job"
                            )
                        stream.write("" if heading else first)
                        heading = heading or first
                    for line in lines:
                        stream.write(line)
    return parts


def _one_list(parts: Sequence[Path]) -> str:
    """JSON lists with an answer a line, as one list of the same form."""
    texts = [part.read_text(encoding="utf-8") for part in parts]
    answers = [text.removeprefix("[\n").removesuffix("\n]\n") for text in texts if text != "[]\n"]
    return f"[\n{f',{chr(10)}'.join(answers)}\n]\n" if answers else "[]\n"


def folder_names(paths: Sequence[Path]) -> list[str]:
    """One folder name a film: its stem, with as much of its path before it as tells it from the others."""
    stems = Counter(path.stem.casefold() for path in paths)
    names = []
    for path in paths:
        name = path.stem if stems[path.stem.casefold()] == 1 else "__".join((*path.parent.parts[-2:], path.name))
        names.append(re.sub(r"[^\w.+-]+", "_", name, flags=re.UNICODE).strip(".")[:120] or "film")
    again = Counter(name.casefold() for name in names)
    return [name if again[name.casefold()] == 1 else f"{name}__{number}" for number, name in enumerate(names, start=1)]
