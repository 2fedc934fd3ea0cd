"""From files to decisions: streamed, batched, one bad file never stopping the rest."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from lopore.arrays import Pixels, Scores
from lopore.cores import available_cores
from lopore.data.appearance import Appearance
from lopore.data.scan import MIN_SIDE
from lopore.errors import ImageError, LoporeError, ModelError
from lopore.models.opening import check_probabilities
from lopore.plugins.registry import call_entry, discover
from lopore.preprocessing.geometry import Geometry
from lopore.preprocessing.pipeline import preprocess, read_for

from .decisions import Decision, decide
from .doubts import Doubt, doubts_about, judged
from .feature_distance import Answer, FeatureWatch
from .test_time_augmentation import predict_views

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel
    from lopore.preprocessing.enhancement_chain import Chain
    from lopore.reading.headers import Limits
    from lopore.reading.radiograph import Radiograph
    from lopore.record.model import ModelRecord


class Prediction(BaseModel):
    """One image's answer, ready for CSV, JSON and the app.

    doubts: reasons to trust it less, the gravest first. notes: what the reader said of the file, and every doubt.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    sha256: str
    page: int
    depth: int
    scores: dict[str, float]
    decision: Decision
    model: str
    preprocessing: str
    runtime: str
    chain: tuple[dict[str, object], ...] = ()
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether the model can judge this film; else its scores are shown and no call should be built on them."""
        return judged(self.doubts)


@dataclass(frozen=True)
class Failure:
    """A file that gave no prediction, with the reason in one line."""

    source: str
    reason: str


@dataclass(frozen=True)
class Prepared:
    """A radiograph ready for the network."""

    radiograph: Radiograph
    pixels: Pixels
    geometry: Geometry
    appearance: Appearance | None = None


def answer_images(model: OpenModel, images: Sequence[Pixels]) -> list[Answer]:
    """``score_images``, and how far each image's features lie from those of training."""
    watch = FeatureWatch(model, model.session.predict)
    rows = score_images(model, images, watch)
    return [Answer(row, watch.of(number)) for number, row in enumerate(rows)]


def score_images(model: OpenModel, images: Sequence[Pixels], watch: FeatureWatch | None = None) -> Scores:
    """Scores (N, K) of preprocessed images, averaged over the record's test views. watch: sees the features.

    Raises ModelError where the model answers with anything but probabilities, or with another number of classes.
    """
    predictor, batch = model.predictor, np.stack(images)
    owner = discover().predictors.sources.get(predictor.key, "lopore")

    def work() -> Scores:
        return np.array(predict_views(watch or model.session.predict, batch, model.record.tta_views), np.float32)

    scores = call_entry("predictor", predictor.key, owner, work)
    if scores.shape != (len(images), len(model.record.classes)):
        raise ModelError(
            f"{model.folder.title} gave scores {scores.shape} for {len(model.record.classes)} classes; its weights are "
            "not those of its record, copy the model folder anew"
        )
    return check_probabilities(scores, model.folder.title)


def prepare(
    model_record: ModelRecord,
    source: Path | bytes,
    *,
    chain: Chain | None = None,
    page: int | None = None,
    limits: Limits | None = None,
    name: str | None = None,
) -> Prepared:
    """Read a file as the model wants it, apply an extra chain (None: only the model's own), and preprocess."""
    radiograph = read_for(model_record.preprocessing, source, page=page, limits=limits, name=name)
    return prepare_radiograph(model_record, radiograph, chain)


def prepare_radiograph(record: ModelRecord, radiograph: Radiograph, chain: Chain | None = None) -> Prepared:
    """``prepare`` for a radiograph in memory; the Geometry leads back to the image before the chain.

    Raises ImageError for an image under 8 pixels a side: it shows no weld, and an answer to it would mean nothing.
    """
    height, width = radiograph.original_shape
    if min(height, width) < MIN_SIDE:
        need = f"at least {MIN_SIDE} x {MIN_SIDE} are needed"
        raise ImageError(f"{radiograph.source.name} is {width} x {height} px; {need}, check what was exported")
    if chain is not None and chain.steps:
        pixels, motion = chain.apply(radiograph.pixels)
        radiograph = replace(radiograph, pixels=pixels, to_original=motion.inverse().then(radiograph.to_original))
    pixels, geometry = preprocess(radiograph, record.preprocessing)
    return Prepared(radiograph, pixels, geometry, Appearance.of(pixels) if record.training_grey else None)


