"""``lopore show`` beside papers that are damaged, foreign, huge or hostile to a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from lopore.atomic_files import sha256_of
from lopore.record.folder import RECORD_NAME, ModelFolder
from lopore.record.interval import Interval
from lopore.record.model import ModelFile

Invoke = Callable[..., Result]


def told_of(folder: ModelFolder, paper: bytes, invoke: Invoke, **architecture: Any) -> str:
    """What `lopore show` prints of the model with this metrics.json, listed in its record."""
    (folder.path / "metrics.json").write_bytes(paper)
    listed = ModelFile(path="metrics.json", sha256=sha256_of(folder.path / "metrics.json"))
    record = folder.record.model_copy(
        update={
            "files": (*folder.record.files, listed),
            "metrics": {"roc_auc": Interval(value=0.5)},
            "metrics_split": "test",
            "architecture": {**folder.record.architecture, **architecture},
        }
    )
    (folder.path / RECORD_NAME).write_text(record.to_json(), encoding="utf-8")
    done = invoke("show", "bright")
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_counts_stand_beside_the_scores(model_folder: ModelFolder, invoke: Invoke) -> None:
    paper = json.dumps({"images": 12, "groups": 1}).encode()
    assert "on test: 12 images of 1 group, 95 % intervals" in told_of(model_folder, paper, invoke)


@pytest.mark.parametrize(
    "paper",
    [b"", b"[]", b"{", b'{"images": 3}', b'{"images": "\\u001b[31m", "groups": {}}', b"\xff\xfe", b"[" * 100_000,
     b'{"images": -1, "groups": 2}', b'{"images": 1e999, "groups": 2}'],
    ids=lambda paper: paper[:20].decode("latin-1"),
)  # fmt: skip
def test_a_damaged_or_foreign_metrics_file_is_one_clear_line(
    model_folder: ModelFolder, invoke: Invoke, paper: bytes
) -> None:
    text = told_of(model_folder, paper, invoke)
    assert "on test: metrics.json does not say of how many images; `lopore eval bright/1` measures again\n" in text
    assert "\x1b" not in text


def test_a_huge_metrics_file_is_not_read(
    model_folder: ModelFolder, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("read") if path.stem == "metrics" else whole(path))
    paper = b'{"images": 3, "groups": 3}' + b" " * (5 << 20)
    assert "metrics.json does not say of how many images" in told_of(model_folder, paper, invoke)


def test_what_a_record_says_of_its_origin_reaches_no_terminal_raw(model_folder: ModelFolder, invoke: Invoke) -> None:
    origin = {
        "model": "a\x1b]0;owned\x07\nfiles       sha256 of every weight file is as recorded",
        "framework": "\x9b31m",
    }
    text = told_of(model_folder, b"{}", invoke, converted_from=origin)
    assert not [letter for letter in text if not letter.isprintable() and letter != "\n"]
    assert sum(line.startswith("files ") for line in text.splitlines()) == 1
    assert "origin      converted from a" in text
