"""Counts and nearest names, as messages say them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lopore.messages import counted, did_you_mean, told_apart


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((0, "image"), "0 images"),
        ((1, "image"), "1 image"),
        ((2, "image"), "2 images"),
        ((1, "entry", "entries"), "1 entry"),
        ((3, "entry", "entries"), "3 entries"),
        ((1, "image has", "images have"), "1 image has"),
        ((5, "image has", "images have"), "5 images have"),
    ],
)
def test_one_thing_is_singular_and_none_is_plural(words: tuple[int, str], said: str) -> None:
    assert counted(*words) == said


def test_the_nearest_names_are_proposed_whatever_their_case() -> None:
    assert did_you_mean("ONNXRUNTIM", ["onnxruntime", "torch"]) == "; did you mean onnxruntime?"
    assert did_you_mean("xyz", ["onnxruntime", "torch"]) == ""
    assert did_you_mean("grad-cam", ["grad-cam++", "Grad-CAMS"]).count(" or ") == 1


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=8))
def test_only_known_names_are_proposed(word: str, known: list[str]) -> None:
    said = did_you_mean(word, known)
    assert said == "" or any(name in said for name in known)


NOUNS = "image|film|file|picture|group|pair|mask|error|line|entry|fold|class|row|detection|edit"
COUNT_OF_ONE = re.compile(rf"(?:^|[^\w.])1 (?:{NOUNS})s\b")
MANY = "images|films|files|pictures|groups|pairs|masks|folds|rows|detections|entries|decisions|values|families"


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0.07, 0.05, 0.06), ("0.07", "0.05", "0.06")),
        ((0.0701, 0.0601, 0.0649), ("0.070", "0.060", "0.065")),
        ((0.9999, 1.0), ("0.9999", "1.0000")),
        ((0.5, 0.5), ("0.50", "0.50")),
    ],
)
def test_a_number_beyond_a_limit_is_never_printed_as_that_limit(
    numbers: tuple[float, ...], said: tuple[str, ...]
) -> None:
    """Such as "contrast 0.07, theirs 0.06 to 0.06"."""
    assert told_apart(*numbers) == said
