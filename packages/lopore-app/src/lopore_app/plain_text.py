"""Text from outside, made plain for Streamlit's Markdown. No Streamlit in here."""

from __future__ import annotations


def plain(text: object, limit: int = 120) -> str:
    """Text from outside with every sign that Streamlit's markdown reads escaped, on one line, bounded."""
    line = " ".join(str(text).split())[:limit]
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+-.!|<>~:$&" else sign for sign in line)
