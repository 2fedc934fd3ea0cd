"""Files that appear whole or not at all, and their checksums."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import LoporeError


def sha256_of(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def lock_file(handle: IO[bytes]) -> None:
    """Hold an open file for this process alone, until it ends or closes it; OSError where another process holds it."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        return
    import fcntl

    fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut (POSIX; a no-op where folders cannot be opened)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_DISK_SAYS_NO = {*_DISK_IS_FULL, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


def cannot_write(path: Path, error: OSError) -> LoporeError:
    """The error to raise where the disk is full or the folder is read-only, in one line."""
    return LoporeError(f"{path} cannot be written ({error.strerror}); free space or choose a writable folder")


def disk_errors_explained(error: BaseException) -> str:
    """One line where this error, or the one that it came from, is of a full or read-only disk; else empty."""
    for one in (error, error.__cause__):
        if isinstance(one, OSError) and one.errno in _DISK_IS_FULL:
            reason = error if isinstance(error, LoporeError) else cannot_write(Path(one.filename or "a file"), one)
            return str(reason)
    return ""


def _sibling(path: Path) -> Path:
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.part")


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: temporary file beside it, fsync, rename, fsync of the folder.

    Raises LoporeError in one line where the disk is full or the folder is read-only; an older file then stays.
    """
    temporary = _sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error
    sync_folder(path.parent)


def atomic_write_text(path: Path, text: str) -> None:
    """``atomic_write_bytes`` for UTF-8 text with Unix line ends."""
    atomic_write_bytes(path, text.encode("utf-8"))


@contextmanager
def atomic_text_stream(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 stream whose file appears as ``path`` when the block ends well, and goes when it does not.

    The file is opened at once, so that a read-only folder is told before the work, not after it.
    Raises LoporeError in one line where the disk is full or the folder is read-only; an older file then stays.
    """
    if path.is_dir():
        raise LoporeError(f"{path} is a folder; name a file")
    temporary = _sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("x", encoding="utf-8", newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno in _DISK_SAYS_NO:
            raise cannot_write(path, error) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that becomes ``target`` when the block ends well, and goes when it does not.

    Raises LoporeError where ``target`` already holds something, or the disk is full or read-only.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise LoporeError(f"{target} already exists and is not empty; choose another name or remove it")
    temporary = _sibling(target)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _sync_files(temporary)
        if target.exists():
            target.rmdir()
        temporary.replace(target)
    except OSError as error:
        if error.errno in _DISK_SAYS_NO:
            raise cannot_write(target, error) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(target.parent)


def _sync_files(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            # Windows syncs only what is open for writing; a copy of a read-only file cannot be.
            with suppress(PermissionError), path.open("r+b") as stream:
                os.fsync(stream.fileno())
