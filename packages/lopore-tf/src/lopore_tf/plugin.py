"""Registers nothing: what does not work yet is not offered."""

from __future__ import annotations

LOPORE_API = 1
