"""Which films the export gate of a training run takes."""

from __future__ import annotations

import numpy as np
import pytest

from lopore.record.preprocessing import Preprocessing
from lopore.training.plan import Splits
from lopore.training.publish import gate_rows

NONE = np.zeros(0, np.int64)


@pytest.mark.parametrize(
    ("side", "depth", "channels", "taken"),
    [(64, 8, 1, 100), (4096, 8, 1, 50), (4096, 16, 1, 25), (4096, 16, 3, 10), (1024, 8, 3, 100)],
)
def test_the_pictures_of_the_gate_take_no_more_than_a_gibibyte(
    side: int, depth: int, channels: int, taken: int
) -> None:
    record = Preprocessing.model_validate({"size": side, "depth": depth, "channels": channels})
    rows = gate_rows(Splits(train=np.arange(500), val=np.arange(500, 600), test=NONE), record)
    assert len(rows) == taken
    assert len(rows) * side * side * channels * depth // 8 <= 1 << 30
    assert rows.min() == 500
    assert rows.max() >= 590  # spread over the side, not its beginning


def test_without_a_validation_side_the_test_films_stand_in_and_then_those_of_the_training() -> None:
    record, train = Preprocessing(), np.arange(9)
    assert gate_rows(Splits(train=train, val=NONE, test=np.arange(20, 23)), record).tolist() == [20, 21, 22]
    assert gate_rows(Splits(train=train, val=NONE, test=NONE), record).tolist() == train.tolist()
