"""A model record says what its weights need, and a folder that disagrees is told in one line."""

from __future__ import annotations

import json
import os
import re
from functools import partial
from pathlib import Path

import pytest
from made.models import record_for

from lopore.arrays import Task
from lopore.errors import ModelError
from lopore.inference.decisions import decide
from lopore.models.catalogue import find_models, locate_model
from lopore.record.folder import BrokenModel, ModelFolder
from lopore.record.interval import Interval
from lopore.record.model import ModelFile, Threshold
from lopore.record.seal import seal_json

record = partial(record_for, name="weld")


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "lopore.json").write_text(text)
    return folder


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    folder = write(tmp_path / "weld" / "1", record().to_json())
    assert ModelFolder.read(folder).record == record()


@pytest.mark.parametrize(
    ("task", "scores", "name"),
    [
        ("multiclass", ("accuracy", "f1", "roc_auc", "recall/pore"), "roc_auc"),
        ("multiclass", ("accuracy", "f1"), "f1"),
        ("segmentation", ("roc_auc", "dice", "iou", "dice/pore"), "dice"),
        ("segmentation", ("accuracy", "hits"), "hits"),
        ("segmentation", ("dice/pore", "roc_auc"), "roc_auc"),
        ("multiclass", ("recall/pore",), None),
    ],
)
def test_one_score_stands_for_the_model_and_of_segmentation_one_of_pixels_or_marks(
    task: Task, scores: tuple[str, ...], name: str | None
) -> None:
    record = record_for(task=task, metrics={one: Interval(value=0.5) for one in scores})
    assert (record.main_score or (None,))[0] == name


def test_a_score_that_is_not_defined_stands_for_nothing() -> None:
    record = record_for(metrics={"roc_auc": Interval(value=None), "accuracy": Interval(value=0.8)})
    assert record.main_score == ("accuracy", Interval(value=0.8))


def test_an_edited_preprocessing_is_noticed(tmp_path: Path) -> None:
    data = json.loads(record().to_json())
    data["preprocessing"]["resize"] = "crop"
    folder = write(tmp_path / "weld" / "1", json.dumps(data))
    with pytest.raises(ModelError, match="record was edited") as caught:
        ModelFolder.read(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b", "C:\\x", "", "a//b", "..\\x", "a\0b", "a\nb"])
def test_a_file_name_cannot_leave_the_folder(path: str) -> None:
    with pytest.raises(ValueError, match="leaves the model folder"):
        ModelFile(path=path, sha256="0" * 64)


def test_a_linked_weight_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    folder = write(tmp_path / "weld" / "1", "{}")
    (folder / "w.pth").symlink_to(tmp_path / "secret")
    listed = record(files=(ModelFile(path="w.pth", sha256="0" * 64, format="pth"),))
    with pytest.raises(ModelError, match="is a link"):
        ModelFolder(folder, listed).verify("pth")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 2}', '{"name": "' + "x" * 5_000_000 + '"}'])
def test_a_broken_record_is_listed_with_its_reason_and_hides_no_other(tmp_path: Path, text: str) -> None:
    write(tmp_path / "broken" / "1", text)
    write(tmp_path / "weld" / "1", record().to_json())
    broken, sound = find_models([tmp_path])
    assert isinstance(broken, BrokenModel)
    assert "\n" not in broken.reason
    assert len(broken.reason) < 1000
    assert isinstance(sound, ModelFolder)


def test_of_a_record_without_end_only_the_beginning_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "weld" / "1", "")
    with (folder / "lopore.json").open("r+b") as stream:
        stream.truncate(1 << 40)  # a sparse file
    with pytest.raises(ModelError, match="at most 4194304 bytes are read"):
        ModelFolder.read(folder)


def test_a_pipe_or_a_locked_file_in_place_of_a_record_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "lopore.json")
    with pytest.raises(ModelError, match=r"lopore\.json is no regular file; copy the model folder again"):
        ModelFolder.read(tmp_path / "pipe")


def test_two_exports_at_once_both_enter_the_record(tmp_path: Path) -> None:
    folder = write(tmp_path / "weld" / "1", record().to_json())
    first, second = ModelFolder.read(folder), ModelFolder.read(folder)
    first.with_files([ModelFile(path="model.onnx", sha256="0" * 64, format="onnx")])
    second.with_files([ModelFile(path="model.h5", sha256="1" * 64, format="h5")])
    assert ModelFolder.read(folder).record.formats == ("onnx", "h5")


