"""What drove the call: one explainer over the image, or every one that fits side by side."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from lopore.errors import LoporeError
from lopore.inference.explain import HeatMap
from lopore_app.inspection.session import InspectionSession, explained_class
from lopore_app.inspection.view import View, remember_now
from lopore_app.plain_text import plain

_CHOSEN, _ALL = "explainer", "all_explainers"


@dataclass(frozen=True)
class ExplainerChoice:
    """Which explainers are to be shown; none, one or all."""

    names: tuple[str, ...] = ()

    @property
    def one(self) -> str | None:
        return self.names[0] if len(self.names) == 1 else None


def evidence_panel(session: InspectionSession) -> ExplainerChoice:
    """Which explainers the reviewer wants to see."""
    names = session.explainers()
    if not names:
        summary = "; its outlines show what it found." if session.has_maps else "."
        st.caption(f"No explainer fits this model{summary}")
        return ExplainerChoice()
    with st.container(key="evidence", gap="small"):
        chosen = st.pills(
            "What drove the call",
            names,
            key=_CHOSEN,
            on_change=remember_now,
            args=(_CHOSEN,),
            help="Evidence on the explainer's own scale, never stretched to the image; press again to take it away",
        )
        several = len(names) > 1 and st.toggle(
            "All side by side",
            key=_ALL,
            on_change=remember_now,
            args=(_ALL,),
            help="Each on its own scale, which stands in its image; colours of two explainers cannot be compared",
        )
    return ExplainerChoice(tuple(names) if several else (chosen,) if chosen else ())


def heat_maps(session: InspectionSession, view: View, choice: ExplainerChoice, live: bool) -> list[HeatMap]:
    """Maps of the wished explainers for the class that was answered.

    While a dial moves only those that are there already, or one quick one: the score goes first.
    """
    if view.answer is None or view.film is None or (live and len(choice.names) > 1):
        return []
    found = []
    for name in choice.names:
        try:
            found.append(session.heat(view.film, view.chain, name, explained_class(view.answer.prediction)))
        except LoporeError as error:
            st.caption(plain(f"{name}: {error}", 300))
    return found
