"""What stops a run: one line before anything is written, or nothing half-written after it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from made.runs import config, edit_manifest, run

from lopore.errors import ConfigError, DataError, LeakError, LoporeError, RunError


def test_a_run_name_is_used_once(softmax: None, welds: Path) -> None:
    run(config(welds, training__epochs=1), run_name="first")
    with pytest.raises(RunError, match="exists already"):
        run(config(welds, training__epochs=1), run_name="first")
    with pytest.raises(ConfigError, match="not usable"):
        run(config(welds), run_name="../out")


def test_a_leaking_split_stops_the_run_with_the_list_and_leaves_no_run_behind(softmax: None, welds: Path) -> None:
    edit_manifest(welds, lambda rows: rows[0].update(split="test"))
    with pytest.raises(LeakError, match=r"films/00-0\.png"):
        run(config(welds), run_name="first")
    assert "films/00-0.png" in Path("models/leaks/little.csv").read_text()
    assert not Path("models/checkpoints/first").exists()


def _no_pores_in_train(rows: list[dict[str, str]], keep: int) -> None:
    pores = [row for row in rows if row["labels"] == "pore" and row["split"] == "train"]
    for row in pores[keep:]:
        row["split"] = ""


@pytest.mark.parametrize(("keep", "said"), [(0, "no image in train"), (1, "1 image in train")])
def test_a_class_with_no_or_one_image_is_refused(softmax: None, welds: Path, keep: int, said: str) -> None:
    edit_manifest(welds, lambda rows: _no_pores_in_train(rows, keep))
    with pytest.raises(DataError, match=f"class 'pore' has {said}"):
        run(config(welds))


def _break(welds: Path, how: str) -> None:
    film = welds / "films" / "05-1.png"
    match how:
        case "missing":
            film.unlink()
        case "text":
            film.write_text("no image")
        case "truncated":
            film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])


@pytest.mark.parametrize("how", ["missing", "text", "truncated"])
def test_a_bad_training_file_is_named_in_one_line_and_nothing_is_published(
    softmax: None, welds: Path, how: str
) -> None:
    _break(welds, how)
    with pytest.raises(LoporeError, match=r"05-1\.png") as caught:
        run(config(welds), run_name="first")
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
        ({"preprocessing": {"size": [32, 40]}, "training__tta_views": 8}, "use 4"),
        ({"preprocessing": {"size": [32, 40]}, "augmentation": {"quarter_turns": True}}, "need a square input"),
    ],
)
def test_a_setting_that_cannot_work_is_one_line_before_anything_is_written(
    softmax: None, welds: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(LoporeError) as caught:
        run(config(welds, **changes), run_name="first")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("models").exists()


def test_a_read_only_place_is_one_line(softmax: None, welds: Path) -> None:
    (welds / "wall").write_text("")
    with pytest.raises((LoporeError, OSError)) as caught:
        run(config(welds), out=welds / "wall" / "models")
    assert "\n" not in str(caught.value)


def test_a_run_without_validation_films_is_told_what_to_set(softmax: None, welds: Path) -> None:
    edit_manifest(welds, lambda rows: [row.update(split="train") for row in rows if row["split"] == "val"])
    with pytest.raises(DataError, match=r"set training\.select_by to last"):
        run(config(welds))
    result = run(config(welds, training__select_by="last"))
    assert result.metrics is not None
    assert result.metrics.threshold.chosen_on.startswith("nothing")


def test_a_full_disk_while_publishing_leaves_no_half_model(
    softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(LoporeError, match="cannot be written"):
        run(config(welds), run_name="first")
    assert not list(Path("models/final").rglob("lopore.json"))
    assert not list(Path("models/final").rglob("softmax.npy"))
    monkeypatch.undo()
    os.chdir(welds)
    assert run(config(welds), resume="first").model_folder is not None
