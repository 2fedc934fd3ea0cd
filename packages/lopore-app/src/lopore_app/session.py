"""From an upload to a decision and a heat map, each computed once a session; no Streamlit in here."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace

import numpy as np

from lopore.contracts import Affine, Pixels, Scores
from lopore.enhance import Chain
from lopore.errors import LoporeError
from lopore.explain import HeatMap, choose_explainer, explainers_for, raw_maps
from lopore.model import ModelRecord, OpenModel
from lopore.predict import (
    Decision,
    Prediction,
    Prepared,
    decide,
    describe_prediction,
    prepare_radiograph,
    score_pictures,
)
from lopore.preprocess import Geometry, Preprocessing, read_for
from lopore.radiograph import Radiograph, read_radiograph, write_radiograph
from lopore_app.memory import Memory
from lopore_app.shelf import fingerprint

UNMOVED = Affine()
HEAT_PIXELS = 650_000
"""A heat map is drawn at most this fine; it is smooth, and the screen shows no more."""


@dataclass(frozen=True)
class Upload:
    """A file as it came. name: shown as plain text alone."""

    name: str
    sha256: str
    content: bytes

    @classmethod
    def of(cls, name: str, content: bytes) -> Upload:
        return cls(name, hashlib.sha256(content).hexdigest(), content)


@dataclass(frozen=True)
class Film:
    """An upload, decoded once.

    radiograph: as the model reads it. full: every pixel, for the eye; another one only where the model lets a JPEG's
    decoder shrink the picture.
    """

    upload: Upload
    radiograph: Radiograph
    full: Radiograph


@dataclass(frozen=True)
class Enhanced:
    """A film after a chain: pixels of the film's depth, where they moved to, milliseconds of each step."""

    pixels: Pixels
    motion: Affine = UNMOVED
    costs: tuple[float, ...] = ()


@dataclass(frozen=True)
class Scored:
    """Scores (K,) of a film after a chain, what the network was given for them, and what they cost.

    pixels: (h, w, C) of the record's size. geometry: leads back to the enhanced picture.
    """

    row: Scores
    pixels: Pixels
    geometry: Geometry
    milliseconds: dict[str, float]

    @property
    def grey(self) -> tuple[float, float]:
        """Mean and deviation of what the network was given, in 0..1 of its depth."""
        full = float(np.iinfo(self.pixels.dtype).max)
        return float(self.pixels.mean()) / full, float(self.pixels.std()) / full


@dataclass(frozen=True)
class Answer:
    """What one model says of one film after one chain."""

    prediction: Prediction
    enhanced: Enhanced
    milliseconds: dict[str, float]


def chain_text(chain: Chain) -> str:
    """A chain as a key."""
    return json.dumps(chain.as_data(), sort_keys=True)


def _bytes(found: Film | Enhanced | Scored | HeatMap) -> int:
    match found:
        case Film(radiograph=radiograph, full=full):
            return int(radiograph.pixels.nbytes + (0 if full is radiograph else full.pixels.nbytes))
        case Enhanced(pixels=pixels):
            return int(pixels.nbytes)
        case Scored(pixels=pixels):
            return int(pixels.nbytes)
        case HeatMap(values=values):
            return int(values.nbytes)


