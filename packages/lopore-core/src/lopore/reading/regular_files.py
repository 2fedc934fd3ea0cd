"""Opening image files: regular ones only, bounded; and finding them in folders by content."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lopore.errors import ImageError

from .headers import Limits, sniff

_NAME_LENGTH = 200
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def display_name(name: str) -> str:
    """A name from outside as plain text: one line, no control or direction characters, at most 200 letters."""
    if not name.isprintable():
        name = "".join(letter for letter in name if letter.isprintable())
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"


def open_regular(path: Path, name: str, limits: Limits) -> int:
    """A file descriptor of a regular file within the limit of bytes. Raises ImageError.

    The kind is checked before opening, since opening a device can act on it, and again after, on what was opened.
    """
    try:
        _check_kind(path.stat(), name, limits)
        handle = os.open(path, _OPEN_FLAGS)
    except (OSError, ValueError) as error:
        raise _unopened(error, name) from error
    try:
        _check_kind(os.fstat(handle), name, limits)
    except ImageError:
        os.close(handle)
        raise
    return handle


def _unopened(error: OSError | ValueError, name: str) -> ImageError:
    if isinstance(error, FileNotFoundError):
        return ImageError(f"{name} does not exist; check the path")
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return ImageError(f"{name} may not be read; change its permissions")
    return ImageError(f"{name} cannot be opened ({error}); check the path"[:300])


def _check_kind(facts: os.stat_result, name: str, limits: Limits) -> None:
    if stat.S_ISDIR(facts.st_mode):
        raise ImageError(f"{name} is a folder; give an image file")
    if not stat.S_ISREG(facts.st_mode):
        raise ImageError(f"{name} is a pipe, socket or device; allowed are regular files")
    check_bytes(facts.st_size, name, limits)


def check_bytes(size: int, name: str, limits: Limits) -> None:
    """Raise ImageError for a file that is empty or over the limit."""
    if size == 0:
        raise ImageError(f"{name} is empty; export it again")
    if size > limits.max_bytes:
        raise ImageError(
            f"{name} has {size / 2**20:.0f} MiB; allowed are {limits.max_bytes / 2**20:g}; raise LOPORE_MAX_BYTES"
        )


def read_regular(path: Path, name: str, limits: Limits) -> bytes:
    """All bytes of a regular file within the limit. Raises ImageError."""
    handle = open_regular(path, name, limits)
    try:
        with os.fdopen(handle, "rb", buffering=0) as stream:
            content = stream.readall()
    except OSError as error:
        raise _unopened(error, name) from error
    check_bytes(len(content or b""), name, limits)
    return content or b""


class Found(NamedTuple):
    """images: files that hold an image by their first bytes, sorted; others: every other file that was met."""

    images: tuple[Path, ...]
    others: tuple[Path, ...]


def image_paths(sources: Path | str | Iterable[Path | str]) -> Found:
    """Image files among files, folders (searched to the bottom) and patterns such as ``films/*.tif``.

    The first bytes decide, never the name. Hidden files and folders inside a folder are left out, links to files are
    followed, links to folders are not. Sorted by path, each once. Raises ImageError where nothing lies at a source.
    """
    given = [sources] if isinstance(sources, (str, Path)) else list(sources)
    files = sorted({file for source in given for file in _files_of(source)})
    images: list[Path] = []
    others: list[Path] = []
    for file in files:
        (images if holds_image(file) else others).append(file)
    return Found(tuple(images), tuple(others))


def holds_image(path: Path) -> bool:
    """Whether the first bytes of a regular file are those of a format that lopore reads."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        handle = os.open(path, _OPEN_FLAGS)
        try:
            return sniff(os.read(handle, 132)) is not None
        finally:
            os.close(handle)
    except (OSError, ValueError):
        return False


_MACHINE_FOLDERS = frozenset(
    {"__macosx", "$recycle.bin", "recycler", "recycled", "system volume information", "lost+found", "found.000"}
    | {"network trash folder", "temporary items", "#recycle", "#snapshot", "thumbs.db", "desktop.ini", "aspnet_client"}
    | {"~snapshot", "_gsdata_", "thumbs", "thumbnails", "previews", "papierkorb", "corbeille", "papelera"}
)


def left_by_machines(name: str) -> bool:
    """Whether a file server, a system or a tool left this entry, not a person: hidden, ``@eaDir``, ``#recycle``."""
    return name.startswith((".", "@", "~$")) or name.casefold() in _MACHINE_FOLDERS


def _files_of(source: Path | str) -> list[Path]:
    path = Path(source)
    try:
        if path.is_dir():
            return _files_below(path)
        if path.exists():
            return [path]
        matches = sorted(glob.glob(str(source), recursive=True))  # noqa: PTH207 (patterns may be absolute)
    except (OSError, ValueError):
        matches = []
    if not matches:
        raise ImageError(f"{display_name(str(source))} does not exist; give an image file, a folder or a pattern")
    found = [Path(match) for match in matches]
    return [file for match in found for file in (_files_below(match) if match.is_dir() else [match])]


def _files_below(folder: Path) -> list[Path]:
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not left_by_machines(name)]
        found += [Path(here, name) for name in files if not left_by_machines(name)]
    return found
