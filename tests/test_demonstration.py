"""The demonstration asks for commands that lopore has; that it reaches its score, ``nox -s demo`` says."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest
from made.modules import module_at

from lopore.cli import main

ROOT = Path(__file__).resolve().parent.parent


def taken(words: list[str]) -> None:
    """Raise click's error where lopore does not take these words."""
    command: click.Command = main
    context = None
    while isinstance(command, click.Group):
        context = click.Context(command, parent=context, info_name=command.name)
        found = command.get_command(context, words[0])
        assert found is not None, words[0]
        command, words = found, words[1:]
    with command.make_context(command.name, words, parent=context):
        pass


def test_every_command_of_the_demonstration_is_one_that_lopore_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = module_at(ROOT / "tools" / "demo.py")
    asked: list[list[str]] = []
    monkeypatch.setattr(demo, "lopore", lambda *words, folder, capture=False: asked.append(list(words)))
    monkeypatch.setattr(demo, "newest_model", lambda folder: Path("models/final/demo/1"))
    monkeypatch.setattr(demo, "some_films", lambda folder: ["films/pore/one.png"])
    monkeypatch.setattr(demo, "summary", lambda *facts: None)
    monkeypatch.setattr(sys, "argv", ["demo.py", "--out", str(tmp_path / "demo")])
    demo.main()
    assert [words[0] for words in asked][:3] == ["data", "data", "data"]
    for words in asked:
        taken(words)
