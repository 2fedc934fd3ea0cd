"""Colours and sizes of both themes, as options of Streamlit: the user's system says which of them is shown.

No Streamlit in here.
"""

from __future__ import annotations

from typing import Any

_BOTH: dict[str, Any] = {
    "baseRadius": "6px",
    "buttonRadius": "6px",
    "showWidgetBorder": True,
    "headingFontWeights": 600,
    "metricValueFontSize": "1.55rem",
    "paddingTop": "0.9rem",
    "paddingBottom": "1rem",
}
_LIGHT = {
    "primaryColor": "#0b6e82",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f2f5f7",
    "textColor": "#1b2530",
    "borderColor": "#d8dfe6",
    "linkColor": "#0b6e82",
}
_DARK = {
    "primaryColor": "#4db6cc",
    "backgroundColor": "#11161b",
    "secondaryBackgroundColor": "#1a2129",
    "textColor": "#e3e8ed",
    "borderColor": "#2d3742",
    "linkColor": "#6cc7da",
}
_SIDES = {"light": "#f2f5f7", "dark": "#161c22"}
SERIES = ("#1f83b4", "#e08214", "#3a9d5d", "#c0504d", "#8064a2", "#7f8c8d", "#b8860b", "#4bacc6")
"""Colours of curves and bars, told apart on both themes."""


STYLE = """<style>
.stMainBlockContainer { padding-left: 2.2rem; padding-right: 2.2rem; max-width: 1720px }
.stMainBlockContainer h1 { font-size: 1.75rem; padding: 0 0 0.7rem }
.stMainBlockContainer :is(h2, h3) { font-size: 1.2rem; padding: 0.3rem 0 0.5rem }
[data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primaryFormSubmit"] {
  color: light-dark(#ffffff, #07262d) !important; }
.st-key-lost_session, .stLayoutWrapper:has(> .st-key-lost_session) { position: absolute; height: 0; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p {
  color: light-dark(#56606b, #a6b0ba); opacity: 1; }
body:has([data-testid="stConnectionStatus"]) [data-testid="stDialog"] section > div > div { font-size: 0; }
body:has([data-testid="stConnectionStatus"]) [data-testid="stDialog"] section > div > div::after { font-size: 1rem;
  content: "lopore's server does not answer: it was stopped, or the network to it is down. This page goes on by itself "
  "once it answers. If it was stopped, the films and records of this session are gone." }
</style>"""
"""What Streamlit has no option for: the room at the sides, sizes of headings, captions that are dark enough to read
(its own stay under 4.5 to 1 on light ground), and what a server that is gone means here."""


def options() -> dict[str, Any]:
    """``theme.*`` options of Streamlit."""
    found: dict[str, Any] = {f"theme.{name}": value for name, value in _BOTH.items()}
    for kind, colours in (("light", _LIGHT), ("dark", _DARK)):
        found |= {f"theme.{kind}.{name}": value for name, value in colours.items()}
        found[f"theme.{kind}.sidebar.backgroundColor"] = _SIDES[kind]
    return found
