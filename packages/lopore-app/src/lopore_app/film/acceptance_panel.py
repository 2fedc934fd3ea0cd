"""The acceptance profile of the user, and its answer on the marks that the reviewer left."""

from __future__ import annotations

import hashlib

import streamlit as st

from lopore.config.yaml_loader import parse_yaml
from lopore.errors import LoporeError
from lopore.indications.acceptance import Verdict
from lopore.indications.acceptance_profile import Profile, parse_profile
from lopore.indications.readings import FilmSignature
from lopore_app.plain_text import plain
from lopore_app.wording import words


def profile_of(content: bytes, name: str) -> Profile:
    """A profile from the bytes of its YAML file; ConfigError in one line for anything else."""
    data = parse_yaml(content.decode("utf-8", "replace"), source=name)
    return parse_profile(data, source=name).model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})


def profile_fields() -> tuple[Profile | None, dict[str, float]]:
    """The acceptance profile that the person owns, and the values that it asks for."""
    given = st.file_uploader("Acceptance profile (YAML)", key="film/profile", help="Your own rules; lopore ships none")
    if given is None:
        return None, {}
    try:
        profile = profile_of(given.getvalue(), given.name)
    except LoporeError as error:
        st.error(plain(error, 400))
        return None, {}
    values = {}
    for name, variable in profile.variables.items():
        value = st.number_input(
            plain(f"{words(name)} ({variable.unit})"), min_value=0.0, key=f"film/variable/{name}",
            help=plain(variable.description or "Asked for by the profile", 300),
        )  # fmt: skip
        if value:
            values[name] = float(value)
    return profile, values


def verdict_panel(verdict: Verdict | None, signature: FilmSignature | None) -> None:
    """The profile's answer, a proposal until a person signs, with the reason of each rule."""
    if verdict is None:
        return
    shown = {"accept": ":green[acceptable]", "reject": ":red[not acceptable]", "undecided": ":violet[undecided]"}
    by = "a proposal until it is signed" if signature is None else f"signed by {plain(signature.reader.title)} as"
    said = "" if signature is None else f" {signature.answer}"
    st.markdown(f"**By the profile: {shown[verdict.answer]}**, {by}{said}.")
    edition = f", {verdict.edition}" if verdict.edition else ""
    invented = "; its limits are invented" if verdict.invented else ""
    st.caption(plain(f"{verdict.title}, {verdict.source}{edition}{invented}, {verdict.profile_sha256[:16]}", 300))
    st.dataframe(
        [
            {
                "Rule": rule.rule,
                "Answer": rule.answer,
                "Why": rule.reason,
                "Marks": ", ".join(str(number) for number in rule.indications),
            }
            for rule in verdict.rules
        ],
        hide_index=True,
    )
