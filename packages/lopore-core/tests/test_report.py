"""The report of a model: one page, its PDF, the same facts as JSON and as a card."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pytest
import yaml
from made.commands import lopore, refused

from lopore.evaluation.model_card import _safe


@pytest.fixture
def place(model_folder, monkeypatch):
    """Where the model ``bright`` and films.csv with bright and dark films lie."""
    folder = model_folder.path.parents[3]
    monkeypatch.chdir(folder)
    for name, level in zip(model_folder.record.classes, (40, 190), strict=True):
        (folder / "set" / name).mkdir(parents=True)
        for number in range(6):
            grain = np.random.default_rng([level, number]).integers(0, 30, (40, 40), np.uint8)
            cv2.imwrite(str(folder / "set" / name / f"film{level}{number}.png"), grain + level)
    assert lopore("data", "index", "set", "--out", "films.csv").exit_code == 0
    return folder


def test_the_report_holds_every_part_and_loads_nothing(place, monkeypatch):
    monkeypatch.setenv("LOPORE_BROWSER", "no-browser-here")
    size = np.linspace(0.1, 2, 60)
    rows = "".join(f"{a:.3f},{int(a > 0.8 or k % 7 == 0)}\n" for k, a in enumerate(size))
    (place / "flaws.csv").write_text("size_mm,hit\n" + rows, encoding="utf-8")
    assert lopore("pod", "flaws.csv", "--out", "pod").exit_code in (0, 3)
    done = lopore(
        "report", "bright", "--manifest", "films.csv", "--split", "all", "--pod", "pod/pod.json", "--out", "out"
    )
    assert done.exit_code == 0, done.output
    page = (place / "out" / "report.html").read_text(encoding="utf-8")
    for title in ("Data and split", "Operating point", "Calibration", "Probability of detection", "Limits of use"):
        assert f"<h2>{title}</h2>" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    facts = json.loads((place / "out" / "report.json").read_text(encoding="utf-8"))
    assert facts["record"]["name"] == "bright"
    assert facts["pod"]["marks"] == 60
    assert facts["metrics"]["images"] == 12
    assert "no browser is installed" in done.stderr


def test_the_card_is_valid_front_matter_and_says_the_same(place):
    done = lopore("report", "bright", "--manifest", "films.csv", "--split", "all", "--out", "out")
    assert done.exit_code == 0, done.output
    card = (place / "out" / "CARD.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---")[1])
    facts = json.loads((place / "out" / "report.json").read_text(encoding="utf-8"))
    values = {one["type"]: one["value"] for one in front["model-index"][0]["results"][0]["metrics"]}
    assert values["accuracy"] == pytest.approx(facts["metrics"]["overall"]["accuracy"]["value"], abs=1e-4)
    assert "## Limits" in card


def test_names_from_outside_are_no_markup_in_the_card():
    assert _safe("<b>[pore](http://x)") == "\\<b\\>\\[pore\\](http://x)"


def test_a_file_that_is_no_study_is_refused(place):
    (place / "pod.json").write_text("{}", encoding="utf-8")
    done = lopore("report", "bright", "--manifest", "films.csv", "--split", "all", "--pod", "pod.json", "--out", "out")
    assert done.exit_code == 1
    assert "is no study of `lopore pod`" in done.stderr
    assert not (place / "out" / "report.html").exists()
    refused(lopore("report", "nothing"), "nothing")
