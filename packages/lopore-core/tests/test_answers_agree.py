"""What is scored is what is answered: the table of answers and the decision on one film never differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from made.models import record_for

from lopore.inference.decisions import decide
from lopore.metrics.classification import measure
from lopore.metrics.operating_point import answers_at
from lopore.record.model import Threshold

CLASSES = ("ok", "pore")
SHARES = st.floats(0, 1).map(lambda value: round(value, 2))


@given(task=st.sampled_from(["binary", "multiclass", "multilabel"]), threshold=SHARES, score=SHARES)
@example(task="binary", threshold=0.7, score=0.7)  # as float32 it is a little less
@example(task="multilabel", threshold=0.7, score=0.7)
def test_the_scored_answer_is_the_decision(task: Any, threshold: float, score: float) -> None:
    point = Threshold(value=threshold, rule="fixed", chosen_on="", per_class={"pore": threshold})
    positive = "pore" if task == "binary" else None
    record = record_for(task=task, classes=CLASSES, positive=positive, threshold=point)
    row = np.array([1 - np.float32(score), score], np.float32)
    (answered,) = answers_at(row[None], task, CLASSES, positive, point)
    assert tuple(name for name, hit in zip(CLASSES, answered, strict=True) if hit) == decide(record, row).labels


@given(threshold=SHARES, score=SHARES)
@example(threshold=0.7, score=0.7)
def test_a_film_counts_as_undecided_where_it_is(threshold: float, score: float) -> None:
    point = Threshold(value=threshold, rule="fixed", chosen_on="")
    row = np.array([[1 - np.float32(score), score]], np.float32)
    found = measure(row, np.array([1]), task="multiclass", classes=CLASSES, threshold=point, resamples=0)
    assert found.undecided == (not decide(record_for(classes=CLASSES, threshold=point), row[0]).decided)
