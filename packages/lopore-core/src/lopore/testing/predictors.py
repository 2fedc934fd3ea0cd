"""What every predictor promises for each format that it opens; judged on a small model that was really trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from lopore.arrays import PixelBatch, gives_maps
from lopore.contracts import FeatureSession, MapSession, Predictor
from lopore.record.folder import ModelFolder

from .check import NotJudged, require
from .images import images_for
from .process import leaves_all
from .workshop import Workshop

COUNT, FEW = 6, 3
CLOSE = 1e-5
SessionCheck = Callable[[Predictor, str, Workshop], None]


def checks() -> Iterator[SessionCheck]:
    """The promises of a predictor for each format that it opens."""
    yield from (
        scores_have_one_column_a_class,
        rows_sum_to_one,
        batch_equals_single,
        keeps_its_scores,
        leaves_pixels_untouched,
        leaves_the_process_as_it_was,
        sessions_are_apart,
        closes,
        maps_agree_with_scores,
        features_come_with_the_scores,
    )


def _images(folder: ModelFolder, count: int = COUNT) -> PixelBatch:
    return images_for(folder.record.preprocessing, count)


def scores_have_one_column_a_class(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """Scores are (N, K) float32 probabilities, K from the record, none of them NaN."""
    session, folder = workshop.session(format, predictor)
    scores = session.predict(_images(folder))
    expected = (COUNT, len(folder.record.classes))
    require(isinstance(scores, np.ndarray), f"predict gave {type(scores).__name__}, not an array")
    require(scores.shape == expected and scores.dtype == np.float32, f"scores are {scores.dtype} {scores.shape}")
    inside = np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all()
    require(bool(inside), f"scores reach from {scores.min():.3g} to {scores.max():.3g}; they are probabilities")


def rows_sum_to_one(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """Each row of a binary or multiclass model sums to 1."""
    session, folder = workshop.session(format, predictor)
    if folder.record.task not in ("binary", "multiclass"):
        raise NotJudged(f"the model at hand is {folder.record.task}; its rows need not sum to 1")
    off = float(np.abs(session.predict(_images(folder)).astype(np.float64).sum(axis=1) - 1).max())
    require(off <= CLOSE, f"a row sums to 1 but for {off:.1e}")


def batch_equals_single(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """An image's scores are the same alone and among others."""
    session, folder = workshop.session(format, predictor)
    batch = _images(folder)
    together = session.predict(batch.copy())
    alone = np.concatenate([session.predict(batch[at : at + 1]) for at in range(COUNT)])
    difference = float(np.abs(together.astype(np.float64) - alone).max())
    require(difference <= CLOSE, f"alone and in a batch scores differ by {difference:.1e}; {CLOSE:.0e} is allowed")


def keeps_its_scores(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """Scores stay as they are while the next images are scored: no buffer is used twice."""
    session, folder = workshop.session(format, predictor)
    batch = _images(folder)
    first = session.predict(batch[:FEW])
    copy = np.array(first)
    session.predict(batch[FEW:].copy())
    require(np.array_equal(first, copy), "scores changed while other images were scored; copy them")


def leaves_pixels_untouched(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """The pixels that it was given are the same afterwards."""
    session, folder = workshop.session(format, predictor)
    given = _images(folder)
    session.predict(given)
    require(
        np.array_equal(given, _images(folder)),
        "predict changed the pixels that it was given",
    )


def leaves_the_process_as_it_was(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """Random states, directory, locale, environment, library settings and threads are the same afterwards."""
    folder = workshop.model(format)

    def work() -> None:
        session = predictor.opens(folder, "cpu", 1)
        session.predict(_images(folder))
        session.close()

    leaves_all(work)


def sessions_are_apart(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """Two sessions of one model work beside each other, and closing one leaves the other open."""
    folder = workshop.model(format)
    first, second = predictor.opens(folder, "cpu", 1), predictor.opens(folder, "cpu", 1)
    before = np.array(second.predict(_images(folder)))
    first.close()
    off = float(np.abs(second.predict(_images(folder)) - before).max())
    second.close()
    require(off <= CLOSE, f"scores of an open session differ by {off:.1e} after another was closed")


def maps_agree_with_scores(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """Of a segmentation model: ``segment`` gives (N, K, H, W) float32, and a score is the largest value of its map."""
    folder = _segmentation_model(format, workshop)
    session = predictor.opens(folder, "cpu", 1)
    require(isinstance(session, MapSession), "the session of a segmentation model has no segment(batch)")
    assert isinstance(session, MapSession)  # as was required
    maps, scores = (
        session.segment(_images(folder)),
        session.predict(_images(folder)),
    )
    session.close()
    expected = (COUNT, len(folder.record.classes), *folder.record.preprocessing.size)
    require(maps.shape == expected and maps.dtype == np.float32, f"maps are {maps.dtype} {maps.shape}, not {expected}")
    off = float(np.abs(maps.max(axis=(2, 3)).astype(np.float64) - scores).max())
    require(off <= CLOSE, f"scores differ by {off:.1e} from the largest values of their maps")


def features_come_with_the_scores(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """Where a session gives features, (N, D) float32, the scores beside them are those of ``predict``."""
    session, folder = workshop.session(format, predictor)
    if not isinstance(session, FeatureSession) or not session.gives_features or gives_maps(folder.record.task):
        return
    batch = _images(folder)
    scores, features = session.answer_with_features(batch)
    off = float(np.abs(scores.astype(np.float64) - session.predict(batch)).max())
    require(off <= CLOSE, f"scores beside the features differ by {off:.1e} from those of predict")
    right = features.ndim == 2 and len(features) == COUNT and features.dtype == np.float32
    require(
        right and bool(np.isfinite(features).all()), f"features are {features.dtype} {features.shape}, or no numbers"
    )
    alone = np.concatenate([session.answer_with_features(batch[at : at + 1])[1] for at in range(COUNT)])
    apart = float(np.abs(features.astype(np.float64) - alone).max())
    allowed = CLOSE * max(1.0, float(np.abs(features).max()))
    require(
        apart <= 10 * allowed, f"alone and in a batch features differ by {apart:.1e}; {10 * allowed:.0e} is allowed"
    )


def _segmentation_model(format: str, workshop: Workshop) -> ModelFolder:
    for folder in workshop.given:
        if format in folder.record.formats and gives_maps(folder.record.task):
            return folder
    for trainer in workshop.entries("trainers"):
        if trainer.native_format == format:
            return workshop.segmenter(trainer.framework)[1]
    raise NotJudged(f"no trainer here publishes a segmentation model in {format}; give one with models=[FOLDER]")


def closes(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """A session closes without an error, and a new one then gives the same scores."""
    folder = workshop.model(format)
    scores = []
    for _ in range(2):
        session = predictor.opens(folder, "cpu", 1)
        scores.append(session.predict(_images(folder)))
        session.close()
    difference = float(np.abs(scores[0] - scores[1]).max())
    require(difference <= CLOSE, f"scores of a model opened twice differ by {difference:.1e}")
