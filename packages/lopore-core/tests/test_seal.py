"""No byte of a model is free: flipped bits anywhere in a folder or a lone file are noticed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from made.models import bright_or_dark, publish, publish_areas, record_for

from lopore.atomic_files import sha256_of
from lopore.errors import LoporeError, ModelError
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.record.interval import Interval
from lopore.record.model import ModelFile

Invoke = Callable[..., Result]
ARTIFACTS = ("config.yaml", "metrics.json", "parity-onnx.json", "training_log.csv", "predictions.csv", "preview.png")


def with_artifacts(folder: ModelFolder) -> ModelFolder:
    """The model with the files that a training leaves beside the weights, some text and some not."""
    made = random.Random(1)
    for name in ARTIFACTS:
        (folder.path / name).write_bytes(made.randbytes(200) if name.endswith("png") else b'{"seed": 1, "name": "x"}\n')
    return folder.with_files([ModelFile(path=name, sha256=sha256_of(folder.path / name)) for name in ARTIFACTS])


def flip(path: Path, at: random.Random) -> bytes:
    """Flip one bit of a file; returns what it held."""
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[at.randrange(len(damaged))] ^= 1 << at.randrange(8)
    path.write_bytes(damaged)
    return whole


def is_noticed(path: Path) -> bool:
    """Whether reading a model and checking its files, as `predict` and the app do before they open it, fails."""
    try:
        folder = ModelFolder.read(path)
        folder.verify("onnx")
    except LoporeError as error:
        assert "\n" not in str(error)
        return True
    return False


def test_a_thousand_flips_in_three_folders_and_three_lone_files_are_all_noticed(tmp_path: Path) -> None:
    made = [
        publish(tmp_path / "bright"),
        publish_areas(tmp_path / "areas"),
        publish(tmp_path / "leaky", record=record_for(name="leaky", licence="CC0", metrics={"auc": Interval(value=1)})),
    ]
    folders = [with_artifacts(folder) for folder in made]
    lone = []
    for folder in folders:
        lone.append(tmp_path / f"{folder.record.name}.onnx")
        lone[-1].write_bytes((folder.path / "model.onnx").read_bytes())
    assert not any(map(is_noticed, [*(folder.path for folder in folders), *lone]))
    at, missed = random.Random(20), []
    for _ in range(1000):
        if at.random() < 0.4:
            model = file = at.choice(lone)
        else:
            model = at.choice(folders).path
            file = at.choice(sorted(path for path in model.rglob("*") if path.is_file()))
        whole = flip(file, at)
        if not is_noticed(model):
            missed.append(file.name)
        file.write_bytes(whole)
    assert missed == []


def test_every_bit_of_a_record_and_of_the_end_of_a_lone_file_is_covered(tmp_path: Path) -> None:
    """The seals themselves are the likeliest gap."""
    folder = publish(tmp_path / "bright")
    lone = tmp_path / "lone.onnx"
    lone.write_bytes((folder.path / "model.onnx").read_bytes())
    for path, model, last in ((folder.path / "lopore.json", folder.path, 100), (lone, lone, 90)):
        whole = path.read_bytes()
        for place in range(len(whole) - last, len(whole)):
            for bit in range(8):
                path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
                assert is_noticed(model), (path.name, place - len(whole), bit)
        for cut in (1, last - 1, last):
            path.write_bytes(whole[:-cut])
            assert is_noticed(model)
        path.write_bytes(whole)


def test_show_names_each_damaged_file_and_fails(model_folder: ModelFolder, invoke: Invoke) -> None:
    folder = with_artifacts(model_folder)
    assert "sha256 of the record and of 7 files is as published" in invoke("show", "bright").stdout
    for name in ("config.yaml", "preview.png"):
        flip(folder.path / name, random.Random(3))
    done = invoke("show", "bright")
    assert done.exit_code == 1
    assert "config.yaml is not the file that was published (sha256 differs)" in done.stdout
    assert "preview.png is not the file that was published (sha256 differs)" in done.stderr


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "parity-onnx.json", "training_log.csv", "preview.png"])
def test_a_model_beside_a_damaged_file_is_not_opened(tmp_path: Path, name: str) -> None:
    folder = with_artifacts(publish(tmp_path / "bright"))
    flip(folder.path / name, random.Random(5))
    with pytest.raises(ModelError, match=f"{name} is not the file that was published"):
        open_model(folder)


def test_files_that_were_left_out_of_a_copy_hinder_nothing_but_their_own_format(tmp_path: Path) -> None:
    folder = with_artifacts(publish(tmp_path / "bright"))
    (folder.path / "metrics.json").unlink()
    open_model(folder).session.close()
    (folder.path / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"model\.onnx is missing; copy the whole model folder"):
        open_model(folder)


def test_a_record_that_was_edited_or_is_older_says_what_to_do(tmp_path: Path) -> None:
    folder = publish(tmp_path / "bright")
    path = folder.path / "lopore.json"
    data = json.loads(path.read_text())
    path.write_text(path.read_text().replace('"value": 0.0', '"value": 0.9', 1))
    with pytest.raises(ModelError, match="does not have its own checksum: the record was edited, damaged"):
        ModelFolder.read(folder.path)
    del data["sha256"]
    path.write_text(json.dumps(data, indent=2))
    with pytest.raises(
        ModelError, match=r"holds no checksum: .* copy the model folder anew, or train and export again"
    ):
        ModelFolder.read(folder.path)


def test_an_onnx_file_that_another_tool_saved_again_does_not_open_alone(tmp_path: Path) -> None:
    import onnx

    folder = publish(tmp_path / "bright", bright_or_dark())
    lone = tmp_path / "lone.onnx"
    model = onnx.load(folder.path / "model.onnx")
    del model.metadata_props[1:]
    onnx.save(model, lone)
    with pytest.raises(ModelError, match=r"ends without its checksum: .* copy it anew or export it again"):
        ModelFolder.read(lone)
