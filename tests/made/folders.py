"""What lies in a folder, so that two states of it can be compared."""

from __future__ import annotations

from pathlib import Path

from lopore.atomic_files import sha256_of


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The files of one folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder by its path from there."""
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}