def describe_prediction(
    model: OpenModel,
    radiograph: Radiograph,
    row: Sequence[float] | Scores,
    chain: Chain | None = None,
    *,
    geometry: Geometry | None = None,
    appearance: Appearance | None = None,
    feature_distance: float | None = None,
) -> Prediction:
    """The Prediction of one radiograph from its row of scores.

    geometry, appearance, feature_distance: of the network's input, for doubts about the answer; without a geometry
    there are none.
    """
    record = model.record
    scores = {name: float(score) for name, score in zip(record.classes, row, strict=True)}
    decision, steps = decide(record, row), tuple(chain.as_data()) if chain else ()
    doubts: tuple[Doubt, ...] = ()
    if geometry is not None:
        doubts = doubts_about(
            record, radiograph, decision, geometry=geometry, appearance=appearance, chain=steps, scores=scores,
            feature_distance=feature_distance,
        )  # fmt: skip
    return Prediction(
        source=as_text(radiograph.source.path or radiograph.source.name),
        sha256=radiograph.source.sha256,
        page=radiograph.source.page,
        depth=radiograph.pixels.dtype.itemsize * 8,
        scores=scores,
        decision=decision,
        model=model.folder.title,
        preprocessing=record.preprocessing_fingerprint,
        runtime=model.predictor.name,
        chain=steps,
        notes=(*radiograph.notes, *(doubt.text for doubt in doubts)),
        doubts=doubts,
    )


def describe_prepared(model: OpenModel, item: Prepared, answer: Answer, chain: Chain | None = None) -> Prediction:
    """``describe_prediction`` of what went into the network."""
    return describe_prediction(
        model, item.radiograph, answer.scores, chain, geometry=item.geometry, appearance=item.appearance,
        feature_distance=answer.feature_distance,
    )  # fmt: skip


def as_text(source: Path | str) -> str:
    """A path as UTF-8 can carry it; bytes of a file name that are none are written as escapes."""
    return str(source).encode("utf-8", "backslashreplace").decode("utf-8")


def predict_radiographs(
    model: OpenModel, radiographs: Sequence[Radiograph], *, chain: Chain | None = None
) -> list[Prediction]:
    """Predictions of radiographs in memory, in order, in one batch."""
    prepared = [prepare_radiograph(model.record, radiograph, chain) for radiograph in radiographs]
    if not prepared:
        return []
    answers = answer_images(model, [item.pixels for item in prepared])
    return [describe_prepared(model, item, answer, chain) for item, answer in zip(prepared, answers, strict=True)]


def predict_files(
    model: OpenModel,
    paths: Iterable[Path],
    *,
    chain: Chain | None = None,
    page: int | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    limits: Limits | None = None,
) -> Iterator[Prediction | Failure]:
    """Predictions in the order of ``paths``; a file that cannot be read becomes a Failure and the rest goes on.

    Files are read by threads a batch ahead of the network; at most three batches of inputs are in memory, and a whole
    film only while its thread prepares it. batch_size: default ``images_at_once``.
    """
    batches = prepared_in_batches(
        model.record, paths, chain=chain, page=page, batch_size=batch_size, workers=workers, limits=limits
    )
    for batch in batches:
        yield from _answer(model, batch, chain)


def prepared_in_batches(
    record: ModelRecord,
    paths: Iterable[Path],
    *,
    chain: Chain | None = None,
    page: int | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    limits: Limits | None = None,
) -> Iterator[list[Prepared | Failure]]:
    """What ``predict_files`` reads, in order: lists of ``batch_size`` inputs, with the failures between them.

    Where failures abound a list ends with fewer inputs, at four times ``batch_size``. The radiographs are
    ``without_pixels``.
    """
    batch_size = batch_size or images_at_once(record)
    waiting: list[Prepared | Failure] = []
    ready = 0
    for item in _prepared_in_order(record, paths, chain, page, 2 * batch_size, workers, limits):
        waiting.append(item)
        ready += isinstance(item, Prepared)
        if ready == batch_size or len(waiting) == 4 * batch_size:
            yield waiting
            waiting, ready = [], 0
    yield waiting


def images_at_once(record: ModelRecord) -> int:
    """How many images a network takes well at once: 32 of 224 x 224 px, fewer of larger ones, at least 4.

    Fewer would leave cores waiting between batches; more would cost memory and gain nothing.
    """
    height, width = record.preprocessing.size
    return max(4, min(32, 32 * 224 * 224 // (height * width)))


def _answer(
    model: OpenModel, items: Sequence[Prepared | Failure], chain: Chain | None
) -> Iterator[Prediction | Failure]:
    ready = [item for item in items if isinstance(item, Prepared)]
    answers = iter(answer_images(model, [item.pixels for item in ready]) if ready else ())
    for item in items:
        yield item if isinstance(item, Failure) else describe_prepared(model, item, next(answers), chain)


def _prepared_in_order(
    record: ModelRecord,
    paths: Iterable[Path],
    chain: Chain | None,
    page: int | None,
    ahead: int,
    workers: int | None,
    limits: Limits | None,
) -> Iterator[Prepared | Failure]:
    def work(path: Path) -> Prepared | Failure:
        try:
            prepared = prepare(record, path, chain=chain, page=page, limits=limits)
            return replace(prepared, radiograph=prepared.radiograph.without_pixels())
        except LoporeError as error:
            return Failure(as_text(path), str(error))

    pending: deque[Future[Prepared | Failure]] = deque()
    pool = ThreadPoolExecutor(workers or available_cores())
    try:
        for path in paths:
            pending.append(pool.submit(work, path))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # who stops early, by Ctrl-C say, waits for no queue
