"""Losses, metrics and augmentation steps of other authors: named in a config, used in a run, shown in its figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.commands import error_line, lopore
from made.plugins import HEAD, SOFTMAX, install, on_path
from made.runs import Listen, config, log_of, run

from lopore.augmentation.augmenter import Augmenter
from lopore.augmentation.small_defects import destroys_small_defects
from lopore.config.augmentation import Augmentation
from lopore.errors import ConfigError, PluginError
from lopore.metrics.classification import measure
from lopore.metrics.offered import offered_metrics
from lopore.models.best import best_version, rank_of
from lopore.offered import lopore_augmentations, lopore_metrics
from lopore.plugins.registry import discover
from lopore.record.folder import ModelFolder
from lopore.testing import Check, parametrize_checks
from lopore.training.losses import chosen_losses
from lopore.training.run import train
from lopore.training_settings import Loss


class Own:
    """What core offers, without its callbacks, which their own tests judge."""

    __name__ = "lopore.offered"
    LOPORE_API = 1
    lopore_metrics = staticmethod(lopore_metrics)
    lopore_augmentations = staticmethod(lopore_augmentations)


@parametrize_checks(Own(), kinds=["metric", "augmentation"])
def test_what_lopore_offers_itself_keeps_every_promise(check: Check) -> None:
    check()


OTHERS = (
    HEAD
    + """
def _brier(labels, scores, weights):
    return float((weights * (scores - labels) ** 2).sum() / weights.sum()) if weights.sum() else float("nan")
def _broken(labels, scores, weights):
    raise ArithmeticError("no figure")
@hookimpl
def lopore_metrics():
    yield Metric(name="brier", summary="Squared distance", compute=_brier, higher_is_better=False)
class Paint(StepParams):
    grey: int = 255
def _paint(pixels, mask, params, rng):
    out = pixels.copy()
    out[:4] = params.grey
    return out, mask
def _crash(pixels, mask, params, rng):
    raise SystemExit("no more")
def _shrink(pixels, mask, params, rng):
    return pixels[1:], mask
@hookimpl
def lopore_augmentations():
    for name, changes in (("paint", _paint), ("crash", _crash), ("shrink", _shrink)):
        yield AugmentationStep(name=name, summary="Changes", params=Paint, changes=changes)
def _build(request):
    return lambda logits, targets, known: 1 / 0
@hookimpl
def lopore_losses():
    yield LossTerm(framework="softmax", name="burst", summary="Fails", tasks=("binary",), build=_build)
