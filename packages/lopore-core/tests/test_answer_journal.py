"""`lopore predict --out` keeps its answers as they come: Ctrl-C and crashes cost nothing that was answered."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result

from lopore.inference import predict
from lopore.progress import Progress

Invoke = Callable[..., Result]


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[Path]]:
    """``stops(n)``: from now on predicting ends by Ctrl-C after n files; the list shows which files are asked for."""
    whole = predict.predict_files

    def arrange(after: int) -> list[Path]:
        asked: list[Path] = []

        def cut(model: Any, paths: Any, **how: Any) -> Iterator[Any]:
            asked.extend(paths)
            for number, answer in enumerate(whole(model, paths, **how)):
                if number == after:
                    raise KeyboardInterrupt
                yield answer

        monkeypatch.setattr(predict, "predict_files", cut)
        return asked

    return arrange


def rows(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_a_stopped_prediction_goes_on_where_it_was(
    films: Path, invoke: Invoke, stops: Callable[[int], list[Path]]
) -> None:
    whole = invoke("predict", "--model", "bright", "--out", "whole.csv", "films")
    assert whole.exit_code == 0, whole.stderr
    stops(5)
    stopped = invoke("predict", "--model", "bright", "--out", "films.csv", "films")
    assert stopped.exit_code == 130
    assert "interrupted; 5 of 12 answers are kept in films.csv.part; the same command goes on" in stopped.stderr
    assert not Path("films.csv").exists(), "nothing half-written stands under the table's own name"
    asked = stops(99)
    again = invoke("predict", "--model", "bright", "--out", "films.csv", "films")
    assert again.exit_code == 0, again.stderr
    assert "going on: 5 of 12 answers are in films.csv.part" in again.stderr
    assert len(asked) == 7
    assert rows("films.csv") == rows("whole.csv")
    assert not Path("films.csv.part").exists()


def test_answers_of_another_model_or_option_and_of_changed_files_are_made_anew(
    films: Path, invoke: Invoke, stops: Callable[[int], list[Path]]
) -> None:
    stops(5)
    invoke("predict", "--model", "bright", "--out", "films.jsonl", "films")
    asked = stops(6)
    other = invoke("predict", "--model", "bright", "--out", "films.jsonl", "--chain", "median", "films")
    assert "films.jsonl.part holds answers of another model or other options; they are made anew" in other.stderr
    assert len(asked) == 12
    cv2.imwrite(str(sorted(films.rglob("*.png"))[0]), np.full((40, 48), 9, np.uint8))
    asked = stops(99)
    done = invoke("predict", "--model", "bright", "--out", "films.jsonl", "--chain", "median", "films")
    assert done.exit_code == 0, done.stderr
    assert len(asked) == 7
    assert len(Path("films.jsonl").read_text().splitlines()) == 12


def test_a_line_that_a_crash_cut_off_is_made_again(
    films: Path, invoke: Invoke, stops: Callable[[int], list[Path]]
) -> None:
    stops(5)
    invoke("predict", "--model", "bright", "--out", "films.json", "films")
    part = Path("films.json.part")
    part.write_bytes(part.read_bytes()[:-30])
    asked = stops(99)
    assert invoke("predict", "--model", "bright", "--out", "films.json", "films").exit_code == 0
    assert len(asked) == 8
    assert len(json.loads(Path("films.json").read_text())) == 12


def test_where_there_is_no_terminal_a_line_tells_rate_and_time_left() -> None:
    stream = io.StringIO()
    assert list(Progress(stream=stream).track(range(4), 10, "predicting", before=6, every=0.0)) == [0, 1, 2, 3]
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("predicting: 7 of 10, ")
    assert lines[0].endswith(" a second, 0 s left")
    silent = io.StringIO()
    assert len(list(Progress(stream=silent).track(range(4), 4, "predicting"))) == 4
    assert silent.getvalue() == "", "quick work needs no line"
