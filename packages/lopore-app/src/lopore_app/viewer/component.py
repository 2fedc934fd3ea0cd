"""The page's own front end: film viewer, filmstrip and chain editor in plain JavaScript; no network is needed.

Pixels travel in carriers, one message each, named by a slot: Streamlit sends a message again only when it changed, so
a slider that changes the enhanced image does not send the original once more.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import streamlit as st

from lopore.inference.overlay import COLOUR_MAPS, colour_ramp
from lopore_app.viewer.front_files import front_text

__all__ = ["carry", "chain_editor", "film_list", "film_viewer", "filmstrip", "mark_table"]


def _colours() -> str:
    ramps = {name: base64.b64encode(colour_ramp(name, 1).tobytes()).decode() for name in COLOUR_MAPS}
    decoded = "Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))"
    return (
        f"const COLOURS = Object.fromEntries(Object.entries({json.dumps(ramps)})"
        f".map(([name, text]) => [name, {decoded}]));"
    )


_carrier = st.components.v2.component("lopore.carrier", js=front_text("store.js", "carrier.js"))
_viewer = st.components.v2.component(
    "lopore.viewer",
    css=front_text("viewer.css"),
    js="\n".join(
        (
            _colours(),
            front_text(
                "store.js",
                "acts.js",
                "pane.js",
                "viewer.js",
                "ahead.js",
                "look.js",
                "measure.js",
                "gestures.js",
                "marks.js",
                "sketches.js",
            ),
        )
    ),
)
_chain = st.components.v2.component("lopore.chain", css=front_text("chain.css"), js=front_text("store.js", "chain.js"))
_strip = st.components.v2.component("lopore.strip", css=front_text("strip.css"), js=front_text("store.js", "strip.js"))
_choice = st.components.v2.component(
    "lopore.choice", css=front_text("choice.css"), js=front_text("store.js", "choice.js")
)
_table = st.components.v2.component(
    "lopore.marks", css=front_text("table.css"), js=front_text("store.js", "acts.js", "table.js")
)


def _nothing() -> None:
    """Streamlit keeps a component's state only where it has a callback."""


def carry(slot: str, identity: str, content: bytes) -> None:
    """Send bytes to the browser under a slot; nothing travels where slot, identity and bytes are those of before."""
    head = json.dumps({"slot": slot, "id": identity}).encode()
    _carrier(data=len(head).to_bytes(4, "little") + head + content, key=f"carrier/{slot}")


def film_viewer(data: dict[str, Any], key: str) -> None:
    """The viewer; ``st.session_state[key]`` holds ``region`` and ``line`` as the user asked for them, and ``acts``:
    what was done to the marks of a whole film, in order."""
    _viewer(
        data=data,
        key=key,
        on_region_change=_nothing,
        on_line_change=_nothing,
        on_acts_change=_nothing,
        on_area_change=_nothing,
    )


def mark_table(data: dict[str, Any], key: str) -> None:
    """The marks of a film, linked with the viewer on the same page."""
    _table(data=data, key=key)


def chain_editor(data: dict[str, Any], key: str) -> None:
    """The chain; ``st.session_state[key]`` holds ``edit``: every step as the user dialled it."""
    _chain(data=data, key=key, on_edit_change=_nothing)


def filmstrip(data: dict[str, Any], key: str, chosen: Callable[[], None], more: Callable[[], None]) -> None:
    """The films; ``chosen`` and ``more`` are called when the user chose one and when the browser is idle."""
    _strip(data=data, key=key, on_selected_change=chosen, on_more_change=more)


def film_list(data: dict[str, Any], key: str, chosen: Callable[[], None]) -> None:
    """A list of films, and a button to the next; ``chosen`` is called when the user chose one."""
    _choice(data=data, key=key, on_selected_change=chosen)
