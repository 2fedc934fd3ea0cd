"""What is installed, from which package, and what is wrong with it."""

from __future__ import annotations

import streamlit as st

from lopore.registry import KINDS, discover

registry = discover()
st.title("Extensions")
st.caption("Found at run time. Anything installed with the entry-point group `lopore` appears here.")
if registry.problems:
    st.subheader("Problems")
    st.caption("A plugin with a problem is left out; everything else works on.")
    problems = [{"package": p.source, "stage": p.stage, "reason": p.reason} for p in registry.problems]
    st.dataframe(problems, width="stretch", hide_index=True)
for kind in KINDS:
    entries = getattr(registry, kind)
    st.subheader(f"{kind.capitalize()} ({len(entries)})")
    if not entries:
        st.caption("None installed.")
        continue
    rows = [{"name": key, "what": entries[key].summary, "package": entries.sources[key]} for key in entries]
    st.dataframe(rows, width="stretch", hide_index=True)
