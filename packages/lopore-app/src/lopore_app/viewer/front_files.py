"""The text of the page's own front end."""

from __future__ import annotations

from importlib.resources import files

_FRONT = files("lopore_app") / "viewer" / "front"


def front_text(*names: str) -> str:
    """Files of the folder ``front``, one after another."""
    return "\n".join((_FRONT / name).read_text(encoding="utf-8") for name in names)
