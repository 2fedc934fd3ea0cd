"""Abstention: the true class stays possible with the stated share of films, and the rest is left to a person."""

from __future__ import annotations

import numpy as np
import pytest
from made.models import publish, record_for

from lopore.inference.decisions import decide
from lopore.inference.doubts import _unsure
from lopore.inference.predict import predict_files
from lopore.metrics.conformal import check_abstention, conformal_quantile, films_needed, fit_abstention, sets_of
from lopore.metrics.statement import Refusal
from lopore.models.catalogue import locate_model
from lopore.models.opening import open_model
from lopore.preprocessing.pipeline import preprocess, read_for
from lopore.reading.radiograph import write_radiograph
from lopore.record.abstention import Abstention
from lopore.record.onnx_file import record_in_onnx

CLASSES = ("sound", "pore", "crack")


def made(films: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    film = np.repeat(np.arange(films), 2)
    label = rng.integers(0, 3, films)[film]
    z = 1.5 * np.eye(3)[label] + 0.8 * rng.normal(size=(films, 3))[film] + 0.4 * rng.normal(size=(len(film), 3))
    p = np.exp(z)
    return p / p.sum(axis=1, keepdims=True), np.eye(3, dtype=bool)[label], film


def test_coverage_of_new_films_is_as_stated_within_two_points():
    held = []
    for seed in range(60):
        scores, truth, films = made(240, seed)
        found = fit_abstention(scores, truth, films, classes=CLASSES, coverage=0.9, fitted_on="made films")
        new, new_truth, new_films = made(240, 1000 + seed)
        holds = (sets_of(new, CLASSES, found) & new_truth).any(axis=1)
        held.append(1 - len(np.unique(new_films[~holds])) / 240)
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)


def test_the_quantile_is_that_of_split_conformal_prediction():
    values = np.arange(1, 20) / 20
    assert conformal_quantile(values, 0.95) == pytest.approx(0.95)
    assert conformal_quantile(values[:-1], 0.95) is None
    assert films_needed(0.95) == 19
    assert films_needed(0.9) == 9


def test_the_sets_equal_mapie_where_every_image_is_a_film():
    from mapie.classification import SplitConformalClassifier

    class Known:
        classes_ = np.arange(3)
        n_features_in_ = 3

        def fit(self, X, y):
            return self

        def predict_proba(self, X):
            return X

        def predict(self, X):
            return X.argmax(axis=1)

        def get_params(self, deep=True):
            return {}

        def set_params(self, **_):
            return self

    scores, truth, _ = made(150, 3)
    scores, truth = scores[::2], truth[::2]
    own = conformal_quantile(1 - scores[truth], 0.9)
    judge = SplitConformalClassifier(Known(), confidence_level=0.9, conformity_score="lac", prefit=True)
    judge.conformalize(scores, truth.argmax(axis=1))
    new = made(200, 4)[0]
    want = judge.predict_set(new)[1][:, :, 0]
    np.testing.assert_array_equal(1 - new <= own, want)


def test_too_few_films_of_a_class_are_named():
    found = fit_abstention(*made(30, 5), classes=CLASSES, coverage=0.95, fitted_on="made films")
    assert isinstance(found, Refusal)
    assert "at least 19 validation films of" in found.text


def test_coverage_and_what_is_left_to_a_person_are_told_by_class():
    found = fit_abstention(*made(400, 6), classes=CLASSES, coverage=0.9, fitted_on="made films")
    checked = check_abstention(*made(400, 7), CLASSES, found)
    assert set(checked.coverage) == set(CLASSES)
    assert all(one.low < one.value < one.high for one in checked.abstained.values())
    assert checked.right_of_rest.value > 0.75
    assert len(checked.lines) == 4


def test_an_image_that_may_be_of_several_classes_is_left_to_a_person():
    abstention = Abstention(coverage=0.95, limits={"no_defect": 0.7, "pore": 0.7}, fitted_on="made films")
    record = record_for(abstention=abstention)
    sure, torn = {"no_defect": 0.1, "pore": 0.9}, {"no_defect": 0.45, "pore": 0.55}
    assert list(_unsure(record, decide(record, list(sure.values())), sure)) == []
    (doubt,) = _unsure(record, decide(record, list(torn.values())), torn)
    assert doubt.text == "Not sure: needs a person: with 95% coverage it may be no_defect or pore."
    assert doubt.blocks


def test_an_onnx_file_alone_abstains_as_lopore_does(tmp_path):
    """The record inside the file and plain ONNX Runtime give the same images to a person as ``lopore predict``."""
    import onnxruntime

    abstention = Abstention(coverage=0.9, limits={"no_defect": 0.6, "pore": 0.45}, fitted_on="made films")
    publish(tmp_path / "bright", record=record_for(abstention=abstention))
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((tmp_path / "bright" / "model.onnx").read_bytes())
    rng, paths = np.random.default_rng(0), []
    for number, level in enumerate(np.linspace(20, 235, 24)):
        paths.append(tmp_path / f"{number}.png")
        write_radiograph(rng.normal(level, 5, (16, 16)).clip(0, 255).astype(np.uint8), paths[-1])
    told = list(predict_files(open_model(locate_model(str(alone))), paths))
    record = record_in_onnx(alone)
    assert record.abstention == abstention
    session = onnxruntime.InferenceSession(alone, providers=["CPUExecutionProvider"])
    pixels = np.stack([preprocess(read_for(record.preprocessing, path), record.preprocessing)[0] for path in paths])
    scores = session.run(["scores"], {"pixels": pixels})[0]
    left = [record.abstention.possible(record.classes, row) != decide(record, row).labels for row in scores.tolist()]
    assert [any("needs a person" in doubt.text for doubt in one.doubts) for one in told] == left
    assert 0 < sum(left) < len(left)
