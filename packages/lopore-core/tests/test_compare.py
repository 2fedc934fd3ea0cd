"""Two models on the same films: paired differences, McNemar's test, and the command."""

from __future__ import annotations

import base64
import json
import re

import cv2
import numpy as np
import pytest
from made.commands import lopore, refused
from made.models import bright_areas, publish, record_for
from made.whole_films import disc, ground

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.metrics.classification import measure
from lopore.metrics.paired import compare_scores, mcnemar
from lopore.reading.radiograph import write_radiograph
from lopore.record.model import Threshold
from lopore.record.preprocessing import Preprocessing

POINT = Threshold(value=0.5, rule="fixed", chosen_on="")
NAMED = {"task": "binary", "classes": ("sound", "pore"), "positive": "pore"}


def made(films: int, seed: int, better: float) -> tuple[np.ndarray, ...]:
    """Scores of two models that see the same noise; the first tells films apart better."""
    rng = np.random.default_rng(seed)
    film = np.repeat(np.arange(films), 2)
    label = (film % 2).astype(int)
    noise = rng.normal(size=films)[film] + 0.3 * rng.normal(size=len(film))
    z = [(1.5 + more) * (label - 0.5) + noise + 0.2 * rng.normal(size=len(film)) for more in (better, 0.0)]
    first, second = (np.column_stack([1 / (1 + np.exp(one)), 1 / (1 + np.exp(-one))]) for one in z)
    return first, second, label, film


def test_a_paired_interval_is_narrower_than_the_models_apart():
    first, second, label, film = made(60, 1, better=1.0)
    found = compare_scores((first, second), (POINT, POINT), label, film, **NAMED)
    auc = found.figures["roc_auc"]
    alone = [measure(one, label, groups=film, threshold=POINT, **NAMED).overall["roc_auc"] for one in (first, second)]
    assert auc.first == pytest.approx(alone[0].value)
    assert auc.difference.value == pytest.approx(alone[0].value - alone[1].value)
    assert auc.differs
    unpaired = np.hypot(*(one.high - one.low for one in alone))
    assert auc.difference.high - auc.difference.low < 0.9 * unpaired


def test_equal_models_do_not_differ():
    first, _, label, film = made(40, 2, better=0.0)
    found = compare_scores((first, first), (POINT, POINT), label, film, **NAMED)
    assert not any(one.differs for one in found.figures.values())
    assert found.answers.p == 1
    assert found.disagreements == ()


def test_a_difference_holds_0_in_about_95_of_100_draws_of_equal_models():
    held = 0
    for seed in range(60):
        first, second, label, film = made(40, 500 + seed, better=0.0)
        one = compare_scores((first, second), (POINT, POINT), label, film, resamples=400, **NAMED)
        held += not one.figures["roc_auc"].differs
    assert held >= 51


def test_mcnemar_is_the_exact_binomial_test_over_films():
    from scipy.stats import binomtest

    first = np.array([True] * 12 + [False] * 3 + [True] * 20)
    second = np.array([False] * 12 + [True] * 3 + [True] * 20)
    found = mcnemar(first, second, np.arange(35))
    assert (found.first_alone, found.second_alone) == (12, 3)
    assert found.p == pytest.approx(binomtest(3, 15).pvalue)
    assert mcnemar(first, second, np.zeros(35, int)).films == 1


def test_the_command_compares_a_model_with_itself(model_folder, monkeypatch):
    place = model_folder.path.parents[3]
    monkeypatch.chdir(place)
    bright, dark = model_folder.record.classes[1], model_folder.record.classes[0]
    for name, level in ((bright, 190), (dark, 40)):
        (place / "set" / name).mkdir(parents=True)
        for number in range(6):
            grain = np.random.default_rng([level, number]).integers(0, 30, (40, 40), np.uint8)
            cv2.imwrite(str(place / "set" / name / f"film{level}{number}.png"), grain + level)
    assert lopore("data", "index", "set", "--out", "films.csv").exit_code == 0
    done = lopore("compare", "bright", "bright", "--manifest", "films.csv", "--split", "all", "--json", "--out", "out")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["answers"]["p"] == 1
    page = (place / "out" / "compare.html").read_text(encoding="utf-8")
    assert "They answer alike on every image" in page
    refused(lopore("compare", "bright", "nothing"), "nothing")


def test_whole_films_are_shown_whole_with_the_indications_of_both_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = Preprocessing(size=(32, 32), resize="tile", mm_per_pixel=0.1)
    for name, value in (("keen", 0.6), ("calm", 0.95)):
        record = record_for(
            name=name, task="segmentation", classes=("pore", "slag"), preprocessing=plan,
            threshold=Threshold(value=value, rule="fixed", chosen_on=""),
        )  # fmt: skip
        publish(tmp_path / "models" / "final" / name / "1", bright_areas(), record)
    rows = []
    for name, marked in (("a", True), ("b", True), ("c", False)):
        film, mask = ground(80, 200), np.zeros((80, 200), np.uint8)
        if marked:
            disc(film, 60, 40, 20)
            disc(mask, 60, 40, 20, 255)
            write_radiograph(mask, tmp_path / f"{name}_mask.png")
        write_radiograph(film, tmp_path / f"{name}.png")
        rows.append(Row(path=f"{name}.png", labels=("pore",) if marked else ("no_defect",), split="test", group=name,
                        mm_per_pixel=0.1, mask=(f"{name}_mask.png",) if marked else ()))  # fmt: skip
    Manifest(tuple(rows), tmp_path).write(tmp_path / "films.csv")
    done = lopore("compare", "keen", "calm", "--manifest", "films.csv", "--out", "out")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    assert "blue of keen" in page
    shown = re.findall(r'src="data:image/jpeg;base64,([^"]+)" alt="[ab].png"', page)
    assert len(shown) == 2
    for text in shown:
        image = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR).astype(int)
        assert image.shape[:2] == (80, 200)
        assert image[40, 60].min() > image[5, 150].max() + 40  # the disc on its ground
        blue = (image[:, :, 0] - image[:, :, 2]) > 60
        columns = np.flatnonzero(blue.any(axis=0))
        assert blue.any() and columns.min() >= 45 and columns.max() <= 75
