"""Predictors, exporters and explainers with one promise broken."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lopore.contracts import Explainer, Exporter, Predictor, Scores
from lopore.record.folder import ModelFolder

from .sound import EXPLAINER, EXPORTER, PREDICTOR, DoubledSession, SoundSession, darkness, export_twice


def _session(**methods: Any) -> Predictor:
    """The sound predictor with methods replaced, ``predict`` for models that classify alone."""
    kind: Any = type("FaultySession", (SoundSession,), methods)
    return replace(
        PREDICTOR,
        opens=lambda folder, device, threads: (
            kind if folder.record.task != "segmentation" or "close" in methods else SoundSession
        )(folder),
    )


def _scores(session: Any, batch: Any) -> Scores:
    scores: Scores = SoundSession.predict(session, batch)
    return scores


def _scratched(session: Any, batch: Any) -> Scores:
    scores = _scores(session, batch)
    batch[0, 0, 0] = 7
    return scores


def _by_batch(session: Any, batch: Any) -> Scores:
    mixed = _scores(session, batch) * np.float32(0.9) + np.float32(0.1) * _scores(session, batch).mean(axis=0)
    return np.asarray(mixed, np.float32)


def _refuses_to_close(session: Any) -> None:
    raise RuntimeError("handle is invalid")


def _one_column(session: Any, batch: Any) -> Scores:
    return _scores(session, batch)[:, 1:]


def _one_array(session: Any, batch: Any) -> Scores:
    store = session.__dict__.setdefault("store", {})
    kept = store.setdefault(len(batch), np.empty((len(batch), 2), np.float32))
    kept[...] = _scores(session, batch)
    return kept


def _seeds_all(session: Any, batch: Any) -> Scores:
    np.random.seed(0)
    return _scores(session, batch)


class OneHandle(SoundSession):
    """Every session shares one handle, which the first to be closed takes away; a new one brings it back."""

    handle: ClassVar[dict[str, Any]] = {}

    def __init__(self, folder: ModelFolder) -> None:
        super().__init__(folder)
        self.handle["weights"] = self.weights

    def predict(self, batch: Any) -> Scores:
        self.weights = self.handle.get("weights", np.zeros_like(self.weights))
        return super().predict(batch)

    def close(self) -> None:
        self.handle.clear()


def _mean_map(session: Any, batch: Any) -> Scores:
    return np.asarray(SoundSession.segment(session, batch).mean(axis=(2, 3)))


class MeanMapSession(SoundSession):
    def predict(self, batch: Any) -> Scores:
        return _mean_map(self, batch) if self.task == "segmentation" else super().predict(batch)


def _shifted_beside_features(session: Any, batch: Any) -> tuple[Scores, Scores]:
    return np.asarray(_scores(session, batch) * np.float32(0.9)), np.ones((len(batch), 3), np.float32)


_CLOSING = {"closes", "leaves_the_process_as_it_was", "sessions_are_apart", "maps_agree_with_scores"}
PREDICTOR_FAULTS: dict[str, tuple[Predictor, set[str]]] = {
    "float64": (
        _session(predict=lambda session, batch: _scores(session, batch).astype(np.float64)),
        {"scores_have_one_column_a_class"},
    ),
    "one column": (_session(predict=_one_column), {"scores_have_one_column_a_class", "rows_sum_to_one"}),
    "rows sum to 0.9": (
        _session(predict=lambda session, batch: _scores(session, batch) * np.float32(0.9)), {"rows_sum_to_one"}
    ),
    "neighbours count": (_session(predict=_by_batch), {"batch_equals_single"}),
    "pixels are changed": (_session(predict=_scratched), {"leaves_pixels_untouched"}),
    "one array for all scores": (_session(predict=_one_array), {"keeps_its_scores", "batch_equals_single"}),
    "NumPy is seeded for all": (_session(predict=_seeds_all), {"leaves_the_process_as_it_was"}),
    "one handle for all sessions": (
        replace(PREDICTOR, opens=lambda folder, device, threads: OneHandle(folder)), {"sessions_are_apart"}
    ),
    "a score is no maximum of its map": (
        replace(PREDICTOR, opens=lambda folder, device, threads: MeanMapSession(folder)), {"maps_agree_with_scores"}
    ),
    "other scores beside the features": (
        _session(gives_features=True, answer_with_features=_shifted_beside_features), {"features_come_with_the_scores"}
    ),
    "it does not close": (_session(close=_refuses_to_close), _CLOSING),
}  # fmt: skip


def _export_under_another_name(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    return export_twice(folder, target, "other.npy")


def _export_and_leave_a_note(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    (folder.path / "note.txt").write_text("exported")
    return export_twice(folder, target)


def _export_shifted(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    return export_twice(folder, target, shift=0.02)


def _export_and_move(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    os.chdir(target)
    return export_twice(folder, target)


class BatchSession(DoubledSession):
    """What an export that normalises over the batch gives: sound for many images, wrong for one."""

    def predict(self, batch: Any) -> Scores:
        scores = super().predict(batch)
        return scores if len(batch) > 1 else np.full_like(scores, 0.5)


_NO_FILE = {"writes_the_file_it_names", "equals_its_source", "answers_alone_as_in_a_batch"}
EXPORTER_FAULTS: dict[str, tuple[Exporter, set[str]]] = {
    "another file": (
        replace(EXPORTER, export=_export_under_another_name), _NO_FILE
    ),
    "the source is changed": (replace(EXPORTER, export=_export_and_leave_a_note), {"leaves_the_source_untouched"}),
    "the directory is changed": (replace(EXPORTER, export=_export_and_move), {"leaves_the_process_as_it_was"}),
    "other answers": (replace(EXPORTER, export=_export_shifted), {"equals_its_source"}),
}  # fmt: skip


def _stretched(session: Any, batch: Any, class_index: int) -> Any:
    maps = darkness(session, batch, class_index)
    return maps / maps.max()


def _leaves_a_mark(session: Any, batch: Any, class_index: int) -> Any:
    session.weights = session.weights * 1.01
    return darkness(session, batch, class_index)


def _at_random(session: Any, batch: Any, class_index: int) -> Any:
    noise = np.random.default_rng().random(1, np.float32)
    return darkness(session, batch, class_index) * (noise + np.float32(0.5))


def _counts_its_calls(session: Any, batch: Any, class_index: int) -> Any:
    calls = session.__dict__.setdefault("calls", {})
    calls[class_index] = calls.get(class_index, 0) + 1
    again = len(batch) > 1 and calls[class_index] > len(batch) + 1
    return darkness(session, batch, class_index) * np.float32(1.1 if again else 1)


def _seeds_for_all(session: Any, batch: Any, class_index: int) -> Any:
    np.random.seed(0)
    return darkness(session, batch, class_index)


EXPLAINER_FAULTS: dict[str, tuple[Explainer, set[str]]] = {
    "one map for all": (
        replace(EXPLAINER, explain=lambda *given: darkness(*given)[..., None]), {"maps_have_one_plane_an_image"}
    ),
    "below nought": (
        replace(EXPLAINER, explain=lambda *given: darkness(*given) - np.float32(0.5)),
        {"maps_are_finite_and_not_negative"},
    ),
    "stretched over the batch": (replace(EXPLAINER, explain=_stretched), {"one_image_does_not_change_another"}),
    "another map each time": (replace(EXPLAINER, explain=_counts_its_calls), {"repeatable"}),
    "drawn without a seed": (
        replace(EXPLAINER, explain=_at_random), {"one_image_does_not_change_another", "repeatable"}
    ),
    "it looks into a stranger's session": (
        replace(EXPLAINER, fits=lambda session: session.weights is not None), {"fits_answers_for_any_session"}
    ),
    "NumPy is seeded for all": (replace(EXPLAINER, explain=_seeds_for_all), {"leaves_the_process_as_it_was"}),
    "the weights are changed": (replace(EXPLAINER, explain=_leaves_a_mark), {"leaves_the_session_as_it_was"}),
}  # fmt: skip
