"""Where records lie: an SQLite file in write-ahead mode, or PostgreSQL; tables that refuse changes."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from lopore.errors import ConfigError
from lopore.messages import plain

from .chain import GENESIS

PASSWORD_FILE = "LOPORE_RECORDS_PASSWORD_FILE"
"""Names a file with the password, so that it stands in no address, command line or variable."""
FILE_NAME = "lopore-records.sqlite"
METADATA = MetaData()
RECORDS = Table(
    "lopore_records", METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("written", String(40), nullable=False),
    Column("about", String(32)),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)  # fmt: skip
HEAD = Table(
    "lopore_records_head", METADATA,
    Column("one", Integer, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)  # fmt: skip
"""One row: number and hash of the newest record. Who appends changes it first, and so waits for the one before."""

_REFUSALS = {
    "sqlite": tuple(
        f"CREATE TRIGGER IF NOT EXISTS lopore_no_{word.lower()} BEFORE {word} ON lopore_records "
        "BEGIN SELECT RAISE(ABORT, 'records are append-only'); END"
        for word in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        """CREATE OR REPLACE FUNCTION lopore_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'records are append-only'; END $$""",
        """CREATE OR REPLACE TRIGGER lopore_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lopore_records
        FOR EACH STATEMENT EXECUTE FUNCTION lopore_append_only()""",
    ),
}
_MAKING = 0x6C6F706F  # an advisory lock: two services that start together make the tables once


def url_of(location: str) -> URL:
    """Where ``location`` is: a folder, or an address such as postgresql://user@host/base. ConfigError for another."""
    if "://" not in location:
        return URL.create("sqlite", database=str(Path(location) / FILE_NAME))
    try:
        url = make_url(location)
    except ArgumentError:
        raise ConfigError("the address of the records is none; write postgresql://USER@HOST/BASE") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+pg8000")
    if url.password is None and (secret := os.environ.get(PASSWORD_FILE)):
        url = url.set(password=_password(Path(secret)))
    if url.get_backend_name() not in _REFUSALS:
        raise ConfigError(
            f"records in '{plain(url.drivername, 40)}' are not known; name a folder, or postgresql://USER@HOST/BASE"
        )
    return url


def _password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{PASSWORD_FILE} names {path}, which cannot be read ({error}); name a text file") from None


def engine_of(url: URL) -> Engine:
    """The database behind an address. ConfigError where its driver is not installed."""
    try:
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url, connect_args={"timeout": 60, "check_same_thread": False})
            event.listen(engine, "connect", _durable)
            event.listen(engine, "begin", _begin)
            return engine
        return create_engine(url, pool_pre_ping=True, pool_size=2)
    except (ModuleNotFoundError, NoSuchModuleError):
        raise ConfigError(
            f"no driver for '{url.drivername}' is installed; pip install 'lopore-core[postgresql]'"
        ) from None


def _durable(link: object, _: object) -> None:
    """A commit is on the disk when it returns; readers do not wait for it."""
    link.isolation_level = None  # type: ignore[attr-defined]  # of sqlite3: SQLAlchemy begins, see below
    for words in ("journal_mode=WAL", "synchronous=FULL"):
        link.execute(f"PRAGMA {words}")  # type: ignore[attr-defined]


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def make_tables(engine: Engine) -> None:
    """Make the tables where they are not there yet, with triggers that refuse changes."""
    with engine.begin() as link:
        if engine.dialect.name == "postgresql":
            link.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")
        METADATA.create_all(link)
        if link.execute(select(HEAD.c.one)).first() is None:
            link.execute(insert(HEAD).values(one=1, number=0, hash=GENESIS))
            for words in _REFUSALS[engine.dialect.name]:
                link.exec_driver_sql(words)
