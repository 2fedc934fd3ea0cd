"""Films on disk, for the visitors who asked for it. No Streamlit in here.

A film is a file named by its own sha256; the name that a visitor gave it stands in a table alone. The films of one
visitor are a *work*. Its key is a secret that the visitor's address of the page holds: who has it opens the work, and
nobody is offered another one. The table holds the key's sha256, so that who reads the folder cannot make an address.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lopore.atomic_files import atomic_write_bytes
from lopore.errors import LoporeError
from lopore.messages import counted
from lopore_app.inspection.upload import Upload
from lopore_app.sqlite_file import opened_for_a_change

FILE_NAME, FILMS = "lopore-films.sqlite", "films"
MOST_FILMS, MOST_BYTES = 200, 512 << 20
"""Of one work: all of it is in memory while it is looked at."""
FREE_BYTES = 1 << 30
"""Left free on the disk, whatever is asked for."""
_KEY = re.compile(r"[0-9a-f]{32}")
_TABLE = """CREATE TABLE IF NOT EXISTS films (
  work TEXT NOT NULL, film TEXT NOT NULL, name TEXT NOT NULL, bytes INTEGER NOT NULL, kept TEXT NOT NULL,
  PRIMARY KEY (work, film))"""


def new_key() -> str:
    """The key of a work that does not exist yet."""
    return secrets.token_hex(16)


def is_key(text: object) -> bool:
    """Whether an address holds a key of a work."""
    return isinstance(text, str) and _KEY.fullmatch(text) is not None


class FilmStore:
    """The films of one folder. Raises LoporeError in one line where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._base, self._films = folder / FILE_NAME, folder / FILMS

    def keep(self, key: str, uploads: Iterable[Upload]) -> None:
        """Keep films under the key of a work; those that it has already stay as they are."""
        work = _stored(key)
        with self._open() as link:
            for upload in uploads:
                if link.execute("SELECT 1 FROM films WHERE work = ? AND film = ?", (work, upload.sha256)).fetchone():
                    continue
                self._check_room(link, work, upload)
                place = self._place(upload.sha256)
                if not place.is_file():
                    atomic_write_bytes(place, upload.content)
                now = datetime.now(UTC).isoformat(timespec="seconds")
                row = work, upload.sha256, upload.name, len(upload.content), now
                link.execute("INSERT INTO films VALUES (?, ?, ?, ?, ?)", row)

    def open_work(self, key: str) -> tuple[tuple[Upload, ...], tuple[str, ...]]:
        """The films of a work in the order they came, and why others of it cannot be opened, one line each."""
        with self._open() as link:
            rows = link.execute(
                "SELECT film, name FROM films WHERE work = ? ORDER BY rowid", (_stored(key),)
            ).fetchall()
        films, problems = [], []
        for sha256, name in rows:
            try:
                content = self._place(sha256).read_bytes()
            except OSError:
                problems.append(f"{name}: the kept file is gone; drop the film once more")
                continue
            upload = Upload.of(name, content)
            if upload.sha256 == sha256:
                films.append(upload)
            else:
                problems.append(f"{name}: the kept file is not the one that was dropped; drop the film once more")
        return tuple(films), tuple(problems)

    def forget(self, key: str) -> int:
        """Delete the films of a work, but for those that another work keeps; how many the work had."""
        work = _stored(key)
        with self._open() as link:
            held = [film for (film,) in link.execute("SELECT film FROM films WHERE work = ?", (work,)).fetchall()]
            link.execute("DELETE FROM films WHERE work = ?", (work,))
            for film in held:
                if link.execute("SELECT 1 FROM films WHERE film = ?", (film,)).fetchone() is None:
                    self._place(film).unlink(missing_ok=True)
        return len(held)

    def _place(self, sha256: str) -> Path:
        return self._films / sha256

    def _check_room(self, link: sqlite3.Connection, work: str, upload: Upload) -> None:
        count, size = link.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM films WHERE work = ?", (work,)
        ).fetchone()
        if count >= MOST_FILMS or size + len(upload.content) > MOST_BYTES:
            raise LoporeError(
                f"no more films are kept: a work holds {counted(MOST_FILMS, 'film')} and {MOST_BYTES >> 20} MB at "
                f"most, and this one has {counted(count, 'film')} of {size >> 20} MB; delete the kept films first"
            )
        if shutil.disk_usage(self._films).free - len(upload.content) < FREE_BYTES:
            raise LoporeError("no more films are kept: the server's disk is nearly full")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._films.mkdir(parents=True, exist_ok=True, mode=0o700)
            with opened_for_a_change(self._base, _TABLE, alone=True) as link:  # nobody deletes a file about to be kept
                yield link
        except (sqlite3.Error, OSError) as error:
            raise LoporeError(
                f"films cannot be kept in this server's folder ({error}); save the session as a file"
            ) from None


def _stored(key: str) -> str:
    if not is_key(key):
        raise LoporeError("the address holds no key of a work; open the address that the page had")
    return hashlib.sha256(key.encode()).hexdigest()
