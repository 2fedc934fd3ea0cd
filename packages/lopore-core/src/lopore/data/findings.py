"""What a check of a data set says: one finding a fault, and the report that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from lopore.messages import counted, plain

from .manifest_row import Row

Level: TypeAlias = Literal["error", "warning"]
MOST_PATHS = 1000
HAS, IS = ("image has", "images have"), ("image is", "images are")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. code: stable, kebab-case. paths: what it concerns (at most 1000)."""

    level: Level
    code: str
    message: str
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = [plain(path, 200) for path in self.paths[:3]]
        shown = f": {', '.join(named)}" if named and named[0] not in self.message else ""
        more = f" and {len(self.paths) - 3} more" if len(self.paths) > 3 else ""
        return f"{self.level}  {self.code}  {self.message}{shown}{more}"


@dataclass(frozen=True)
class CheckReport:
    """All findings, errors first, and the facts of the set."""

    findings: tuple[Finding, ...]
    facts: dict[str, Any]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "warning")

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        listed = [
            {"level": f.level, "code": f.code, "message": f.message, "paths": list(f.paths)} for f in self.findings
        ]
        return {**self.facts, "errors": len(self.errors), "warnings": len(self.warnings), "findings": listed}


def about(level: Level, code: str, rows: Iterable[Row], one: str, many: str, rest: str) -> Iterator[Finding]:
    """One finding on these rows, if there are any: their number, ``one`` or ``many`` behind it, and the rest."""
    paths = tuple(row.path for row in rows)
    if paths:
        yield Finding(level, code, f"{counted(len(paths), one, many)} {rest}", paths[:MOST_PATHS])