def test_an_export_never_enters_the_record_of_another_model(tmp_path: Path) -> None:
    """A lone ONNX file may lie in the folder of another model."""
    folder = write(tmp_path / "weld" / "1", record().to_json())
    lone = ModelFolder(folder, record(version="7"))
    with pytest.raises(ModelError, match="holds weld/1, not weld/7; copy the file into a folder of its own"):
        lone.with_files([ModelFile(path="model.int8.onnx", sha256="0" * 64, format="onnx-int8")])
    assert ModelFolder.read(folder).record == record()


def test_a_model_is_found_by_name_and_the_newest_version_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOPORE_MODELS", str(tmp_path / "shelf"))
    write(tmp_path / "shelf" / "weld" / "1", record().to_json())
    write(tmp_path / "models" / "final" / "weld" / "2", record(version="2", created="2026-02-01").to_json())
    assert locate_model("weld").title == "weld/2"
    assert locate_model("weld/1").title == "weld/1"
    with pytest.raises(ModelError, match="no model 'wield'; found weld/2, weld/1"):
        locate_model("wield")


def test_nothing_that_a_record_says_reaches_a_terminal_raw() -> None:
    told = record(licence="CC0\n\x1b]0;title\x07", created="\x1b[31m2026", versions={"torch\x1b": "2\r"})
    assert (told.licence, told.created, told.versions) == ("CC0 ?]0;title?", "?[31m2026", {"torch?": "2"})
    for name in ("", "\x1b[31mpore", "pore\nsound", "\u202epore", "p" * 3000):
        with pytest.raises(ValueError, match="is empty, too long or holds control characters"):
            record(classes=("no_defect", name))


def test_a_folder_of_films_does_not_hide_the_model_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    (tmp_path / "weld").mkdir()
    with pytest.raises(ModelError, match=r"weld holds no lopore\.json"):
        locate_model("weld")
    write(tmp_path / "models" / "final" / "weld" / "1", record().to_json())
    assert locate_model("weld").title == "weld/1"


def test_a_name_longer_than_a_path_is_no_model() -> None:
    with pytest.raises(ModelError, match=r"no model 'w{80}\.\.\.'; found"):
        locate_model("w" * 5000)


def test_a_missing_format_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no onnx file; it has none; write one with `lopore export --to onnx`"):
        ModelFolder(tmp_path, record()).file_for("onnx")


@pytest.mark.parametrize(
    ("task", "threshold", "row", "text"),
    [
        ("multiclass", 0.0, (0.4, 0.6), "pore"),
        ("multiclass", 0.7, (0.4, 0.6), "undecided"),
        ("binary", 0.3, (0.65, 0.35), "pore"),
        ("binary", 0.5, (0.65, 0.35), "no_defect"),
        ("binary", 0.35, (0.65, 0.35), "pore"),
        ("multilabel", 0.5, (0.9, 0.8), "no_defect + pore"),
        ("multilabel", 0.5, (0.1, 0.2), "none found"),
    ],
)
def test_a_decision_follows_the_threshold(task: str, threshold: float, row: tuple[float, float], text: str) -> None:
    point = Threshold(value=threshold, rule="fixed", chosen_on="val")
    assert decide(record(task=task, threshold=point, positive="pore"), row).text == text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"architecture": {"outputs": 3_000_000}}, "its network has 3000000 outputs, 2 belong to 2 classes"),
        ({"architecture": {"outputs": "two"}}, "its network has two outputs"),
        ({"metrics": {"auc": {"value": 0.5, "low": 0.1}}}, "an interval from 0.1 to None lacks one end"),
        ({"positive": "crack"}, "threshold or positive class 'crack' is no class of the model"),
        ({"threshold": {"value": 0.5, "rule": "f1", "chosen_on": "val", "per_class": {"crack": 0.1}}}, "'crack' is no"),
    ],
)  # fmt: skip
def test_a_record_that_does_not_agree_with_itself_is_refused_in_one_line(
    changes: dict[str, object], reason: str, tmp_path: Path
) -> None:
    data = json.loads(record().model_dump_json()) | changes
    folder = write(tmp_path / "weld" / "1", seal_json(json.dumps(data, indent=2)))
    with pytest.raises(ModelError, match=re.escape(reason)) as caught:
        ModelFolder.read(folder)
    assert "\n" not in str(caught.value)
