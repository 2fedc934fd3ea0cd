"""Reviews on disk, in an SQLite file of a folder that the user names. No Streamlit in here.

Hashes, marks and verdicts are kept, never pixels. Each reviewer has a review of each film of their own, so that no
second reader is led by the first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lopore.errors import LoporeError
from lopore_app.film.film_review import FilmReview
from lopore_app.film.two_tabs import merged
from lopore_app.sqlite_file import opened_for_a_change

FILE_NAME = "lopore-reviews.sqlite"
_TABLE = """CREATE TABLE IF NOT EXISTS reviews (
  film TEXT NOT NULL, page INTEGER NOT NULL, reviewer TEXT NOT NULL, review TEXT NOT NULL, saved TEXT NOT NULL,
  PRIMARY KEY (film, page, reviewer))"""


class ReviewStore:
    """The file of one folder. Raises LoporeError in one line where it cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with opened_for_a_change(self.path, _TABLE) as link:
                yield link
        except (sqlite3.Error, OSError) as error:
            raise LoporeError(
                f"the reviews in {self.path.name} cannot be kept ({error}); save the session as a file, and name "
                "another folder with --work"
            ) from None

    def save(self, review: FilmReview, reviewer: str, base: FilmReview | None = None) -> FilmReview:
        """Keep a review, and return what is kept: the review with what another tab or process kept since ``base``.

        base: what this side last read or kept; None for nothing.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._open() as link:
            link.execute("BEGIN IMMEDIATE")  # nobody writes between the look and the change
            stored = self._read(link, review.sha256, review.page, reviewer)
            if stored is not None:
                review = merged(review, stored, base)
            link.execute(
                "INSERT OR REPLACE INTO reviews VALUES (?, ?, ?, ?, ?)",
                (review.sha256, review.page, reviewer, review.to_json(), now),
            )
        return review

    def _read(self, link: sqlite3.Connection, sha256: str, page: int, reviewer: str) -> FilmReview | None:
        found = link.execute(
            "SELECT review FROM reviews WHERE film = ? AND page = ? AND reviewer = ?", (sha256, page, reviewer)
        ).fetchone()
        return None if found is None else FilmReview.from_json(found[0], source=self.path.name)

    def load(self, sha256: str, page: int, reviewer: str) -> FilmReview | None:
        """The review of a film by this reviewer; None where there is none."""
        with self._open() as link:
            return self._read(link, sha256, page, reviewer)

    def everything(self) -> tuple[tuple[str, FilmReview], ...]:
        """Every review with its reviewer."""
        with self._open() as link:
            rows = link.execute("SELECT reviewer, review FROM reviews ORDER BY saved").fetchall()
        return tuple((str(name), FilmReview.from_json(text, source=self.path.name)) for name, text in rows)
