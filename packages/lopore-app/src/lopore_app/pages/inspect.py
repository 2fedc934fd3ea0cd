"""Inspect: choose a model, drop films, dial enhancements, see the decision and what drove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from lopore.enhance import Chain
from lopore.errors import LoporeError
from lopore.model import ModelFolder, OpenModel, open_model
from lopore.overlay import COLOUR_MAPS, colour_ramp, natural_limits
from lopore.preprocess import Preprocessing
from lopore.registry import discover
from lopore_app.session import (
    Answer,
    Film,
    Shelf,
    answer,
    decision_text,
    enhanced_file,
    explained_class,
    fitting_explainers,
    log_file,
    read_film,
    screen,
)
from lopore_app.widgets import parameters, plain

NO_PRESET = "none"


@st.cache_resource(show_spinner="Opening the model", max_entries=4)
def opened(path: str, fingerprint: str) -> OpenModel:
    """One copy of a model in memory for all users; ``fingerprint`` changes when its files do."""
    from pathlib import Path

    return open_model(ModelFolder.read(Path(path)))


@st.cache_data(show_spinner=False, max_entries=64)
def decoded(name: str, content: bytes, plan: str) -> Film:
    """An upload decoded once for each way a model reads it; ``plan`` is the preprocessing record as JSON."""
    return read_film(name, content, Preprocessing.model_validate_json(plan))


@dataclass(frozen=True)
class Settings:
    """What the side bar says."""

    threshold: float | None
    explainer: str | None
    opacity: float
    colour_map: str


def choose_model(shelf: Shelf) -> OpenModel | None:
    """Model and version from what was found; opens on choice."""
    st.sidebar.header("Model")
    if not shelf.models:
        st.sidebar.info("No model found. Train one, or start with `lopore app --models FOLDER`.")
    else:
        chosen = st.sidebar.selectbox("Model and version", shelf.models, format_func=lambda model: model.title)
        show_facts(chosen)
    if shelf.broken:
        with st.sidebar.expander(f"{len(shelf.broken)} unusable"):
            for broken in shelf.broken:
                st.text(broken.reason)
    if not shelf.models:
        return None
    try:
        fingerprint = "".join(file.sha256 for file in chosen.record.files)
        return opened(str(chosen.path.resolve()), fingerprint)
    except LoporeError as error:
        st.sidebar.error(plain(error, 400))
        return None


def show_facts(folder: ModelFolder) -> None:
    """Score with bounds, input and how it was split; a leaky training is said in red."""
    record = folder.record
    auc = record.metrics.get("roc_auc")
    if auc is not None and auc.value is not None:
        bounds = f" ({auc.low:.3f} to {auc.high:.3f})" if auc.low is not None else ""
        st.sidebar.caption(f"ROC AUC {auc.value:.3f}{bounds}, {plain(record.metrics_split)}")
    plan = record.preprocessing
    st.sidebar.caption(f"{plain(record.backbone)}, {plan.size[0]} x {plan.size[1]} px, {plan.depth} bit")
    if record.leaks.leaks:
        st.sidebar.error("Trained on a split that leaks: its score is too good and proves nothing.")


def settings(model: OpenModel) -> Settings:
    """Threshold and explanation."""
    st.sidebar.header("Decision")
    own = model.record.threshold
    threshold = None
    if st.sidebar.toggle("Set my own threshold", help=f"The model's own: {own.value:.3f}, {own.rule} {own.chosen_on}"):
        threshold = st.sidebar.slider("Threshold", 0.0, 1.0, float(own.value or 0.5), 0.01)
    st.sidebar.header("Explanation")
    names = fitting_explainers(model)
    explainer = None
    if not names:
        st.sidebar.caption("No explainer fits this model.")
    elif st.sidebar.toggle("Show what drove the call", value=True):
        explainer = st.sidebar.selectbox("Explainer", names)
    opacity = st.sidebar.slider("Opacity", 0.0, 1.0, 0.55, 0.05, disabled=explainer is None)
    colour_map = st.sidebar.selectbox("Colours", COLOUR_MAPS, disabled=explainer is None)
    return Settings(threshold, explainer, opacity, str(colour_map))


def enhancement_chain() -> Chain:
    """Preset and steps with controls drawn from each enhancer's parameters."""
    registry = discover()
    if not registry.enhancers:
        st.caption("No enhancements installed: `pip install lopore-enhance`.")
        return Chain()
    presets = registry.presets()
    preset = st.selectbox("Preset", [NO_PRESET, *presets], help="A chain to start from")
    steps = presets.get(preset, ())
    names = [name for name, item in registry.enhancers.items() if not item.preview_only]
    start = [step["name"] for step in steps]
    chosen = st.multiselect("Steps, applied in this order", names, default=start, key=f"steps/{preset}")
    data: list[dict[str, Any]] = []
    for name in chosen:
        enhancer = registry.enhancers[name]
        initial = next((dict(step) for step in steps if step["name"] == name), None)
        with st.expander(f"{name}: {enhancer.summary}", expanded=True):
            on = st.toggle("On", value=True, key=f"{preset}/{name}/on")
            values = parameters(enhancer, f"{preset}/{name}", initial)
        if on:
            data.append({"name": name, **values})
    return Chain.parse(data)


def preview_chain() -> Chain:
    """An enhancement for the eye alone: edges, thresholds, regions; the network never sees it."""
    names = [name for name, item in discover().enhancers.items() if item.preview_only]
    chosen = st.selectbox(
        "For the eye only", [NO_PRESET, *names], help="Shown below the films; not given to the network"
    )
    if chosen == NO_PRESET:
        return Chain()
    values = parameters(discover().enhancers[chosen], f"eye/{chosen}")
    return Chain.parse([{"name": chosen, **values}])


