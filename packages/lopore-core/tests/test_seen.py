"""Scores on films that a model has met say so, whatever became of the manifest since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from made.models import publish, record_for

from lopore.atomic_files import sha256_of
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.evaluation.evaluate import evaluate
from lopore.evaluation.training_manifest import training_manifest
from lopore.evaluation.training_overlap import training_overlap
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder

SIDES = ("train", "train", "train", "val", "val", "test")


@pytest.fixture
def trained(films: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    """A model with its config, whose manifest lies in the working directory: six films of two classes a side."""
    monkeypatch.chdir(films.parent)
    rows = [
        Row(
            path=path.relative_to(films.parent).as_posix(), labels=(path.parent.name,), split=SIDES[int(path.stem[-1])],
            group=path.stem, sha256=sha256_of(path),
        )
        for path in sorted(films.rglob("*.png"))
    ]  # fmt: skip
    manifest = Manifest(tuple(rows), films.parent).write(Path("films.csv"))
    record = record_for(split_fingerprint=manifest.split_fingerprint)
    folder = publish(Path("models/final/known/1"), record=record)
    config = {"name": "known", "data": {"manifest": "films.csv"}}
    (folder.path / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def notes(folder: ModelFolder, split: str, manifest: Path | None = None) -> tuple[str, ...]:
    model = open_model(folder)
    try:
        return evaluate(model, training_manifest(folder, manifest), split=split).metrics.notes
    finally:
        model.session.close()


def test_the_held_out_side_carries_no_note_and_the_others_say_what_they_were_used_for(trained: ModelFolder) -> None:
    assert notes(trained, "test") == ()
    assert notes(trained, "train") == ("6 of 6 images were learned from: these scores are too good and prove nothing",)
    assert notes(trained, "val") == ("4 of 4 images chose the epoch, so these scores are too good",)
    learned, chose = notes(trained, "all")
    assert learned.startswith("6 of 12")
    assert chose.startswith("4 of 12")


def test_of_an_anomaly_model_only_sound_images_count_as_learned_from(trained: ModelFolder) -> None:
    config = {"name": "known", "task": "anomaly", "data": {"manifest": "films.csv"}}
    (trained.path / "config.yaml").write_text(yaml.safe_dump(config))
    record = trained.record.model_copy(update={"task": "anomaly", "classes": ("anomaly",)})
    own = Manifest.read(Path("films.csv"))
    (note, *_) = training_overlap(ModelFolder(trained.path, record), own.split_of("train"))
    assert note.startswith("3 of 6 images were learned from")


def test_a_manifest_that_was_split_anew_is_not_taken_for_the_one_that_was_trained_on(trained: ModelFolder) -> None:
    manifest = Manifest.read(Path("films.csv"))
    turned = tuple(replace(row, split="test" if row.split == "train" else "train") for row in manifest.rows)
    replace(manifest, rows=turned).write(Path("films.csv"))
    (note,) = notes(trained, "test")
    assert "films.csv was split anew since this model was trained" in note
    assert "prove nothing" in note


def test_copies_of_learned_films_are_known_in_another_manifest_under_other_names(trained: ModelFolder) -> None:
    own = Manifest.read(Path("films.csv"))
    rows = []
    for number, row in enumerate(own.rows):
        copy = Path("elsewhere") / f"{number}.png"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(own.file(row).read_bytes())
        rows.append(replace(row, path=copy.name, split="test", group=""))
    other = replace(own, rows=tuple(rows), root=Path("elsewhere").absolute()).write(Path("other.csv"))
    learned, chose = notes(trained, "test", other.location)
    assert learned.startswith("6 of 12 images were learned from")
    assert chose.startswith("4 of 12")


def test_nothing_is_claimed_where_nothing_can_be_known(trained: ModelFolder, model_folder: ModelFolder) -> None:
    films = Manifest.read(Path("films.csv"))
    assert training_overlap(model_folder, films) == ()  # no config beside it
    (trained.path / "config.yaml").write_text("name: [broken")
    assert training_overlap(trained, films) == ()
    (trained.path / "config.yaml").write_text("name: known\ndata: {manifest: gone.csv}\n")
    assert training_overlap(trained, films) == ()


def test_the_command_prints_the_note_and_the_report_shows_it(
    trained: ModelFolder, invoke: Callable[..., Result]
) -> None:
    found = invoke("eval", str(trained.path), "--split", "train", "--out", "report")
    assert found.exit_code == 0, found.stderr
    assert "note: 6 of 6 images were learned from" in found.stderr
    assert "6 of 6 images were learned from" in Path("report/report.html").read_text()


def test_other_films_of_a_weld_that_was_learned_from_are_told_by_their_group_and_numbered_families_are_not(
    trained: ModelFolder,
) -> None:
    own = Manifest.read(Path("films.csv"))
    learned = next(row.group for row in own.rows if row.split == "train")

    def told(group: str) -> tuple[str, ...]:
        rows = []
        for row in own.split_of("test").rows:
            copy = Path("other") / Path(row.path).name
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(own.file(row).read_bytes())
            rows.append(Row(path=copy.as_posix(), labels=row.labels, split="test", group=group))
        return notes(trained, "test", Manifest(tuple(rows), Path.cwd()).write(Path("other.csv")).location)

    (note,) = told(learned)
    assert note.startswith("2 of 2 images carry the name of a group that was learned from, such as ")
    assert learned in note
    assert told("another weld") == ()
    assert told("F00001") == ()
