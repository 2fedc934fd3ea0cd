"""What the card warns of about a film unlike those of training: only what record and film say themselves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from made.images import coded, even, ramp
from made.models import bright_or_dark, publish, record_for

from lopore.arrays import Pixels
from lopore.data.appearance import Appearance
from lopore.data.likeness import fit_likeness
from lopore.models.opening import open_model
from lopore.preprocessing.enhancement_chain import Chain
from lopore.record.model import LeakReport
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.session import InspectionSession
from lopore_app.inspection.upload import Upload


def grain(seed: int, side: int = 16) -> Pixels:
    return np.random.default_rng(seed).integers(60, 200, (side, side)).astype(np.uint8)


KNOWN = fit_likeness([Appearance.of(grain(seed)[..., None]) for seed in range(40)])[0]


def summary(folder: Path, known: dict[str, float], pixels: Pixels) -> str:
    facts = record_for(training_grey=known)
    session = InspectionSession(Memory(), open_model(publish(folder / "model", bright_or_dark(), facts)))
    film = session.film(Upload.of("a.png", coded(".png", pixels)))
    return " ".join(doubt.text for doubt in session.answer(film, Chain()).doubts)


def test_a_film_like_those_of_training_is_not_warned_of(tmp_path: Path) -> None:
    assert summary(tmp_path, KNOWN, grain(3)) == ""


def test_an_unsharp_film_is_told_with_its_figures(tmp_path: Path) -> None:
    unsharp = np.asarray(cv2.GaussianBlur(grain(3), (0, 0), 2.5))
    said = summary(tmp_path, {key: value for key, value in KNOWN.items() if "sharpness" in key}, unsharp)
    assert said.startswith("Unlike the training films: less sharp (sharpness 0.")
    assert f"theirs {KNOWN['sharpness_low']:.2f} to {KNOWN['sharpness_high']:.2f}" in said


def test_a_film_sharper_than_those_of_training_is_told(tmp_path: Path) -> None:
    blurred = [cv2.GaussianBlur(grain(seed), (0, 0), 2.5) for seed in range(20)]
    soft, _ = fit_likeness([Appearance.of(np.asarray(one)[..., None]) for one in blurred])
    known = {key: value for key, value in soft.items() if "sharpness" in key}
    assert "sharper or grainier" in summary(tmp_path, known, grain(3))


@pytest.mark.parametrize("end", ["low", "high"])
def test_a_record_without_both_bounds_says_nothing_of_sharpness(tmp_path: Path, end: str) -> None:
    known = {key: value for key, value in KNOWN.items() if key != f"sharpness_{end}" and "sharpness" in key}
    assert summary(tmp_path, known, np.asarray(cv2.GaussianBlur(grain(3), (0, 0), 2.5))) == ""


def test_cautions_name_leaks_other_chains_small_and_squeezed_films(tmp_path: Path) -> None:
    grey = {"mean_low": 0.1, "mean_high": 0.5, "std_low": 0.1, "std_high": 0.3}
    facts = record_for(leaks=LeakReport(split_kind="random", leaks=7), training_grey=grey)
    folder = publish(tmp_path / "leaky" / "1", record=facts)
    session = InspectionSession(Memory(), open_model(folder))
    film, chain = (
        session.film(Upload.of("a.png", coded(".png", np.full((16, 200), 255, np.uint8)))),
        Chain.parse(["median"]),
    )
    text = " ".join(doubt.text for doubt in session.answer(film, chain).doubts)
    for words in ("leaks (7 found)", "brighter", "flatter", "shrunk", "squeezed", "which had no such step"):
        assert words in text


def test_a_film_like_those_of_training_gives_no_caution(session: InspectionSession) -> None:
    film = session.film(Upload.of("a.png", coded(".png", ramp(16))))
    assert session.model is not None
    assert session.answer(film, Chain()).doubts == ()


def test_a_threshold_above_every_score_is_told_as_abstention(session: InspectionSession) -> None:
    film = session.film(Upload.of("a.png", even(130)))
    found = session.answer(film, Chain(), 0.99)
    assert session.model is not None
    assert not found.prediction.decision.decided
    assert "abstains" in found.doubts[0].text
