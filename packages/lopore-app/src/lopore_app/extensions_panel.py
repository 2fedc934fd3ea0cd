"""What is installed, from which package, what is wrong with it, and what to install for what."""

from __future__ import annotations

from importlib.util import find_spec

import streamlit as st

from lopore.cli.doctor import EXTRAS, PURPOSES
from lopore.plugins.entries import noun_of
from lopore.plugins.registry import KINDS, Registry
from lopore_app.plain_text import plain
from lopore_app.review.prediction_log import installed_versions

_EXTRA_WORDS = {
    "train": "training: logs, scores, images to look at",
    "dicom": "DICOM and DICONDE films",
    "tiff": "compressed and tiled TIFF films",
    "segmentation": "Felzenszwalb regions, a preview for the eye",
    "offline weights": "pretrained weights without the internet",
}


def problems(registry: Registry) -> None:
    """Each problem with its reason and what mends it."""
    if not registry.problems:
        st.success("Every plugin that was found works.", icon=":material/check_circle:")
    else:
        many = "1 problem" if len(registry.problems) == 1 else f"{len(registry.problems)} problems"
        st.warning(f"{many}. What cannot work is left out; everything else works on.", icon=":material/warning:")
        for problem in registry.problems:
            with st.container(border=True):
                left, right = st.columns([1, 3])
                left.text(problem.source)
                left.caption(f"at {plain(problem.stage)}")
                right.text(problem.reason[:500])
                right.caption(plain(problem.mend or "`lopore plugins` tells more.", 400))
    if registry.blocked:
        st.caption(f"Left out by LOPORE_BLOCK: {plain(', '.join(registry.blocked), 300)}")


def plugins(registry: Registry) -> None:
    """Packages with what they offer and what their import costs."""
    rows = []
    for plugin in registry.plugins:
        name, _, version = plugin.source.partition(" ")
        offered = {
            kind: sum(source == plugin.source for source in getattr(registry, kind).sources.values()) for kind in KINDS
        }
        summary = ", ".join(
            f"{count} {kind if count > 1 else noun_of(kind)}" for kind, count in offered.items() if count
        )
        rows.append(
            {"Package": name, "Version": version, "Import": 1000 * plugin.cost.seconds, "Offers": summary or "nothing"}
        )
    st.dataframe(
        rows, hide_index=True, column_config={"Import": st.column_config.NumberColumn(format="%.0f ms", width="small")}
    )


def registry_entries(registry: Registry) -> None:
    """Every entry, a tab a kind."""
    tabs = st.tabs([f"{kind.capitalize()} ({len(getattr(registry, kind))})" for kind in KINDS])
    for tab, kind in zip(tabs, KINDS, strict=True):
        found = getattr(registry, kind)
        if not len(found):
            tab.caption("None installed.")
            continue
        rows = [{"Name": key, "What it does": found[key].summary, "Package": found.sources[key]} for key in found]
        tab.dataframe(rows, hide_index=True, column_config={"Name": st.column_config.TextColumn(width="medium")})


def to_install() -> None:
    """What to install for what, and what is already there."""
    versions = installed_versions()
    rows = [
        {"Installed": versions.get(name, "no"), "For": what, "Install": f"pip install {name}"}
        for name, what in PURPOSES.items()
    ]
    for name, (package, modules) in EXTRAS.items():
        here = all(find_spec(module) is not None for module in modules)
        rows.append(
            {
                "Installed": "yes" if here else "no",
                "For": _EXTRA_WORDS.get(name, name),
                "Install": f'pip install "{package}"',
            }
        )
    st.dataframe(
        rows, hide_index=True, height="content", column_config={"Installed": st.column_config.TextColumn(width=110)}
    )
