"""What speaks against an answer is said with it, by one function for command line, app, report and log."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from made.models import publish, record_for

from lopore.data.appearance import Appearance
from lopore.data.likeness import fit_likeness
from lopore.inference.decisions import decide
from lopore.inference.doubts import Doubt, doubts_about, judged
from lopore.preprocessing.pipeline import preprocess
from lopore.reading.encode import write_radiograph
from lopore.reading.radiograph import read_radiograph
from lopore.record.model import LeakReport, Threshold

Invoke = Callable[..., Result]
SOUND = {"leaks": LeakReport(split_kind="grouped")}


def grain(seed: int, shape: tuple[int, int] = (16, 16)) -> Any:
    return np.random.default_rng(seed).integers(60, 200, shape).astype(np.uint8)


def doubts(
    pixels: Any, scores: tuple[float, float] = (0.1, 0.9), polarity: str = "unknown", **facts: Any
) -> list[Doubt]:
    record = record_for(**{**SOUND, **facts})
    film = replace(read_radiograph(write_radiograph(pixels, None)), polarity=polarity)  # type: ignore[arg-type]
    seen, geometry = preprocess(film, record.preprocessing)
    found = doubts_about(
        record, film, decide(record, scores), geometry=geometry, appearance=Appearance.of(seen),
        scores=dict(zip(record.classes, scores, strict=True)),
    )  # fmt: skip
    return list(found)


def test_a_film_like_those_of_training_leaves_no_doubt() -> None:
    known = fit_likeness([Appearance.of(grain(seed)[..., None]) for seed in range(40)])[0]
    assert doubts(grain(3), training_grey=known, training_depths={"8": 40}, training_polarities={"unknown": 40}) == []


def test_a_film_shrunk_many_times_cannot_be_judged() -> None:
    (one,) = doubts(grain(3, (640, 640)))
    assert one.kind == "size"
    assert "640 x 640 px are shrunk 40 times to 16 x 16" in one.text
    assert not judged([one])


def test_another_depth_than_that_of_the_training_films_is_said() -> None:
    facts = {"training_depths": {"8": 40}}
    shallow = doubts(grain(3), training_depths={"16": 9})
    assert [one.text for one in shallow] == ["The film has 8 bits; the training films had 16."]
    assert doubts(grain(3), **facts) == []


def test_polarity_is_compared_with_that_of_the_training_films() -> None:
    assert doubts(grain(3), polarity="detector", training_polarities={"detector": 40}) == []
    (other,) = doubts(grain(3), polarity="film", training_polarities={"detector": 40})
    assert other.text.startswith("On this film brighter means less radiation, on the training films more")
    assert other.blocks
    (unknown,) = doubts(grain(3), polarity="detector")
    assert "the record does not say" in unknown.text


def test_a_sound_call_with_the_lower_score_cannot_be_judged_sound() -> None:
    point = Threshold(value=0.7, rule="recall >= 0.9", chosen_on="validation")
    (one,) = doubts(grain(3), (0.43, 0.57), threshold=point, task="binary", positive="pore")
    assert "has the lower score, 0.43" in one.text
    assert one.blocks


def test_a_film_far_from_those_of_training_cannot_be_judged() -> None:
    known = fit_likeness([Appearance.of(grain(seed)[..., None]) for seed in range(40)])[0]
    found = doubts(np.full((16, 16), 250, np.uint8), training_grey=known)
    assert found[0].text.startswith("Unlike the training films: brighter (mean grey 0.98")
    assert not judged(found)


def test_the_command_line_says_each_doubt_in_json_and_csv(tmp_path: Path, invoke: Invoke) -> None:
    publish(tmp_path / "models" / "final" / "bright" / "1", record=record_for(**SOUND))
    write_radiograph(grain(3, (640, 640)), tmp_path / "large.png")
    told = json.loads(invoke("predict", "--model", "bright", "--json", "large.png").stdout)
    assert "shrunk 40 times" in told["notes"][0]
    assert told["doubts"][0]["blocks"] is True
    assert invoke("predict", "--model", "bright", "--out", "out.csv", "large.png").exit_code == 0
    (row,) = csv.DictReader(Path("out.csv").read_text().splitlines())
    assert row["judged"] == "0"
    assert "shrunk 40 times" in row["notes"]
    shown = invoke("predict", "--model", "bright", "large.png").stdout
    assert shown.splitlines()[0].startswith("large.png: cannot be judged")
    assert "shrunk 40 times" in shown.splitlines()[1]


@pytest.mark.parametrize("blocks", [True, False])
def test_only_a_doubt_that_blocks_takes_the_judgement_away(blocks: bool) -> None:
    assert judged([Doubt(kind="size", text="small", blocks=blocks)]) is not blocks
