"""Calibration on the Evaluation page: a real report's figures, drawn, counted and said in one plain sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made.images import even
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.metrics.calibration import TOP_LABEL, ClassCalibration, ReliabilityBin
from lopore.metrics.classification import Metrics
from lopore.record.folder import ModelFolder
from lopore.record.interval import Interval
from lopore_app.evaluation.calibration_panel import meaning

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))
GROUPS = 24


def scored(folder: ModelFolder, place: Path, groups: int) -> Path:
    """A report by the real command over two films a group, bright ones with a pore; every sixth is labelled wrong."""
    from click.testing import CliRunner

    from lopore.cli.eval import command

    lines = ["path,labels,group,split"]
    for number in range(2 * groups):
        bright = number % 4 < 2
        label = "pore" if bright != (number % 6 == 0) else "no_defect"
        (place / f"{number}.png").write_bytes(even(250 - number if bright else number))
        lines.append(f"{number}.png,{label},film{number // 2},test")
    (place / "films.csv").write_text("\n".join(lines) + "\n")
    out = place / "reports" / "bright-1-test"
    words = [str(folder.path), "--manifest", str(place / "films.csv"), "--mistakes", "0", "--out", str(out)]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    return out / "metrics.json"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.chdir(tmp_path)
    for name in ("LOPORE_MODELS", "LOPORE_REPORTS"):
        monkeypatch.delenv(name, raising=False)
    return AppTest.from_file(MAIN, default_timeout=60)


def summary(page: AppTest) -> str:
    page.run().switch_page("app_pages/evaluation.py").run()
    assert not page.exception, [item.value for item in page.exception]
    kinds = (page.caption, page.info, page.success, page.warning, page.code)
    return "\n".join(str(item.value).replace("\\", "") for kind in kinds for item in kind)


def tables(page: AppTest, column: str) -> list[dict[str, object]]:
    return [row for frame in page.dataframe for row in frame.value.to_dict("records") if column in row]


def test_a_report_shows_its_calibration_with_the_groups_behind_it(
    page: AppTest, model_folder: ModelFolder, tmp_path: Path
) -> None:
    paper = scored(model_folder, tmp_path, GROUPS)
    found = Metrics.model_validate_json(paper.read_text()).calibration
    assert found is not None
    text = summary(page)
    assert "Calibration" in [tab.label for tab in page.tabs]
    name, one, _ = found.described[0]
    assert meaning(name, one)[1] in text
    assert f"{GROUPS} groups stand behind this" in text
    rows = tables(page, "Brier score")
    assert [row["Groups"] for row in rows] == [GROUPS] * len(found.described)
    for row, (_, each, _) in zip(rows, found.described, strict=True):
        assert f"{each.brier.value:.3f}" in str(row["Brier score"])
    bins = tables(page, "Share that is so")
    assert [row["RecordImages"] for row in bins] == [each.images for each in one.bins]
    drawn = [json.loads(chart.proto.spec) for chart in page.get("vega_lite_chart")]
    assert any("share that is so" in json.dumps(chart) for chart in drawn)


def test_with_too_few_films_it_says_so_and_draws_nothing(
    page: AppTest, model_folder: ModelFolder, tmp_path: Path
) -> None:
    scored(model_folder, tmp_path, 4)
    text = summary(page)
    assert "Too few films to tell" in text
    assert "4 groups" in text
    assert not tables(page, "Share that is so")
    assert {row["Calibration error"] for row in tables(page, "Brier score")} == {"too few groups"}


def calibrated(score: float, share: Interval, ece: Interval, groups: int = 40) -> ClassCalibration:
    """Forty groups, with one bin of 30 images."""
    top = ReliabilityBin(low=score, high=score, images=30, groups=20, score=score, share=share)
    return ClassCalibration(
        groups=groups, groups_with=10, groups_without=groups - 10, brier=Interval(value=0.1), brier_of_share=0.2,
        ece=ece, ece_by_chance=0.05, bins=(top,),
    )  # fmt: skip


CHANCE, SURE = Interval(value=0.05, low=0.0, high=0.1), Interval(value=0.2, low=0.1, high=0.3)


@pytest.mark.parametrize(
    ("score", "share", "ece", "finding", "said"),
    [
        (0.9, Interval(value=0.9, low=0.7, high=1.0), CHANCE, "fits", "27 of 30 images carried no defect"),
        (0.9, Interval(value=0.5, low=0.3, high=0.7), SURE, "high", "too high: where the model said 0.90"),
        (0.4, Interval(value=0.8, low=0.6, high=0.9), SURE, "low", "24 of 30 images carried no defect (60 to 90 %)"),
        (0.9, Interval(value=0.8, low=0.6, high=1.0), SURE, "apart", "0.20 off on average (0.100 to 0.300)"),
        (0.9, Interval(value=0.8), CHANCE, "fits", "24 of 30 images carried no defect."),
    ],
)
def test_what_the_figures_mean_is_one_plain_sentence(
    score: float, share: Interval, ece: Interval, finding: str, said: str
) -> None:
    found, text = meaning("no_defect", calibrated(score, share, ece))
    assert found == finding
    assert said in text
    assert "40 groups" in text
    assert "answers were right" in meaning(TOP_LABEL, calibrated(0.9, Interval(value=0.9), CHANCE))[1]
