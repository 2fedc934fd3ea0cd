"""A file that a visitor dropped. No Streamlit in here; the first page waits for what this imports."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Upload:
    """A file as it came. name: shown as plain text alone. page: which one of a file with several, from 1."""

    name: str
    sha256: str
    content: bytes
    page: int = 1

    @classmethod
    def of(cls, name: str, content: bytes) -> Upload:
        return cls(name, hashlib.sha256(content).hexdigest(), content)

    @property
    def key(self) -> str:
        """Equal for equal pixels: the file's hash, and the page where it is not the first."""
        return self.sha256 if self.page == 1 else f"{self.sha256}/{self.page}"
