"""What predictors, exporters and explainers promise: they are judged on a small model that was really trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Explainer, Exporter, HeatMaps, PixelBatch, Predictor, Session
from lopore.export import QUANTISED_AGREEMENT
from lopore.model import ModelFolder
from lopore.predict import decide

from .check import NotJudged, require
from .pictures import discs
from .workshop import Workshop

COUNT, FEW = 6, 3
CLOSE = 1e-5
SessionCheck = Callable[[Predictor, str, Workshop], None]
ExportCheck = Callable[[Exporter, Workshop], None]
MapCheck = Callable[[Explainer, str, Workshop], None]


def predictor_checks() -> Iterator[SessionCheck]:
    """The promises of a predictor for each format that it opens."""
    yield from (scores_have_one_column_a_class, rows_sum_to_one, batch_equals_single, leaves_pixels_untouched, closes)


def exporter_checks() -> Iterator[ExportCheck]:
    """The promises of an exporter."""
    yield from (writes_the_file_it_names, leaves_the_source_untouched, equals_its_source)


def explainer_checks() -> Iterator[MapCheck]:
    """The promises of an explainer for each format that it reads."""
    yield from (
        maps_have_one_plane_a_picture,
        maps_are_finite_and_not_negative,
        one_picture_does_not_change_another,
        leaves_the_session_as_it_was,
    )


def _pictures(folder: ModelFolder, count: int = COUNT) -> PixelBatch:
    record = folder.record.preprocessing
    return discs(count, record.size, record.channels, record.depth, seed=5)[0]


def scores_have_one_column_a_class(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """Scores are (N, K) float32 probabilities, K from the record, none of them NaN."""
    session, folder = workshop.session(format, predictor)
    scores = session.predict(_pictures(folder))
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
    off = float(np.abs(session.predict(_pictures(folder)).astype(np.float64).sum(axis=1) - 1).max())
    require(off <= CLOSE, f"a row sums to 1 but for {off:.1e}")


def batch_equals_single(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """A picture's scores are the same alone and among others."""
    session, folder = workshop.session(format, predictor)
    batch = _pictures(folder)
    together = session.predict(batch.copy())
    alone = np.concatenate([session.predict(batch[at : at + 1]) for at in range(COUNT)])
    difference = float(np.abs(together.astype(np.float64) - alone).max())
    require(difference <= CLOSE, f"alone and in a batch scores differ by {difference:.1e}; {CLOSE:.0e} is allowed")


