"""The training run, with a framework of one NumPy layer that stands in a distribution of its own beside these tests."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from lopore import registry
from lopore.config import Experiment, load_experiment
from lopore.errors import ConfigError, DataError, LeakError, LoporeError, RunError
from lopore.model import ModelFolder, open_model
from lopore.run.checkpoints import Checkpoints
from lopore.run.folder import locked
from lopore.run.progress import Progress
from lopore.training import TrainResult, train

PLUGIN = Path(__file__).parent / "softmax_plugin"


@pytest.fixture
def softmax() -> Iterator[None]:
    """The one-layer framework, installed for one test."""
    sys.path.insert(0, str(PLUGIN))
    registry.discover.cache_clear()
    yield
    sys.path.remove(str(PLUGIN))
    registry.discover.cache_clear()


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """48 made films of 24 welds in two classes, with a split by weld, in the working directory."""
    monkeypatch.chdir(tmp_path)
    make_films(tmp_path)
    return tmp_path


def make_films(folder: Path, side: int = 40, welds: int = 24) -> None:
    rng = np.random.default_rng(5)
    (folder / "films").mkdir()
    rows = []
    for weld in range(welds):
        kind, base = ("pore" if weld % 2 else "ok"), rng.normal(120, 12, (side, side))
        if weld % 2:
            y, x = rng.integers(8, side - 8, 2)
            base[y - 4 : y + 4, x - 4 : x + 4] -= 45
        split = ("train", "train", "train", "train", "val", "test")[weld // 2 % 6]
        for shot in range(2):
            pixels = np.clip(base + rng.normal(0, 3, base.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / "films" / f"{weld:02d}-{shot}.png"), pixels)
            name = f"films/{weld:02d}-{shot}.png"
            rows.append(
                [
                    name,
                    kind,
                    f"weld {weld}",
                    f"F{weld}",
                    split,
                    weld // 2 % 3,
                    f"{weld * 2 + shot:064x}",
                    f"{weld * 2 + shot:032x}",
                ]
            )
    with (folder / "films.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "labels", "group", "family", "split", "fold", "sha256", "pixel_hash"])
        writer.writerows(rows)


def config(folder: Path, **changes: Any) -> Experiment:
    data: dict[str, Any] = {
        "name": "little", "trainer": "softmax", "task": "binary",
        "data": {"manifest": "films.csv", "positive": "pore", "workers": 1},
        "preprocessing": {"size": 32}, "model": {"backbone": "cells"},
        "training": {"epochs": 6, "batch_size": 8, "optimizer": {"learning_rate": 0.3}}, "exports": [],
    }  # fmt: skip
    for key, value in changes.items():
        at = data
        *parents, last = key.split("__")
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
    (folder / "little.yaml").write_text(yaml.safe_dump(data))
    return load_experiment(folder / "little.yaml")


def run(experiment: Experiment, **options: Any) -> TrainResult:
    return train(experiment, progress=Progress(quiet=True), **options)


def edit_manifest(folder: Path, change: Any) -> None:
    with (folder / "films.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    change(rows)
    with (folder / "films.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def weights_of(result: TrainResult) -> bytes:
    assert result.model_folder is not None
    return (result.model_folder / "softmax.npy").read_bytes()


def test_a_run_ends_with_a_whole_model_folder_that_opens_and_answers_as_its_predictions_say(
    softmax: None, films: Path
) -> None:
    result = run(config(films), run_name="first")
    assert result.model_folder is not None
    names = {
        "lopore.json",
        "softmax.npy",
        "config.yaml",
        "metrics.json",
        "predictions.csv",
        "training_log.csv",
        "preview.png",
    }
    assert {path.name for path in result.model_folder.iterdir()} == names
    folder = ModelFolder.read(result.model_folder)
    record = folder.record
    assert result.files == (result.model_folder / "softmax.npy",)
    assert (record.classes, record.positive, record.metrics_split) == (("ok", "pore"), "pore", "test")
    assert record.preprocessing.mean == (0.5,)
    assert record.metrics["roc_auc"].value is not None
    assert record.leaks.clean
    assert not record.leaks.allowed
    bounds = {f"{name}_{end}" for name in ("mean", "std", "sharpness") for end in ("low", "high")}
    assert record.training_grey.keys() == {"mean", "std", *bounds}
    assert "8 validation images of 4 groups" in record.threshold.chosen_on
    assert {file.path for file in record.files} == names - {"lopore.json"}
    model = open_model(folder)
    from lopore.preprocess import preprocess, read_for

    with (result.model_folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["split"] for row in rows] == ["val"] * 8 + ["test"] * 8
    for row in rows:
        pixels, _ = preprocess(read_for(record.preprocessing, films / row["path"]), record.preprocessing)
        assert model.session.predict(pixels[None])[0, 1] == pytest.approx(float(row["score:pore"]), abs=1e-6)
        found = "pore" if float(row["score:pore"]) >= record.threshold.value else "ok"
        assert row["predicted"] == found
        assert row["correct"] == str(int(found == row["labels"]))


def test_the_run_folder_holds_config_facts_logs_and_the_newest_checkpoints(softmax: None, films: Path) -> None:
    result = run(config(films), run_name="first")
    folder = result.run_folder
    assert folder == Path("models/checkpoints/first")
    facts = json.loads((folder / "run.json").read_text())
    assert facts["seed"] == 0
    assert facts["versions"]["numpy"] == np.__version__
    assert "commit" in facts
    assert load_experiment(folder / "config.yaml") == config(films)
    assert [path.name for path in sorted(folder.glob("epoch-*"))] == ["epoch-0005", "epoch-0006"]
    assert not list(folder.rglob("*.part"))
    with (folder / "training_log.csv").open(newline="") as stream:
        log = list(csv.DictReader(stream))
    assert [row["epoch"] for row in log] == list("123456")
    assert all(0 <= float(row["val_auc"]) <= 1 for row in log)


def test_tensorboard_reads_the_log(softmax: None, films: Path) -> None:
    folder = run(config(films, training__epochs=2), run_name="first").run_folder
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert {"train/loss", "val/roc_auc", "train/learning_rate"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2]


def test_the_best_epoch_is_published_and_not_the_last(softmax: None, films: Path) -> None:
    result = run(config(films, training__optimizer={"learning_rate": 3.0}, training__epochs=12), run_name="first")
    with (result.run_folder / "training_log.csv").open(newline="") as stream:
        log = list(csv.DictReader(stream))
    best = max(range(12), key=lambda at: (float(log[at]["val_auc"]), -float(log[at]["val_loss"])))
    assert [at for at in range(12) if log[at]["best"] == "1"][-1] == best
    kept = result.run_folder / "best" / f"epoch-{best + 1:04d}" / "weights.npy"
    assert kept.read_bytes() == weights_of(result)


def test_early_stopping_ends_a_run_that_gets_no_better(softmax: None, films: Path) -> None:
    result = run(config(films, training__epochs=60, training__early_stopping={"patience": 3}), run_name="first")
    with (result.run_folder / "training_log.csv").open(newline="") as stream:
        log = [float(row["val_auc"]) for row in csv.DictReader(stream)]
    assert len(log) < 60
    assert max(log[:-3]) >= max(log[-3:])


def test_equal_runs_give_equal_weights_and_another_seed_others(softmax: None, films: Path) -> None:
    one, two = run(config(films), run_name="a"), run(config(films, data__workers=0), run_name="b")
    other = run(config(films, seed=1), run_name="c")
    assert weights_of(one) == weights_of(two) != weights_of(other)


def test_a_run_cut_off_after_any_epoch_ends_with_the_same_bits(softmax: None, films: Path) -> None:
    whole = run(config(films), run_name="whole")
    for epoch in range(1, 6):
        name = f"cut-{epoch}"
        with pytest.raises(KeyboardInterrupt):
            train(config(films), run_name=name, progress=_StopAfter(epoch))
        again = run(config(films), resume=name)
        assert weights_of(again) == weights_of(whole)
        with (again.run_folder / "training_log.csv").open(newline="") as stream:
            assert [row["epoch"] for row in csv.DictReader(stream)] == list("123456")


class _StopAfter(Progress):
    def __init__(self, epoch: int) -> None:
        super().__init__(quiet=True)
        self.epoch = epoch

    def line(self, text: str) -> None:
        if text.startswith(f"epoch {self.epoch + 1}/"):
            raise KeyboardInterrupt


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before_and_says_so(softmax: None, films: Path) -> None:
    whole = run(config(films), run_name="whole")
    with pytest.raises(KeyboardInterrupt):
        train(config(films), run_name="cut", progress=_StopAfter(4))
    broken = Path("models/checkpoints/cut/epoch-0004/state.npz")
    broken.write_bytes(broken.read_bytes()[:-20])
    lines: list[str] = []
    again = train(config(films), resume="cut", progress=_Listen(lines))
    assert any("epoch-0004 is damaged (state.npz was changed)" in line for line in lines)
    assert any("going on after epoch 3" in line for line in lines)
    assert weights_of(again) == weights_of(whole)


class _Listen(Progress):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(quiet=True)
        self.lines = lines

    def line(self, text: str) -> None:
        self.lines.append(text)


def test_resuming_a_finished_run_gives_the_same_model_again(softmax: None, films: Path) -> None:
    first = run(config(films), run_name="first")
    again = run(config(films), resume="first")
    assert again.model_folder == first.model_folder
    assert again.metrics == first.metrics


def test_a_resumed_run_refuses_another_config_data_or_split_in_one_line(softmax: None, films: Path) -> None:
    run(config(films), run_name="first")
    with pytest.raises(ConfigError, match=r"training.batch_size was 8 and is 4") as caught:
        run(config(films, training__batch_size=4), resume="first")
    assert "\n" not in str(caught.value)
    run(config(films, data__cache_mb=1, training__threads=1), resume="first")
    edit_manifest(films, lambda rows: rows[0].update(split="val") or rows[1].update(split="val"))
    with pytest.raises(RunError, match=r"the split of films.csv changed"):
        run(config(films), resume="first")
    with pytest.raises(RunError, match=r"no run 'second' to resume; .*first"):
        run(config(films), resume="second")


def test_a_second_process_on_one_run_is_refused(softmax: None, films: Path) -> None:
    run(config(films), run_name="first")
    code = (
        "import sys, time; from pathlib import Path; from lopore.run.folder import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, "models/checkpoints/first"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="another process is training"):
            run(config(films), resume="first")
        other.kill()
    run(config(films), resume="first")
    with locked(films / "free"):
        pass


def test_a_run_name_is_used_once(softmax: None, films: Path) -> None:
    run(config(films, training__epochs=1), run_name="first")
    with pytest.raises(RunError, match="exists already"):
        run(config(films, training__epochs=1), run_name="first")
    with pytest.raises(ConfigError, match="not usable"):
        run(config(films), run_name="../out")


def test_a_leaking_split_stops_the_run_with_the_list_and_leaves_no_run_behind(softmax: None, films: Path) -> None:
    edit_manifest(films, lambda rows: rows[0].update(split="test"))
    with pytest.raises(LeakError, match=r"films/00-0\.png"):
        run(config(films), run_name="first")
    assert "films/00-0.png" in Path("models/leaks/little.csv").read_text()
    assert not Path("models/checkpoints/first").exists()


def test_a_model_trained_on_a_leaking_split_carries_the_mark(softmax: None, films: Path) -> None:
    edit_manifest(films, lambda rows: rows[0].update(split="test"))
    result = run(config(films), run_name="first", allow_leaks=True)
    assert result.model_folder is not None
    leaks = ModelFolder.read(result.model_folder).record.leaks
    assert leaks.allowed
    assert leaks.leaks >= 1
    assert "films/00-0.png" in leaks.examples[0]


def _no_pores_in_train(rows: list[dict[str, str]], keep: int) -> None:
    pores = [row for row in rows if row["labels"] == "pore" and row["split"] == "train"]
    for row in pores[keep:]:
        row["split"] = ""


@pytest.mark.parametrize(("keep", "said"), [(0, "no image in train"), (1, "1 image in train")])
def test_a_class_with_no_or_one_image_is_refused(softmax: None, films: Path, keep: int, said: str) -> None:
    edit_manifest(films, lambda rows: _no_pores_in_train(rows, keep))
    with pytest.raises(DataError, match=f"class 'pore' has {said}"):
        run(config(films))


def _break(films: Path, how: str) -> None:
    film = films / "films" / "05-1.png"
    match how:
        case "missing":
            film.unlink()
        case "text":
            film.write_text("no picture")
        case "truncated":
            film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])


@pytest.mark.parametrize("how", ["missing", "text", "truncated"])
def test_a_bad_training_file_is_named_in_one_line_and_nothing_is_published(
    softmax: None, films: Path, how: str
) -> None:
    _break(films, how)
    with pytest.raises(LoporeError, match=r"05-1\.png") as caught:
        run(config(films), run_name="first")
    assert "\n" not in str(caught.value)
    assert not Path("models/final").exists()
    if how != "truncated":
        assert not Path("models/checkpoints/first").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model__backbone": "cell"}, "no backbone 'softmax/cell'; did you mean softmax/cells"),
        ({"trainer": "softmin"}, "did you mean softmax"),
        ({"task": "segmentation"}, "has no task 'segmentation'; it has binary"),
        ({"exports": ["onxx"]}, "exports names 'onxx'"),
        ({"data__positive": "crack"}, "data.positive is 'crack'; the images carry ok, pore"),
        ({"data__exclude": ["crack"]}, "data.exclude names 'crack'"),
        ({"training__loss": {"class_weights": {"crack": 2.0}}}, "loss.class_weights names 'crack'"),
        ({"data__manifest": "absent.csv"}, "absent.csv cannot be read"),
        ({"preprocessing": {"size": [32, 40]}, "training__test_views": 8}, "use 4"),
        ({"preprocessing": {"size": [32, 40]}, "augmentation": {"quarter_turns": True}}, "need a square input"),
    ],
)
def test_a_setting_that_cannot_work_is_one_line_before_anything_is_written(
    softmax: None, films: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(LoporeError) as caught:
        run(config(films, **changes), run_name="first")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("models").exists()


def test_a_read_only_place_is_one_line(softmax: None, films: Path) -> None:
    (films / "wall").write_text("")
    with pytest.raises((LoporeError, OSError)) as caught:
        run(config(films), out=films / "wall" / "models")
    assert "\n" not in str(caught.value)


def test_a_run_without_validation_films_is_told_what_to_set(softmax: None, films: Path) -> None:
    edit_manifest(films, lambda rows: [row.update(split="train") for row in rows if row["split"] == "val"])
    with pytest.raises(DataError, match=r"set training\.select_by to last"):
        run(config(films))
    result = run(config(films, training__select_by="last"))
    assert result.metrics is not None
    assert result.metrics.threshold.chosen_on.startswith("nothing")


def test_multilabel_films_get_a_threshold_a_class(softmax: None, films: Path) -> None:
    edit_manifest(
        films, lambda rows: [row.update(labels="ok|pore") for row in rows if row["path"].startswith("films/01")]
    )
    with pytest.raises(DataError, match="2 images carry several classes"):
        run(config(films, task="multiclass", data__positive=None))
    result = run(config(films, task="multilabel", data__positive=None, data__balance="class"))
    assert result.metrics is not None
    assert set(result.metrics.threshold.per_class) == {"ok", "pore"}
    left = run(config(films, task="multiclass", data__positive=None, data__exclude=["ok+pore"]))
    assert left.metrics is not None
    assert left.metrics.confusion is not None


def test_folds_are_pooled_and_every_film_is_answered_once_by_a_model_that_never_saw_its_weld(
    softmax: None, films: Path
) -> None:
    result = run(config(films), cross_validation=True, run_name="cv")
    folder = result.run_folder / "cross-validation"
    with (folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len({row["path"] for row in rows}) == len(rows) == 48
    assert result.model_folder is None
    assert result.metrics is not None
    assert (result.metrics.images, result.metrics.groups) == (48, 24)
    assert result.metrics.overall["roc_auc"].low is not None
    report = json.loads((folder / "metrics.json").read_text())
    assert len(report["folds"]) == 3
    for weld in range(24):
        assert len({row["split"] for row in rows if row["group"] == f"weld {weld}"}) == 1


def test_a_cross_validation_goes_on_with_the_folds_that_are_missing(softmax: None, films: Path) -> None:
    whole = run(config(films), cross_validation=True, run_name="whole")
    with pytest.raises(KeyboardInterrupt):
        train(config(films), cross_validation=True, run_name="cut", progress=_StopInFold(2))
    lines: list[str] = []
    again = train(config(films), resume="cut", progress=_Listen(lines))
    assert sum("finished before" in line for line in lines) == 2
    assert again.metrics == whole.metrics


class _StopInFold(Progress):
    def __init__(self, fold: int) -> None:
        super().__init__(quiet=True)
        self.fold, self.here = fold, False

    def line(self, text: str) -> None:
        self.here = self.here or text.startswith(f"fold {self.fold}:")
        if self.here and text.startswith("epoch 3/"):
            raise KeyboardInterrupt


def test_new_folds_keep_welds_whole_and_a_leaking_fold_column_is_refused(softmax: None, films: Path) -> None:
    result = run(config(films, training__epochs=1), cross_validation=True, folds=4)
    assert len(json.loads((result.run_folder / "cross-validation" / "metrics.json").read_text())["folds"]) == 4
    edit_manifest(films, lambda rows: rows[0].update(fold="2"))
    with pytest.raises(LeakError):
        run(config(films), cross_validation=True)


def test_views_are_averaged_in_the_published_scores(softmax: None, films: Path) -> None:
    one, four = run(config(films), run_name="a"), run(config(films, training__test_views=4), run_name="b")
    assert weights_of(one) == weights_of(four)
    assert one.metrics is not None
    assert four.model_folder is not None
    assert (one.model_folder / "predictions.csv").read_text() != (four.model_folder / "predictions.csv").read_text()  # type: ignore[operator]
    assert ModelFolder.read(four.model_folder).record.test_views == 4


def test_no_half_checkpoint_is_ever_the_last_good_one(softmax: None, films: Path) -> None:
    folder = run(config(films), run_name="first").run_folder
    checkpoints = Checkpoints(folder)
    newest = checkpoints.place(6)
    for name in ("state.json", "run-state.json", "sha256.json"):
        kept = (newest / name).read_bytes()
        (newest / name).unlink()
        found = checkpoints.last_good()
        assert found is not None
        assert found[0].epoch == 5
        (newest / name).write_bytes(kept)
    found = checkpoints.last_good()
    assert found is not None
    assert found[0].epoch == 6


def _train_command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "lopore", "train", "--config", str(folder / "little.yaml"), "--json", *words]


def _environment(slowly: float) -> dict[str, str]:
    path = os.pathsep.join([str(PLUGIN), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "SOFTMAX_SLOWLY": str(slowly), "LOPORE_BLOCK": "lopore-torch,lopore-tf"}


def _killed_until_done(folder: Path, run_name: str, seed: int, slowly: float, most: int) -> int:
    """Train in a process that is killed at random moments and started again; returns how often it was killed."""
    rng, words = random.Random(seed), ["--run-name", run_name]
    for attempt in range(most + 1):
        process = subprocess.Popen(
            _train_command(folder, *words), env=_environment(slowly), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        run_folder = folder / "models" / "checkpoints" / run_name
        _wait(lambda at=run_folder: (at / "config.yaml").is_file(), process)
        words = ["--resume", run_name]
        try:
            process.wait(timeout=None if attempt == most else rng.uniform(0.0, 1.2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            continue
        assert process.stderr is not None
        assert process.returncode == 0, process.stderr.read()
        return attempt
    raise AssertionError("never finished")


def _wait(ready: Any, process: subprocess.Popen[bytes]) -> None:
    while not ready() and process.poll() is None:
        time.sleep(0.01)


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(softmax: None, films: Path) -> None:
    whole = run(config(films, training__epochs=8), run_name="whole")
    killed = _killed_until_done(films, "killed", seed=3, slowly=0.02, most=3)
    assert killed > 0
    again = run(config(films, training__epochs=8), resume="killed")
    assert weights_of(again) == weights_of(whole)
    assert again.metrics == whole.metrics
    assert not list((films / "models" / "final").rglob("*.part"))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lopore_torch") is None, reason="lopore-torch is not installed")
def test_a_torch_run_killed_at_a_random_moment_ends_with_the_same_bits(films: Path) -> None:
    settings = {
        "trainer": "torch", "model": {"backbone": "resnet10t"}, "exports": [],
        "augmentation": {"horizontal_flip": True, "noise": True}, "training__epochs": 4, "training__average": 0.9,
        "training__deterministic": True, "training__threads": 1, "training__optimizer": {"learning_rate": 0.003},
    }  # fmt: skip
    config(films, **settings)
    results = []
    for name in ("whole", "killed"):
        command = [*_train_command(films), "--run-name", name]
        if name == "killed":
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _wait(lambda: (films / "models/checkpoints/killed/epoch-0001").is_dir(), process)
            time.sleep(random.Random(1).uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert process.returncode == -signal.SIGKILL
            command = [*_train_command(films), "--resume", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        results.append(Path(json.loads(done.stdout)["model"]))
    import torch

    one, two = (torch.load(folder / "model_best.pth", weights_only=True) for folder in results)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lopore_torch") is None, reason="lopore-torch is not installed")
def test_two_processes_train_as_one_and_only_the_first_writes_and_reports(films: Path) -> None:
    settings = {
        "trainer": "torch", "model": {"backbone": "resnet10t"}, "augmentation": {"horizontal_flip": True},
        "training__epochs": 2, "training__deterministic": True, "training__threads": 1,
        "training__optimizer": {"learning_rate": 0.003},
    }  # fmt: skip
    config(films, **settings)
    told, logs = [], []
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *_train_command(films)[1:]]
    for name, command in (("one", _train_command(films)), ("two", launch)):
        done = subprocess.run([*command, "--run-name", name], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
        with (films / "models" / "checkpoints" / name / "training_log.csv").open(newline="") as stream:
            logs.append([(float(row["loss"]), float(row["val_loss"])) for row in csv.DictReader(stream)])
    np.testing.assert_allclose(logs[1], logs[0], rtol=1e-3)
    assert told[0]["metrics"]["threshold"]["value"] == pytest.approx(told[1]["metrics"]["threshold"]["value"], abs=1e-3)
    assert len(list((films / "models" / "final" / "little").iterdir())) == 2


def test_json_is_all_that_stands_on_standard_output(softmax: None, films: Path) -> None:
    config(films, training__epochs=1)
    done = subprocess.run(_train_command(films), env=_environment(0), capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert Path(told["model"], "lopore.json").is_file()
    assert told["metrics"]["split"] == "test"
    assert done.stderr == ""


def test_options_of_the_command_go_before_the_config(softmax: None, films: Path) -> None:
    config(films)
    words = [
        "--epochs",
        "2",
        "--batch-size",
        "4",
        "--seed",
        "9",
        "--name",
        "other",
        "--set",
        "training.optimizer.name=sgd",
        "--run-name",
        "r",
    ]
    done = subprocess.run(
        [*_train_command(films), *words], env=_environment(0), capture_output=True, text=True, check=True
    )
    kept = load_experiment(films / "models/checkpoints/r/config.yaml")
    assert (kept.training.epochs, kept.training.batch_size, kept.seed, kept.name) == (2, 4, 9, "other")
    assert kept.training.optimizer.name == "sgd"
    assert json.loads(done.stdout)["model"].startswith("models/final/other/")
    bad = subprocess.run(
        [*_train_command(films), "--set", "training.epoks=3"],
        env=_environment(0),
        capture_output=True,
        text=True,
        check=False,
    )
    assert bad.returncode == 1
    assert "did you mean 'epochs'" in bad.stderr
    assert bad.stderr.count("\n") == 1


def test_a_full_disk_while_publishing_leaves_no_half_model(
    softmax: None, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(LoporeError, match="cannot be written"):
        run(config(films), run_name="first")
    assert not list(Path("models/final").rglob("lopore.json"))
    assert not list(Path("models/final").rglob("softmax.npy"))
    monkeypatch.undo()
    os.chdir(films)
    assert run(config(films), resume="first").model_folder is not None


def test_the_films_are_not_touched(softmax: None, films: Path) -> None:
    before = {path: path.read_bytes() for path in sorted((films / "films").iterdir())}
    run(config(films, augmentation={"noise": True, "rotate": True}))
    assert before == {path: path.read_bytes() for path in sorted((films / "films").iterdir())}
    shutil.rmtree(films / "models")