def uploads(plan: Preprocessing) -> list[Film]:
    """Films that could be read; each bad one gets its line."""
    kinds = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "dcm"]
    files = st.file_uploader("Radiographs", type=kinds, accept_multiple_files=True)
    films = []
    for file in files:
        try:
            films.append(decoded(file.name, file.getvalue(), plan.model_dump_json()))
        except LoporeError as error:
            st.error(plain(error, 300))
    return films


def card(found: Answer, model: OpenModel) -> None:
    """Decision, top classes with bars, warnings."""
    prediction = found.prediction
    with st.container(border=True):
        left, right = st.columns([2, 3])
        left.caption("Decision")
        left.subheader(plain(decision_text(prediction.decision)), anchor=False)
        left.caption(plain(operating_point(found, model)))
        ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])[:5]
        for name, score in ranked:
            right.progress(min(1.0, score), text=f"{plain(name.replace('_', ' '))}: {score:.3f}")
        if prediction.depth == 16:
            st.caption(
                "16-bit film, shown between its 0.1 and 99.9 percentiles; the network saw the full depth's window."
            )
        for note in prediction.notes:
            st.caption(plain(note))


def operating_point(found: Answer, model: OpenModel) -> str:
    """Which threshold decided, and how it was chosen."""
    own, used = model.record.threshold, found.prediction.decision.threshold
    if used == 0:
        return "the class that scores highest"
    if used != own.value and not own.per_class:
        return f"threshold {used:.3f}, set by you"
    return f"threshold {used:.3f}, {own.rule}{f', chosen on {own.chosen_on}' if own.chosen_on else ''}"


def pictures(film: Film, found: Answer, choice: Settings) -> None:
    """Original beside what the network was given, with the heat on it and its scale in raw values."""
    left, right = st.columns(2)
    left.image(screen(film.full.pixels), caption="Original", width="stretch")
    if found.heat is None:
        right.image(screen(found.enhanced), caption="Enhanced, as given to the network", width="stretch")
        return
    name = explained_class(found.prediction).replace("_", " ")
    picture = screen(found.enhanced, found.heat, choice.opacity, choice.colour_map)
    right.image(picture, caption=f"Enhanced, with evidence for {plain(name)}", width="stretch")
    low, high = natural_limits(found.heat.values, found.heat.scale)
    right.image(colour_ramp(choice.colour_map), width="stretch")
    right.caption(f"{found.heat.explainer}: colours run from {low:.3g} to {high:.3g} ({found.heat.scale})")


def downloads(film: Film, found: Answer, answers: list[Answer], model: OpenModel) -> None:
    """The enhanced picture and the log of all films."""
    left, right, _ = st.columns([1, 1, 2])
    stem = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in film.name.rsplit(".", 1)[0])[:80]
    left.download_button(
        "Enhanced image", lambda: enhanced_file(found), f"{stem}-enhanced.png", "image/png", width="stretch"
    )
    right.download_button(
        "Prediction log", log_file(answers, model), "lopore-log.json", "application/json", width="stretch"
    )
    spent = ", ".join(f"{name} {value:.0f} ms" for name, value in found.milliseconds.items())
    st.caption(f"{spent}, by {plain(model.predictor.name)}")


def answered(model: OpenModel, films: list[Film], chain: Chain, choice: Settings, index: int) -> list[Answer] | None:
    """Answers for all films; only the one that is looked at gets a heat map."""
    found = []
    for number, film in enumerate(films):
        explainer = choice.explainer if number == index else None
        try:
            found.append(answer(model, film, chain, threshold=choice.threshold, explainer=explainer))
        except LoporeError as error:
            st.error(plain(f"{film.name}: {error}", 400))
            return None
    return found


def page() -> None:
    """The whole page."""
    st.html("<style>.stMainBlockContainer{padding:3.6rem 2rem 2rem}</style>")
    model = choose_model(Shelf.look())
    with st.sidebar:
        st.header("Enhance")
        try:
            chain = enhancement_chain()
            eye = preview_chain()
        except LoporeError as error:
            st.error(plain(error, 300))
            chain = eye = Chain()
    choice = settings(model) if model else None
    films = uploads(model.record.preprocessing if model else Preprocessing())
    if not films:
        st.info(
            f"Drop one or more radiographs above: PNG, JPEG, TIFF, BMP or DICOM, 8 or 16 bit, "
            f"{st.get_option('server.maxUploadSize')} MB each at most."
        )
    elif model is None or choice is None:
        st.image(screen(chain.apply(films[0].full.pixels)[0]), caption="Enhanced", width="stretch")
    else:
        show(model, films, chain, choice, eye)
    st.divider()
    st.caption(
        "A demonstration with a human in the loop: it certifies nothing and replaces no qualified radiographer. "
        "Uploads stay in the memory of this server for this session; nothing is stored or sent elsewhere."
    )


def show(model: OpenModel, films: list[Film], chain: Chain, choice: Settings, eye: Chain) -> None:
    """Everything about the film that is looked at."""
    index = 0
    if len(films) > 1:
        index = st.selectbox("Film", range(len(films)), format_func=lambda number: films[number].name)
    answers = answered(model, films, chain, choice, index)
    if answers is None:
        return
    card(answers[index], model)
    pictures(films[index], answers[index], choice)
    if eye.steps:
        name = eye.steps[0].enhancer.name
        st.image(screen(eye.apply(answers[index].enhanced)[0]), caption=f"For the eye only: {name}", width="stretch")
    downloads(films[index], answers[index], answers, model)


page()
