"""One record, and the hash that ties it to the one before.

A record's hash is SHA-256 over its canonical row: number, id, kind, time, the record that it is about, its body, and
the previous record's hash. So an edited byte, a missing row or another order shows. Who can write to the database can
make a whole new chain: note the newest receipt (number and hash) elsewhere, and ``verify`` compares it.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

Kind = Literal["prediction", "indications", "verdict", "review"]
KINDS: tuple[Kind, ...] = get_args(Kind)
GENESIS = "0" * 64
"""What stands for the previous hash of the first record."""


def canonical(value: Any) -> str:
    """JSON in one form: keys sorted, no blanks, ASCII only. ValueError for NaN, which is no JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Draft:
    """What is to be recorded. about: id of the record that it belongs to, such as the prediction of a review."""

    kind: Kind
    body: Mapping[str, Any]
    about: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    written: str = field(default_factory=_now)


@dataclass(frozen=True)
class AuditRecord:
    """One row. number: from 1, without gaps. body: canonical JSON as it was hashed."""

    number: int
    id: str
    kind: str
    written: str
    about: str | None
    body: str
    previous: str
    hash: str

    @property
    def data(self) -> dict[str, Any]:
        """The body as plain data."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def as_data(self) -> dict[str, Any]:
        """The whole record as plain data, as it leaves for a program."""
        return {
            "number": self.number, "id": self.id, "kind": self.kind, "written": self.written, "about": self.about,
            "body": self.data, "previous": self.previous, "hash": self.hash,
        }  # fmt: skip


def hash_of(number: int, id: str, kind: str, written: str, about: str | None, body: str, previous: str) -> str:
    """SHA-256 of a row and the previous hash, 64 hex digits."""
    return hashlib.sha256(canonical([number, id, kind, written, about, body, previous]).encode()).hexdigest()


def chained(draft: Draft, number: int, previous: str) -> AuditRecord:
    """The draft as the row ``number`` behind a row with the hash ``previous``."""
    body = canonical(draft.body)
    link = hash_of(number, draft.id, draft.kind, draft.written, draft.about, body, previous)
    return AuditRecord(number, draft.id, draft.kind, draft.written, draft.about, body, previous, link)