"""
)


@pytest.fixture
def others(softmax: None, tmp_path: Path) -> Iterator[None]:
    """A metric of which less is better, three steps and a loss of another author."""
    site = tmp_path / "site"
    site.mkdir()
    install(site, "lopore-others", OTHERS)
    with on_path(site):
        yield


def test_a_metric_has_an_interval_over_films_and_its_class_in_every_record(others: None, welds: Path) -> None:
    result = run(config(welds))
    assert result.metrics is not None and result.model_folder is not None
    found = result.metrics.overall["brier"]
    assert found.value is not None and found.low is not None and found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1 and found.low < found.high
    assert result.metrics.per_class["pore"].others["brier"] == found
    record = ModelFolder.read(result.model_folder).record
    assert record.metrics["brier"].value == found.value == record.metrics["brier/pore"].value
    with (result.model_folder / "predictions.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    by_hand = np.mean([(float(row["score:pore"]) - (row["labels"] == "pore")) ** 2 for row in rows])
    assert found.value == pytest.approx(by_hand, abs=1e-5)


def test_eval_prints_a_metric_of_a_plugin_among_its_scores(others: None, welds: Path) -> None:
    run(config(welds))
    done = lopore("eval", "little", "--manifest", "films.csv", "--out", "report")
    assert done.exit_code == 0, done.stderr
    assert "brier " in done.stdout and " to " in next(line for line in done.stdout.splitlines() if "brier" in line)
    assert "brier" in json.loads(Path("report/metrics.json").read_text())["overall"]


def test_epochs_are_chosen_by_a_metric_in_its_own_direction(others: None, welds: Path) -> None:
    told = Listen()
    result = train(config(welds, training__select_by="brier", training__epochs=6), progress=told)
    rows = log_of(result.run_folder)
    values = [float(row["val_brier"]) for row in rows]
    assert len(set(values)) == 6
    best = [int(row["epoch"]) for row in rows if row["best"] == "1"]
    assert values[best[-1] - 1] == min(values)
    assert any(f"val brier {values[0]:.4f}" in line for line in told.lines)
    assert rank_of("brier", 0.2) > rank_of("brier", 0.3) and rank_of("auc", 0.3) > rank_of("auc", 0.2)


def test_of_versions_the_best_is_the_one_of_the_lowest_error_and_of_equals_the_newest(
    others: None, welds: Path
) -> None:
    folders = []
    for rate in (0.3, 0.01, 0.3):
        experiment = config(welds, training__select_by="brier", training__optimizer={"learning_rate": rate})
        made = run(experiment).model_folder
        assert made is not None
        folders.append(ModelFolder.read(made))
    assert best_version("little", folders).path == folders[2].path
    assert best_version("little", folders[:2]).path == folders[0].path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training__select_by": "brer"}, "training.select_by is 'brer'; did you mean brier?"),
        ({"training__loss__name": "mergin"}, "no loss 'softmax/mergin'; did you mean softmax/margin"),
        ({"training__loss__parameters": {"margin": {}}}, "names 'margin'; training.loss.name has cross-entropy"),
        ({"training__loss__parameters": {"cross-entropy": {"flor": 1}}}, "unknown key 'flor', did you mean 'floor'"),
        ({"augmentation": {"others": ["pant"]}}, "no augmentation 'pant'; did you mean paint"),
        ({"augmentation": {"others": [{"name": "paint", "gray": 3}]}}, "unknown key 'gray', did you mean 'grey'"),
        ({"augmentation": {"others": [{"probability": 0.3}]}}, "has no name"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_before_the_first_epoch(
    others: None, welds: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises((ConfigError, PluginError)) as caught:
        run(config(welds, **changes))
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert not Path("models").exists()


def test_a_step_of_a_plugin_comes_after_lopores_and_is_judged_with_them(others: None) -> None:
    recipe = Augmentation.model_validate(
        {"horizontal_flip": {"probability": 1}, "others": [{"name": "paint", "probability": 1, "grey": 9}]}
    )
    pixels = np.random.default_rng(0).integers(0, 9, (48, 48, 1), np.uint8)
    out, _ = Augmenter(recipe, (48, 48))(pixels, epoch=0, index=0)
    assert (out[:4] == 9).all() and (out[4:] == pixels[4:, ::-1]).all()
    painted = Augmentation.model_validate({"others": [{"name": "paint", "grey": 0, "probability": 0.5}]})
    assert destroys_small_defects(painted, (48, 48)) == []


def test_a_step_that_fails_names_its_owner(others: None, welds: Path) -> None:
    for name, said in (("crash", "SystemExit: no more"), ("shrink", "turned the image ((48, 48, 1), 'uint8') into")):
        augmenter = Augmenter(Augmentation.model_validate({"others": [{"name": name, "probability": 1}]}), (48, 48))
        with pytest.raises(PluginError, match=r"lopore-others 1\.0") as caught:
            augmenter(np.zeros((48, 48, 1), np.uint8), epoch=0, index=0)
        assert said in str(caught.value)


def test_a_loss_that_fails_names_its_owner_and_its_weight_is_kept(others: None) -> None:
    (one, other) = chosen_losses(Loss(name={"burst": 2.0, "margin": 0.5}), "binary", "softmax", discover().losses)
    assert (one.weight, other.weight, other.term.key) == (2.0, 0.5, "softmax/margin")
    from lopore.contracts import LossRequest

    request = LossRequest(task="binary", classes=2, params=one.params)
    with pytest.raises(PluginError, match=r"loss 'softmax/burst' of lopore-others 1\.0 failed: ZeroDivisionError"):
        one.term.build(request)(np.zeros((1, 1)), np.zeros(1, int), None)
    with pytest.raises(ConfigError, match="'burst' is for task binary, not for multilabel"):
        chosen_losses(Loss(name="burst"), "multilabel", "softmax", discover().losses)


def test_metrics_of_plugins_change_nothing_of_the_others(others: None) -> None:
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 3, 60)
    scores = rng.dirichlet(np.ones(3), 60)
    given: dict[str, Any] = {"task": "multiclass", "classes": ("a", "b", "c"), "resamples": 200}
    alone = measure(scores, targets, **given)
    more = measure(scores, targets, metrics=offered_metrics(), **given)
    assert {key: one for key, one in more.overall.items() if key != "brier"} == alone.overall
    parts = [more.per_class[name].others["brier"].value for name in "abc"]
    assert more.overall["brier"].value == pytest.approx(np.mean([one or 0 for one in parts]))


def test_a_wrong_loss_is_one_line_of_the_command(softmax: None, welds: Path) -> None:
    config(welds, training__loss__name="focl")
    with on_path(SOFTMAX):
        told = error_line(lopore("train", "--config", "little.yaml").stderr)
    assert "no loss 'softmax/focl'" in told
