"""The trail: append, read, close."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lopore.errors import ConfigError, DataError, LoporeError
from lopore.messages import plain

from .chain import KINDS, AuditRecord, Draft, chained

if TYPE_CHECKING:
    from sqlalchemy import Engine

NEEDED = "records need SQLAlchemy; pip install 'lopore-core[records]', for PostgreSQL 'lopore-core[postgresql]'"


@dataclass(frozen=True)
class Receipt:
    """What a record can be found and checked by later."""

    number: int
    id: str
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


class AuditTrail:
    """Records in one database. Every method raises LoporeError, in one line, where the database does not answer."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name

    def append(self, drafts: Sequence[Draft]) -> list[Receipt]:
        """Write all or none, in order; they are on the disk of the database when this returns."""
        from sqlalchemy import insert, update

        from .database import HEAD, RECORDS

        if not drafts:
            return []
        with self._answers(), self.engine.begin() as link:
            # this row is locked until the end: several writers make one chain
            locked = update(HEAD).values(number=HEAD.c.number).returning(HEAD.c.number, HEAD.c.hash)
            number, previous = link.execute(locked).one()
            rows: list[AuditRecord] = []
            for draft in drafts:
                rows.append(chained(draft, number + len(rows) + 1, rows[-1].hash if rows else previous))
            link.execute(insert(RECORDS), [asdict(row) for row in rows])
            link.execute(update(HEAD).values(number=rows[-1].number, hash=rows[-1].hash))
        return [Receipt(row.number, row.id, row.hash) for row in rows]

    def records(self, *, kind: str | None = None, about: str | None = None, newest: int = 0) -> Iterator[AuditRecord]:
        """Records in order, streamed. newest: only so many of the last ones; 0 for all."""
        from sqlalchemy import select

        from .database import RECORDS

        if kind is not None and kind not in KINDS:
            raise ConfigError(f"no kind '{plain(kind, 40)}' of records; allowed are {', '.join(KINDS)}")
        asked = select(RECORDS).order_by(RECORDS.c.number)
        asked = asked.where(RECORDS.c.kind == kind) if kind else asked
        asked = asked.where(RECORDS.c.about == about) if about else asked
        if newest:
            last = asked.order_by(None).order_by(RECORDS.c.number.desc()).limit(newest).subquery()
            asked = select(last).order_by(last.c.number)
        with self._answers(), self.engine.connect().execution_options(reads=True, yield_per=500) as link:
            for row in link.execute(asked):
                yield AuditRecord(*row)

    def find(self, text: str) -> AuditRecord:
        """A record by its number, its id, or the id's first letters (8 at least). DataError for none or several."""
        from sqlalchemy import select

        from .database import RECORDS

        exact = RECORDS.c.number == int(text) if text.isdecimal() and len(text) < 8 else RECORDS.c.id == text
        begins = RECORDS.c.id.startswith(text, autoescape=True) if len(text) >= 8 else exact
        with self._answers(), self.engine.connect().execution_options(reads=True) as link:
            rows = link.execute(select(RECORDS).where(exact | begins).limit(2)).all()
        if len(rows) != 1:
            found = "several records begin" if rows else "no record begins"
            raise DataError(f"{found} with '{plain(text, 40)}' in {self.name}; `lopore records list` shows all")
        return AuditRecord(*rows[0])

    @contextmanager
    def _answers(self) -> Iterator[None]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            raise trouble(self.name, error) from None

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def trouble(name: str, error: Exception) -> LoporeError:
    """A database's error in one line, without the statement and its values."""
    why = plain(getattr(error, "orig", None) or error, 200)
    return LoporeError(f"the records in {name} cannot be used ({why}); mend that, nothing half was written")


def open_trail(location: str, *, create: bool = False) -> AuditTrail:
    """The records of a folder or of an address ``postgresql://...``.

    create: make folder and tables where they are not there. Raises ConfigError where SQLAlchemy or a driver is not
    installed, DataError where there are no records, LoporeError where the database does not answer.
    """
    try:
        from sqlalchemy import inspect
        from sqlalchemy.exc import SQLAlchemyError
    except ModuleNotFoundError:
        raise ConfigError(NEEDED) from None
    from .database import RECORDS, engine_of, make_tables, url_of

    url = url_of(location)
    local = Path(url.database or "") if url.get_backend_name() == "sqlite" else None
    name = str(local) if local else url.render_as_string(hide_password=True)
    if local is not None and not create and not local.is_file():
        raise DataError(f"no records in {local.parent}; name the folder that the service or the app writes to")
    try:
        if local is not None and create:
            local.parent.mkdir(parents=True, exist_ok=True)
        engine = engine_of(url)
        if create:
            make_tables(engine)
        elif not inspect(engine).has_table(RECORDS.name):
            raise DataError(f"no records in {name}; name the place that the service or the app writes to")
    except (SQLAlchemyError, OSError) as error:
        raise trouble(name, error) from None
    return AuditTrail(engine, name)