def leaves_pixels_untouched(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """The pixels that it was given are the same afterwards."""
    session, folder = workshop.session(format, predictor)
    given = _pictures(folder)
    session.predict(given)
    require(np.array_equal(given, _pictures(folder)), "predict changed the pixels that it was given")


def closes(predictor: Predictor, format: str, workshop: Workshop) -> None:
    """A session closes without an error, and a new one then gives the same scores."""
    folder = workshop.model(format)
    scores = []
    for _ in range(2):
        session = predictor.opens(folder, "cpu", 1)
        scores.append(session.predict(_pictures(folder)))
        session.close()
    difference = float(np.abs(scores[0] - scores[1]).max())
    require(difference <= CLOSE, f"scores of a model opened twice differ by {difference:.1e}")


def writes_the_file_it_names(exporter: Exporter, workshop: Workshop) -> None:
    """It writes ``file_name`` into its folder and returns its notes."""
    run = workshop.export(exporter)
    written = sorted(path.name for path in run.target.iterdir())
    require((run.target / exporter.file_name).exists(), f"there is no {exporter.file_name}; it wrote {written}")
    require(isinstance(run.notes, Mapping), f"export gave {type(run.notes).__name__}, not a mapping of notes")


def leaves_the_source_untouched(exporter: Exporter, workshop: Workshop) -> None:
    """The model that it reads is the same afterwards, file by file."""
    changed = workshop.export(exporter).changed
    require(not changed, f"it changed {', '.join(changed)} in the folder of its source")


def equals_its_source(exporter: Exporter, workshop: Workshop) -> None:
    """The export answers as its source does, within the tolerance that it states (quantised: equal decisions)."""
    source = workshop.native_model(exporter.framework)
    predictor = workshop.predictor(exporter.format)
    native = workshop.trainer(source.record.framework).native_format
    expected = _opened_scores(workshop.predictor(native), source)
    got = _opened_scores(predictor, workshop.exported(exporter))
    require(got.shape == expected.shape, f"the export gives scores {got.shape}, its source {expected.shape}")
    flips = sum(
        decide(source.record, a).labels != decide(source.record, b).labels for a, b in zip(expected, got, strict=True)
    )
    if exporter.quantised:
        agreement = 1 - flips / len(expected)
        require(agreement >= QUANTISED_AGREEMENT, f"decisions agree on {agreement:.0%} of the pictures only")
        return
    difference = float(np.abs(expected.astype(np.float64) - got).max())
    require(
        difference <= exporter.tolerance,
        f"probabilities differ by {difference:.1e}; it states {exporter.tolerance:.0e}",
    )
    require(flips == 0, f"{flips} of {len(expected)} decisions differ")


def _opened_scores(predictor: Predictor, folder: ModelFolder) -> NDArray[np.float32]:
    session = predictor.opens(folder, "cpu", 1)
    try:
        return session.predict(_pictures(folder, 24))
    finally:
        session.close()


def _explained(explainer: Explainer, format: str, workshop: Workshop) -> tuple[Session, ModelFolder, list[HeatMaps]]:
    """A session that fits, its model, and the maps of each class on the same pictures."""
    session, folder = _fitting(explainer, format, workshop)
    pixels, classes = _pictures(folder, FEW), range(len(folder.record.classes))
    maps = workshop.maps(
        explainer.key, format, lambda: [explainer.explain(session, pixels, index) for index in classes]
    )
    return session, folder, maps


def _fitting(explainer: Explainer, format: str, workshop: Workshop) -> tuple[Session, ModelFolder]:
    session, folder = workshop.session(workshop.any_format() if format == "*" else format)
    fits: Any = explainer.fits(session)
    require(isinstance(fits, bool), f"fits gave {type(fits).__name__}, not True or False")
    if not fits:
        raise NotJudged(f"it does not fit the model at hand ({folder.record.backbone}); give one with models=[FOLDER]")
    return session, folder


def maps_have_one_plane_a_picture(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """Maps are (N, h, w) float32 for every class."""
    for maps in _explained(explainer, format, workshop)[2]:
        require(isinstance(maps, np.ndarray), f"explain gave {type(maps).__name__}, not an array")
        shaped = maps.ndim == 3 and len(maps) == FEW and maps.size > 0 and maps.dtype == np.float32
        require(shaped, f"maps are {maps.dtype} {maps.shape} for {FEW} pictures; (N, h, w) float32 is asked")


def maps_are_finite_and_not_negative(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """No value is negative, infinite or NaN."""
    for maps in _explained(explainer, format, workshop)[2]:
        require(bool(np.isfinite(maps).all()), "a map holds values that are no numbers")
        require(bool((maps >= 0).all()), f"a map goes down to {maps.min():.3g}; none is under 0")


def one_picture_does_not_change_another(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """A picture's map is the same alone and among others, so nothing is stretched over a batch."""
    session, folder, maps = _explained(explainer, format, workshop)
    for index, together in enumerate(maps):
        alone = np.concatenate(
            [explainer.explain(session, _pictures(folder, FEW)[at : at + 1], index) for at in range(FEW)]
        )
        off = float(np.abs(alone.astype(np.float64) - together).max())
        require(off <= 1e-3 * max(float(together.max()), 1e-6), f"alone and in a batch maps differ by {off:.1e}")


def leaves_the_session_as_it_was(explainer: Explainer, format: str, workshop: Workshop) -> None:
    """Predictions, and the pixels given, are the same after explaining: mode, weights and hooks are put back."""
    session, folder = _fitting(explainer, format, workshop)
    batch = _pictures(folder, FEW)
    before = session.predict(batch)
    for index in range(len(folder.record.classes)):
        explainer.explain(session, batch, index)
    after = session.predict(_pictures(folder, FEW))
    off = float(np.abs(before.astype(np.float64) - after).max())
    require(off <= 1e-6, f"scores differ by {off:.1e} after explaining")
    require(np.array_equal(batch, _pictures(folder, FEW)), "explain changed the pixels that it was given")
