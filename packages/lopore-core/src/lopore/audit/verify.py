"""Whether a chain is whole: every byte, every row, their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lopore.errors import ConfigError, LoporeError
from lopore.messages import plain

from .chain import GENESIS, AuditRecord, hash_of
from .trail import AuditTrail, trouble

MOST_FAULTS = 20


@dataclass(frozen=True)
class Fault:
    """What is wrong, and at which record; 0 for the database as a whole."""

    number: int
    what: str


@dataclass(frozen=True)
class Verification:
    """records: how many there are. head: hash of the newest. faults: the first of them, none for a whole chain."""

    records: int
    head: str
    faults: tuple[Fault, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    def as_data(self) -> dict[str, Any]:
        """As plain data."""
        faults = [{"number": one.number, "what": one.what} for one in self.faults]
        return {"records": self.records, "head": self.head, "sound": self.sound, "faults": faults}


def verify(trail: AuditTrail, *, expected: str | None = None) -> Verification:
    """Read every record and compute its hash anew.

    expected: a receipt NUMBER:HASH that was noted elsewhere; it finds a chain that was written anew as a whole.
    Raises ConfigError for a receipt that is none.
    """
    receipt = _receipt(expected) if expected is not None else None
    faults: list[Fault] = []
    count, head, wanted = 0, GENESIS, 1
    try:
        faults += _damage(trail)
        for row in trail.records():
            faults += _faults_of(row, wanted, head)
            if receipt is not None and row.number == receipt[0]:
                if row.hash != receipt[1]:
                    faults.append(Fault(row.number, "its hash is not that of the receipt"))
                receipt = None
            count, head, wanted = count + 1, row.hash, row.number + 1
            if len(faults) >= MOST_FAULTS:
                break
        else:
            faults += _end(trail, wanted - 1, head)
    except LoporeError as error:
        faults.append(Fault(count + 1, str(error)))
    if receipt is not None and len(faults) < MOST_FAULTS:
        faults.append(Fault(receipt[0], "the record of the receipt is not there"))
    return Verification(count, head, tuple(faults[:MOST_FAULTS]))


def _faults_of(row: AuditRecord, wanted: int, previous: str) -> list[Fault]:
    found = []
    if row.number != wanted:
        gone = f"record {wanted} is" if row.number == wanted + 1 else f"records {wanted} to {row.number - 1} are"
        found.append(Fault(row.number, f"{gone} missing before it"))
    elif row.previous != previous:
        found.append(Fault(row.number, "it does not follow the record before it"))
    if hash_of(row.number, row.id, row.kind, row.written, row.about, row.body, row.previous) != row.hash:
        found.append(Fault(row.number, "its content is not what was written"))
    return found


def _end(trail: AuditTrail, number: int, head: str) -> list[Fault]:
    """Rows that are missing at the end, where no later row would tell."""
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    from .database import HEAD, RECORDS

    try:
        with trail.engine.connect().execution_options(reads=True) as link:
            last = link.execute(select(HEAD.c.number, HEAD.c.hash)).first()
            later = link.execute(select(RECORDS.c.number).where(RECORDS.c.number > number).limit(1)).first()
    except SQLAlchemyError as error:
        raise trouble(trail.name, error) from None
    if last is None:
        return [Fault(0, "the row that names the newest record is missing")]
    if tuple(last) == (number, head) or later is not None:  # a service may append meanwhile
        return []
    if last.number > number:
        return [Fault(last.number, f"records {number + 1} to {last.number} are missing at the end")]
    return [Fault(number, "the newest record is another than was written")]


def _damage(trail: AuditTrail) -> list[Fault]:
    """What SQLite finds in its own file."""
    from sqlalchemy.exc import SQLAlchemyError

    if trail.engine.dialect.name != "sqlite":
        return []
    try:
        with trail.engine.connect().execution_options(reads=True) as link:
            said = [str(row[0]) for row in link.exec_driver_sql("PRAGMA integrity_check(5)")]
    except SQLAlchemyError as error:
        return [Fault(0, str(trouble(trail.name, error)))]
    return [] if said == ["ok"] else [Fault(0, f"the file is damaged: {plain(line, 120)}") for line in said]


def _receipt(text: str) -> tuple[int, str]:
    number, _, link = text.strip().partition(":")
    if not number.isdecimal() or len(number) > 18 or len(link) != 64:
        raise ConfigError(f"receipt {plain(text, 80)} is none; write NUMBER:HASH as it was given, 64 digits behind ':'")
    return int(number), link.lower()
