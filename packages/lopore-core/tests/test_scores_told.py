"""What `train`, `eval` and `inspect` say of one model's scores is the same, and says on how many groups they stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made.commands import lopore
from made.runs import config

from lopore.cli.scores import score_lines, score_text
from lopore.record.interval import Interval

TEST_SIDE = "8 images of 4 groups"


def scores_in(text: str) -> list[str]:
    """The lines of scores, without what stands before them."""
    return [line.strip() for line in text.splitlines() if line.strip().partition(" ")[0] in ("roc_auc", "f1", "recall")]


@pytest.fixture
def trained(softmax: None, welds: Path) -> str:
    """What the training printed; the model is called ``little``."""
    config(welds, task="multiclass", data__positive=None)
    done = lopore("train", "--config", "little.yaml")
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_training_evaluation_and_inspection_tell_the_same_scores_on_the_same_groups(trained: str) -> None:
    told = scores_in(trained)
    assert len(told) == 3
    assert " to " in told[0]
    for words in (("eval", "little"), ("show", "little")):
        done = lopore(*words)
        assert done.exit_code == 0, done.stderr
        assert scores_in(done.stdout) == told
        assert TEST_SIDE in done.stdout
    assert TEST_SIDE in trained


def test_a_model_without_a_threshold_is_not_said_to_have_one(trained: str) -> None:
    assert "decision by the largest score" in trained
    assert "threshold" not in trained


def test_a_changed_list_of_scores_beside_the_model_is_not_quoted(trained: str) -> None:
    (paper,) = Path("models/final/little").glob("*/metrics.json")
    facts = json.loads(paper.read_text(encoding="utf-8"))
    paper.write_text(json.dumps({**facts, "groups": 900}), encoding="utf-8")
    shown = lopore("show", "little").stdout
    assert "900" not in shown
    assert scores_in(shown) == scores_in(trained)


def test_scores_stand_in_one_order_and_those_of_single_classes_are_left_out() -> None:
    one, none = Interval(value=0.5, low=0.25, high=0.75), Interval(value=None)
    lines = score_lines({"accuracy": one, "pore/recall": one, "other": none, "roc_auc": one})
    assert lines == [f"{'roc_auc':<18} 0.500  0.250 to 0.750", f"{'accuracy':<18} 0.500  0.250 to 0.750",
                     f"{'other':<18} not defined"]  # fmt: skip
    assert score_text(Interval(value=0.5)) == "0.500"
