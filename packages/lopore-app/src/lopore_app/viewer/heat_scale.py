"""Colour scales of heat maps: one for each explainer of a model over the whole session, and its bar with raw values.

No Streamlit in here.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from html import escape
from typing import Any

from lopore.inference.explain import HeatMap
from lopore.inference.overlay import colour_ramp, natural_limits

Limits = tuple[float, float]
Tops = MutableMapping[tuple[str, str, str], float]
"""The largest value so far, by model, explainer and chain."""
_STATE = "heat_scales"


def tops_of(state: MutableMapping[Any, Any]) -> Tops:
    """What a session's pages share."""
    tops: Tops = state.setdefault(_STATE, {})
    return tops


def limits_of(tops: Tops, model_key: str, heat: HeatMap, chain: str) -> Limits:
    """Ends of an explainer's colour scale: 0 to the largest value that any film of this session had after this chain.

    So a sound weld stays cold beside a defect, where a scale of its own would make it look hot.
    """
    low, high = natural_limits(heat.values, heat.scale)
    key = model_key, heat.explainer, chain
    tops[key] = max(high, tops.get(key, high))
    return low, tops[key]


def unit(heat: HeatMap) -> str:
    """What the values of a map are, in words."""
    return "raw values" if heat.scale == "raw" else heat.scale


def scale_text(heat: HeatMap, limits: Limits) -> str:
    """Explainer, class, ends and unit of a scale in one line."""
    name = heat.class_name.replace("_", " ")
    return f"{heat.explainer} for {name}, {limits[0]:.3g} to {limits[1]:.3g} {unit(heat)}"


def scale_bar(heat: HeatMap, limits: Limits, colour_map: str = "inferno") -> str:
    """The bar as HTML that needs no style of a page: colours between the raw values at its ends, with their unit."""
    ramp = colour_ramp(colour_map, 1)[0, ::32].tolist()
    colours = ",".join(f"rgb({red},{green},{blue})" for red, green, blue in ramp)
    bar = f"flex:1;max-width:180px;height:9px;border-radius:3px;background:linear-gradient(90deg,{colours})"
    ends = [f'<span style="font-weight:600">{value:.3g}</span>' for value in limits]
    return (
        '<div style="display:flex;align-items:center;gap:6px;font-size:.8rem;font-variant-numeric:tabular-nums">'
        f'{ends[0]}<span style="{bar}"></span>{ends[1]}<span>{escape(unit(heat))}</span></div>'
    )
