"""From an upload to a decision and a heat map, each computed once a session. No Streamlit in here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels, Scores, gives_maps
from lopore.contracts import MapSession
from lopore.errors import LoporeError
from lopore.inference.decisions import Decision, decide
from lopore.inference.doubts import Doubt
from lopore.inference.explain import HeatMap, choose_explainer, explainers_for, raw_maps
from lopore.inference.predict import (
    Prediction,
    Prepared,
    answer_images,
    describe_prediction,
    prepare_radiograph,
    score_images,
)
from lopore.inference.regions import DetectionRule, Detections, extract_detections
from lopore.inference.segment import SegmentationPrediction, answer_maps, segment_images
from lopore.models.opening import OpenModel
from lopore.preprocessing.enhancement_chain import Chain
from lopore.preprocessing.geometry import Geometry
from lopore.preprocessing.pipeline import read_for
from lopore.reading.encode import write_radiograph
from lopore.reading.radiograph import Radiograph, read_radiograph
from lopore.record.model import ModelRecord
from lopore.record.preprocessing import Preprocessing
from lopore_app.inspection.cautions import doubts
from lopore_app.inspection.films import HEAT_PIXELS, Enhanced, Film, InspectionResult, Scored, held_bytes
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload
from lopore_app.models.opening import chain_key, model_key
from lopore_app.viewer.outlines import Regions, outlines


class InspectionSession:
    """One session's work with one model, or with none (then films are read in grey and only enhanced).

    rule: which regions of a segmentation model count. has_maps: whether the model marks regions at all.
    """

    def __init__(self, memory: Memory, model: OpenModel | None, rule: DetectionRule | None = None) -> None:
        self.memory = memory
        self.model = model
        self.rule = rule or DetectionRule()
        self.has_maps = model is not None and gives_maps(model.record.task) and isinstance(model.session, MapSession)
        self.plan = model.record.preprocessing if model else Preprocessing()
        self._reading = f"{self.plan.channels}/{self.plan.size if self.plan.decoder_scaling else ''}"
        self.model_key = model_key(model) if model else ""

    def film(self, upload: Upload) -> Film:
        """Decode an upload as the model's record asks; ImageError in one line where it is no image lopore reads."""
        return self.memory.get(("film", upload.key, self._reading), lambda: self._read(upload), held_bytes)

    def _read(self, upload: Upload) -> Film:
        radiograph = read_for(self.plan, upload.content, name=upload.name, page=upload.page)
        scaled = radiograph.pixels.shape[:2] != radiograph.original_shape
        full = radiograph
        if scaled:
            full = read_radiograph(upload.content, channels=self.plan.channels, name=upload.name, page=upload.page)
        return Film(upload, radiograph, full)

    def broken(self, upload: Upload) -> str | None:
        """Why an upload that was tried before cannot be read; None for others. Decodes nothing."""
        if not self.memory.holds(("film", upload.key, self._reading)):
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

        return self.memory.get(("enhanced", film.upload.key, self._reading, kind, chain_key(chain)), work, held_bytes)

    def answered(self, upload: Upload, chain: Chain) -> bool:
        """Whether this upload's scores are already there."""
        return self.memory.holds(self._scores_of(upload, chain))

    def prepared(self, film: Film, enhanced: Enhanced, given: Pixels) -> Prepared:
        """What the network gets. The Geometry leads back to the enhanced image, on which heat is drawn."""
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
            row, maps, distance = self._asked(prepared.pixels)
            times = {"enhance": middle - began, "preprocess": ready - middle, "predict": time.perf_counter() - ready}
            spent = {name: 1000 * value for name, value in times.items()}
            facts, shape = film.full.without_pixels(), enhanced.pixels.shape[:2]
            return Scored(row, prepared.pixels, prepared.geometry, spent, facts, chain, shape, maps, distance)

        return self.memory.get(self._scores_of(film.upload, chain), work, held_bytes)

    def _asked(self, pixels: Pixels) -> tuple[Scores, NDArray[np.float32] | None, float | None]:
        """Scores (K,), maps (K, h, w) of a segmentation model, and the distance of the features."""
        assert self.model is not None
        if not self.has_maps:
            (answer,) = answer_images(self.model, [pixels])
            return answer.scores, None, answer.feature_distance
        ((maps, distance),) = answer_maps(self.model, [pixels])
        return maps.max(axis=(1, 2)), maps, distance

    def decision(self, upload: Upload, chain: Chain, threshold: float | None = None) -> Decision:
        """The decision alone, for a film that was ``answered``; LoporeError where the model gave none."""
        scored = self.memory.get(
            self._scores_of(upload, chain), lambda: self.scored(self.film(upload), chain), held_bytes
        )
        if scored.maps is None:
            return decide(self._record(threshold), scored.row)
        return decide(self._record(threshold), self.regions(self.film(upload), chain, threshold).seen.scores)

    def judged(
        self, upload: Upload, chain: Chain, threshold: float | None = None
    ) -> tuple[Decision, tuple[Doubt, ...]]:
        """``decision``, and what speaks against it."""
        assert self.model is not None
        decision = self.decision(upload, chain, threshold)
        scored = self.memory.get(
            self._scores_of(upload, chain), lambda: self.scored(self.film(upload), chain), held_bytes
        )
        return decision, doubts(self.model.record, scored, decision)

    def regions(self, film: Film, chain: Chain, threshold: float | None = None) -> Regions:
        """What a segmentation model found, placed on the original film whatever the chain moved."""
        rule = self.rule if threshold is None else self.rule.model_copy(update={"threshold": threshold})

        def work() -> Regions:
            scored = self.scored(film, chain)
            assert self.model is not None and scored.maps is not None
            move = on_the_film(film, self.enhanced(film, chain), scored.geometry)
            seen = self._detections_in(film, scored.maps, move, rule)
            return Regions(seen, outlines(seen, move, self.model.record.classes))

        return self.memory.get(
            ("regions", *self._scores_of(film.upload, chain), rule.model_dump_json()), work, held_bytes
        )

    def _detections_in(self, film: Film, maps: NDArray[np.float32], move: Geometry, rule: DetectionRule) -> Detections:
        assert self.model is not None
        names = self.model.record.classes
        limits = [self.model.record.threshold_of(name) for name in names]
        return extract_detections(maps, move, rule, classes=names, thresholds=limits, pitch_mm=film.full.pixel_pitch_mm)

    def tried(self, film: Film, looks: Sequence[tuple[Enhanced, Prepared]]) -> Scores:
        """Scores (N, K) of several enhancements of one film, the network asked once."""
        assert self.model is not None
        images = [prepared.pixels for _, prepared in looks]
        if not self.has_maps:
            return score_images(self.model, images)
        maps = segment_images(self.model, images)
        places = [on_the_film(film, enhanced, prepared.geometry) for enhanced, prepared in looks]
        found = [self._detections_in(film, *pair, self.rule).scores for pair in zip(maps, places, strict=True)]
        return np.stack(found)

    def _scores_of(self, upload: Upload, chain: Chain) -> tuple[str, ...]:
        return "scores", upload.key, self.model_key, chain_key(chain)

    def _record(self, threshold: float | None) -> ModelRecord:
        assert self.model is not None
        return self.model.record if threshold is None else with_threshold(self.model.record, threshold)

    def answer(self, film: Film, chain: Chain, threshold: float | None = None) -> InspectionResult:
        """Decision and scores at the model's threshold, or at the reviewer's."""
        assert self.model is not None
        scored = self.scored(film, chain)
        regions = self.regions(film, chain, threshold) if scored.maps is not None else None
        row = scored.row if regions is None else regions.seen.scores
        prediction = describe_prediction(self.model, film.radiograph, row, chain)
        prediction = prediction.model_copy(update={"decision": decide(self._record(threshold), row)})
        if regions is not None:
            seen = regions.seen
            prediction = SegmentationPrediction(
                **dict(prediction), detections=seen.found, dropped=seen.dropped, rule=self.rule
            )
        speaks_against = doubts(self.model.record, scored, prediction.decision)
        return InspectionResult(prediction, self.enhanced(film, chain), scored.milliseconds, regions, speaks_against)

    def heat(self, film: Film, chain: Chain, explainer: str, class_name: str) -> HeatMap:
        """Evidence for one class over the enhanced image, (h, w) float32 at its size or at ``HEAT_PIXELS``."""

        def work() -> HeatMap:
            assert self.model is not None
            chosen = choose_explainer(self.model, explainer)
            scored = self.scored(film, chain)
            index = self.model.record.classes.index(class_name)
            maps = raw_maps(self.model, chosen, scored.pixels[None], index)
            values = coarser(scored.geometry, HEAT_PIXELS).map_to_original(maps[0], fill=float("nan"))
            return HeatMap(values, class_name, chosen.name, chosen.scale)

        return self.memory.get(("heat", *self._scores_of(film.upload, chain), explainer, class_name), work, held_bytes)

    def explainers(self) -> list[str]:
        """Names of the explainers for this model, Grad-CAM first."""
        model = self.model
        if model is None:
            return []
        return self.memory.get(("explainers", self.model_key), lambda: fitting_explainers(model))


def on_the_film(film: Film, enhanced: Enhanced, geometry: Geometry) -> Geometry:
    """A geometry that leads to the enhanced image, made to lead to the original film."""
    return Geometry(film.full.pixels.shape[:2], geometry.size, enhanced.motion.then(geometry.to_input))


def coarser(geometry: Geometry, pixels: int) -> Geometry:
    """The geometry of an image of at most ``pixels`` that covers the same field as the original."""
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
    """The enhanced image as PNG in its own depth."""
    return write_radiograph(enhanced.pixels, None)
