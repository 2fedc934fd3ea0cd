"""What tells a film unlike those of training by what the network makes of it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from made.models import record_for
from numpy.typing import NDArray
from pydantic import ValidationError
from sklearn.covariance import LedoitWolf

from lopore.data.feature_likeness import LEAST_FILMS, FeatureReference, limit_of
from lopore.errors import ModelError
from lopore.inference.decisions import decide
from lopore.inference.doubts import doubts_about
from lopore.preprocessing.pipeline import preprocess
from lopore.reading.encode import write_radiograph
from lopore.reading.radiograph import read_radiograph
from lopore.record.interval import Interval
from lopore.record.likeness import FeatureLikeness, TrainingLikeness
from lopore.record.model import LeakReport

Floats = NDArray[np.float64]
KNOWN = FeatureLikeness(
    file="training_features.npy", images=60, rest=1e-3, distance_high=20.0, false_alarms=0.05, films=19,
    beyond=Interval(value=0.0, low=0.0, high=0.176),
)  # fmt: skip


def made(rng: np.random.Generator, films: int, each: int = 3, depth: int = 80) -> tuple[Floats, NDArray[np.int64]]:
    """Features of films: a common part, some directions along which films differ, and noise of each image."""
    common = np.random.default_rng(9).normal(size=(6, depth))
    base = 3 * common[0] + rng.normal(size=(films, 5)) @ common[1:]
    images = np.repeat(base, each, axis=0) + 0.3 * rng.normal(size=(films * each, depth))
    return np.maximum(images, 0.0), np.repeat(np.arange(films), each)


@pytest.mark.parametrize(("images", "depth"), [(60, 200), (40, 16)])
def test_the_distance_is_mahalanobis_of_unit_features_with_the_shrinkage_of_ledoit_and_wolf(
    images: int, depth: int
) -> None:
    rng = np.random.default_rng(0)
    known, seen = rng.normal(1, 1, (images, depth)), rng.normal(0.5, 1, (7, depth))
    known_unit, seen_unit = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (known, seen))
    theirs = np.sqrt(LedoitWolf().fit(known_unit).mahalanobis(seen_unit))
    np.testing.assert_allclose(FeatureReference.of(known).distances(seen), theirs, rtol=1e-3)


def test_like_films_are_marked_no_oftener_than_is_stated_and_others_are_told() -> None:
    rng = np.random.default_rng(1)
    rates, told = [], []
    for _ in range(60):
        reference = FeatureReference.of(made(rng, 30)[0])
        held, held_films = made(rng, LEAST_FILMS)
        found = limit_of(reference.distances(held), held_films)
        assert found is not None
        limit, rate, beyond, films = found
        assert (rate, films, beyond) == (0.05, LEAST_FILMS, 0)
        fresh, fresh_films = made(rng, 50)
        far = reference.distances(fresh) > limit
        rates.append(np.mean([far[fresh_films == film].any() for film in range(50)]))
        told.append(np.mean(reference.distances(np.abs(rng.normal(size=(20, 80)))) > limit))
    assert 0.01 <= np.mean(rates) <= 0.065
    assert np.mean(told) == 1


def test_too_few_films_give_no_limit_and_many_a_smaller_rate() -> None:
    values = np.random.default_rng(2).normal(size=200)
    assert limit_of(values[:18], np.arange(18)) is None
    assert limit_of(np.zeros(0), np.zeros(0, np.int64)) is None
    found = limit_of(values[:99], np.arange(99))
    assert found is not None and found[1] == 0.01 and found[0] == values[:99].max()


def test_a_film_counts_by_the_farthest_of_its_images() -> None:
    films = np.repeat(np.arange(40), 2)
    values = np.tile([0.0, 1.0], 40) * (1 + films)
    found = limit_of(values, films)
    assert found is not None
    assert found == (39.0, 0.05, 1, 40)


def test_a_reference_is_small_and_comes_back_from_its_bytes() -> None:
    reference = FeatureReference.of(np.random.default_rng(3).normal(size=(300, 1280)))
    content = reference.to_bytes()
    assert len(content) < 170_000
    again = FeatureReference.from_bytes(content, reference.rest, source="f.npy")
    np.testing.assert_array_equal(again.rows, reference.rows)


@pytest.mark.parametrize("kind", ["empty", "text", "objects", "other", "cut", "no number", "huge header"])
def test_a_damaged_reference_is_refused_in_one_line_and_nothing_is_unpickled(kind: str) -> None:
    rows = FeatureReference.of(np.random.default_rng(4).normal(size=(5, 8))).rows
    stream = io.BytesIO()
    if kind == "objects":
        np.save(stream, np.array([[print, print]] * 2), allow_pickle=True)
    elif kind == "other":
        np.save(stream, rows.astype(np.float32))
    elif kind == "no number":
        np.save(stream, np.full_like(rows, np.nan))
    elif kind == "huge header":
        np.lib.format.write_array_header_1_0(
            stream, {"descr": "<f2", "fortran_order": False, "shape": (1 << 40, 1 << 20)}
        )
    elif kind != "empty":
        np.save(stream, rows)
    content = {"text": b"no table at all", "cut": stream.getvalue()[:-3]}.get(kind, stream.getvalue())
    with pytest.raises(ModelError, match=r"^f\.npy .*copy the model folder anew$"):
        FeatureReference.from_bytes(content, 1.0, source="f.npy")


def test_features_of_another_network_are_refused() -> None:
    reference = FeatureReference.of(np.random.default_rng(5).normal(size=(5, 8)))
    with pytest.raises(ModelError, match="belong to other models"):
        reference.distances(np.zeros((2, 9)))


def test_images_without_features_and_equal_images_have_a_distance() -> None:
    reference = FeatureReference.of(np.ones((4, 8)))
    assert np.isfinite(reference.distances(np.zeros((1, 8)))).all()
    assert np.isfinite(reference.distances(np.ones((1, 8)))).all()


def test_an_image_far_from_training_cannot_be_judged_and_the_rate_is_said() -> None:
    pixels = np.random.default_rng(6).integers(60, 200, (16, 16)).astype(np.uint8)
    record = record_for(leaks=LeakReport(split_kind="grouped"), feature_likeness=KNOWN)
    film = read_radiograph(write_radiograph(pixels, None))
    _, geometry = preprocess(film, record.preprocessing)

    def texts(distance: float | None) -> list[str]:
        decision = decide(record, (0.1, 0.9))
        return [one.text for one in doubts_about(record, film, decision, geometry=geometry, feature_distance=distance)]

    assert texts(19.9) == texts(None) == []
    (text,) = texts(31.26)
    assert text == (
        "Unlike the training films: the network's features lie far from theirs (distance 31.26, theirs up to 20.00). "
        "At most 5% of films like them are marked so: 19 validation films, share beyond 0.000 (0.000 to 0.176)."
    )


def test_the_rate_of_both_halves_is_stated_together_and_only_where_both_are_known() -> None:
    by_statistics = TrainingLikeness(
        statistics=(), centre=(), precision=(), distance_high=1.0, false_alarms=0.05, films=40, images=40
    )
    missing = FeatureLikeness(missing="4 films were held out for validation, 19 are needed")
    assert record_for(likeness=by_statistics).false_alarms == 0.05
    assert record_for(likeness=by_statistics, feature_likeness=missing).false_alarms == 0.05
    assert record_for(likeness=by_statistics, feature_likeness=KNOWN).false_alarms == pytest.approx(0.1)
    assert record_for(feature_likeness=KNOWN).false_alarms is None
    assert missing.rate_text == ("Features are not compared: 4 films were held out for validation, 19 are needed.")
    with pytest.raises(ValidationError, match="one of them is not there"):
        FeatureLikeness(file="training_features.npy")
