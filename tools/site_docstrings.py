"""Docstrings as lopore writes them, made ready for the site: `name: meaning` lines become lists.

A griffe extension; mkdocs.yml names it.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_TERM = re.compile(r"^(\w+(?:, \w+)*): (.+)$")
_LITERAL = re.compile(r"``([^`]+)``")


def as_markdown(text: str) -> str:
    """A plain docstring as Markdown: every line `name: meaning` an item, up to the line that ends its sentence."""
    lines: list[str] = []
    in_item = False
    for line in text.splitlines():
        term = _TERM.match(line)
        if term:
            lines += [] if in_item else [""]
            lines.append(f"- `{term[1]}`: {term[2]}")
            in_item = True
        elif in_item and line and (line.startswith(" ") or not lines[-1].endswith((".", ":", ";"))):
            lines.append(f"  {line.strip()}")
        else:
            lines += ["", line] if in_item and line else [line]
            in_item = False
    return _LITERAL.sub(r"`\1`", "\n".join(lines))


class PlainDocstrings(griffe.Extension):
    """Rewrites the docstring of every object that is shown."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Once an object and everything in it was read."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