class Desk:
    """One session's work with one model, or with none (then films are read in grey and only enhanced)."""

    def __init__(self, memory: Memory, model: OpenModel | None) -> None:
        self.memory = memory
        self.model = model
        self.plan = model.record.preprocessing if model else Preprocessing()
        self._reading = f"{self.plan.channels}/{self.plan.size if self.plan.decoder_scaling else ''}"
        self.model_key = fingerprint(model.folder) if model else ""

    def film(self, upload: Upload) -> Film:
        """Decode an upload as the model's record asks; ImageError in one line where it is no picture lopore reads."""
        return self.memory.get(("film", upload.sha256, self._reading), lambda: self._read(upload), _bytes)

    def _read(self, upload: Upload) -> Film:
        radiograph = read_for(self.plan, upload.content, name=upload.name)
        scaled = radiograph.pixels.shape[:2] != radiograph.original_shape
        full = read_radiograph(upload.content, channels=self.plan.channels, name=upload.name) if scaled else radiograph
        return Film(upload, radiograph, full)

    def broken(self, upload: Upload) -> str | None:
        """Why an upload that was tried before cannot be read; None for others. Decodes nothing."""
        if not self.memory.holds(("film", upload.sha256, self._reading)):
            return None
        try:
            self.film(upload)
        except LoporeError as error:
            return str(error)
        return None

    def enhanced(self, film: Film, chain: Chain) -> Enhanced:
        """The film after the chain; what the first steps gave is kept, so that a later dial redoes only its own."""
        return self._enhanced(film, film.full, "full", chain)

    def _enhanced(self, film: Film, base: Radiograph, kind: str, chain: Chain) -> Enhanced:
        if not chain.steps:
            return Enhanced(base.pixels)

        def work() -> Enhanced:
            before = self._enhanced(film, base, kind, Chain(chain.steps[:-1]))
            began = time.perf_counter()
            pixels, motion = Chain(chain.steps[-1:]).apply(before.pixels)
            spent = (time.perf_counter() - began) * 1000
            return Enhanced(pixels, before.motion.then(motion), (*before.costs, spent))

        return self.memory.get(("enhanced", film.upload.sha256, self._reading, kind, chain_text(chain)), work, _bytes)

    def answered(self, upload: Upload, chain: Chain) -> bool:
        """Whether this upload's scores are already there."""
        return self.memory.holds(self._scores_of(upload, chain))

    def prepared(self, film: Film, enhanced: Enhanced, given: Pixels) -> Prepared:
        """What the network gets. The Geometry leads back to the enhanced picture, on which heat is drawn."""
        assert self.model is not None
        scale = Affine(xx=enhanced.pixels.shape[1] / given.shape[1], yy=enhanced.pixels.shape[0] / given.shape[0])
        shape = enhanced.pixels.shape[:2]
        shown = replace(film.radiograph, pixels=given, original_shape=shape, to_original=scale)
        return prepare_radiograph(self.model.record, shown)

    def scored(self, film: Film, chain: Chain) -> Scored:
        """Scores of a film after a chain, from the memory where they are there."""

        def work() -> Scored:
            assert self.model is not None
            began = time.perf_counter()
            enhanced = self.enhanced(film, chain)
            given = enhanced.pixels
            if film.full is not film.radiograph:
                given = self._enhanced(film, film.radiograph, "read", chain).pixels
            middle = time.perf_counter()
            prepared = self.prepared(film, enhanced, given)
            ready = time.perf_counter()
            row = score_pictures(self.model, [prepared.pixels])[0]
            times = {"enhance": middle - began, "preprocess": ready - middle, "predict": time.perf_counter() - ready}
            return Scored(
                row, prepared.pixels, prepared.geometry, {name: 1000 * value for name, value in times.items()}
            )

        return self.memory.get(self._scores_of(film.upload, chain), work, _bytes)

    def decision(self, upload: Upload, chain: Chain, threshold: float | None = None) -> Decision:
        """The decision alone, for a film that was ``answered``; LoporeError where the model gave none."""
        assert self.model is not None
        scored = self.memory.get(self._scores_of(upload, chain), lambda: self.scored(self.film(upload), chain), _bytes)
        return decide(self._record(threshold), scored.row)

    def _scores_of(self, upload: Upload, chain: Chain) -> tuple[str, ...]:
        return "scores", upload.sha256, self.model_key, chain_text(chain)

    def _record(self, threshold: float | None) -> ModelRecord:
        assert self.model is not None
        return self.model.record if threshold is None else with_threshold(self.model.record, threshold)

    def answer(self, film: Film, chain: Chain, threshold: float | None = None) -> Answer:
        """Decision and scores at the model's threshold, or at the reviewer's."""
        assert self.model is not None
        scored = self.scored(film, chain)
        prediction = describe_prediction(self.model, film.radiograph, scored.row, chain)
        prediction = prediction.model_copy(update={"decision": decide(self._record(threshold), scored.row)})
        return Answer(prediction, self.enhanced(film, chain), scored.milliseconds)

    def heat(self, film: Film, chain: Chain, explainer: str, class_name: str) -> HeatMap:
        """Evidence for one class over the enhanced picture, (h, w) float32 at its size or at ``HEAT_PIXELS``."""

        def work() -> HeatMap:
            assert self.model is not None
            chosen = choose_explainer(self.model, explainer)
            scored = self.scored(film, chain)
            index = self.model.record.classes.index(class_name)
            maps = raw_maps(self.model, chosen, scored.pixels[None], index)
            values = coarser(scored.geometry, HEAT_PIXELS).map_to_original(maps[0], fill=float("nan"))
            return HeatMap(values, class_name, chosen.name, chosen.scale)

        return self.memory.get(("heat", *self._scores_of(film.upload, chain), explainer, class_name), work, _bytes)

    def explainers(self) -> list[str]:
        """Names of the explainers for this model, Grad-CAM first."""
        model = self.model
        if model is None:
            return []
        return self.memory.get(("explainers", self.model_key), lambda: fitting_explainers(model))


def coarser(geometry: Geometry, pixels: int) -> Geometry:
    """The geometry of a picture of at most ``pixels`` that covers the same field as the original."""
    height, width = geometry.original
    share = min(1.0, (pixels / (height * width)) ** 0.5)
    small = max(1, round(height * share)), max(1, round(width * share))
    grow = Affine(xx=width / small[1], yy=height / small[0])
    return Geometry(small, geometry.size, grow.then(geometry.to_input))


def with_threshold(record: ModelRecord, value: float) -> ModelRecord:
    """The record with the reviewer's threshold in place of the model's own."""
    point = record.threshold.model_copy(update={"value": value, "rule": "set by the reviewer", "per_class": {}})
    return record.model_copy(update={"threshold": point})


def explained_class(prediction: Prediction) -> str:
    """The class whose evidence is shown: the one answered, else the one that scores highest."""
    labels = prediction.decision.labels
    return labels[0] if labels else max(prediction.scores, key=lambda name: prediction.scores[name])


def fitting_explainers(model: OpenModel) -> list[str]:
    """Names of the explainers for this model, Grad-CAM first."""
    return sorted(explainers_for(model), key=lambda name: (name != "grad-cam", name))


def enhanced_file(enhanced: Enhanced) -> bytes:
    """The enhanced picture as PNG in its own depth."""
    return write_radiograph(enhanced.pixels, None)


def decision_text(decision: Decision) -> str:
    """The decision in words for a person."""
    return decision.text.replace("_", " ")
