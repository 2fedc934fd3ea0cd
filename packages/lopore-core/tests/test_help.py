"""What `--help` says: every command and option in whole sentences, with its default, and nothing cut."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from lopore.cli import main

NARROW = 80


def commands(
    found: click.Command = main, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, found
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            below = found.get_command(context, name)
            assert below is not None
            yield from commands(below, (*words, name))


COMMANDS = dict(commands())
every_command = pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "lopore")


def help_of(words: tuple[str, ...], columns: int = NARROW) -> str:
    done = CliRunner().invoke(main, [*words, "--help"], terminal_width=columns)
    assert done.exit_code == 0
    return done.output


def options(words: tuple[str, ...]) -> list[click.Option]:
    return [one for one in COMMANDS[words].params if isinstance(one, click.Option) and not one.hidden]


def has_default(option: click.Option) -> bool:
    return option.to_info_dict()["default"] is not None


@every_command
def test_help_is_cut_nowhere_in_a_narrow_terminal(words: tuple[str, ...]) -> None:
    for line in help_of(words).splitlines():
        assert not line.endswith("...") or line.startswith("Usage:"), line
        assert len(line) <= NARROW, line


@every_command
def test_every_option_says_in_a_sentence_what_it_does(words: tuple[str, ...]) -> None:
    for option in options(words):
        assert option.help, f"{' '.join(words)} {option.opts[-1]} says nothing"
        assert re.fullmatch(r"[^a-z].*\.", option.help, re.DOTALL), f"{option.opts[-1]}: {option.help}"


@every_command
def test_every_option_shows_its_default_in_one_way(words: tuple[str, ...]) -> None:
    for option in options(words):
        assert "default" not in (option.help or "").lower(), f"{option.opts[-1]}: leave it to click's show_default"
        assert option.is_flag or not has_default(option) or option.show_default, option.opts[-1]


@every_command
def test_every_value_has_a_name_that_tells_what_it_is(words: tuple[str, ...]) -> None:
    for option in options(words):
        if not option.is_flag and not isinstance(option.type, click.Choice):
            shown = option.make_metavar(click.Context(COMMANDS[words]))
            assert shown not in {"TEXT", "INTEGER", "FLOAT", "INTEGER RANGE", "FLOAT RANGE"}, option.opts[-1]


def examples(words: tuple[str, ...]) -> list[list[str]]:
    """Words behind ``lopore`` of each example; what stands two spaces behind it is a remark."""
    found = re.findall(r"^ *lopore (.+?)(?: {2,}.*)?$", COMMANDS[words].help or "", flags=re.MULTILINE)
    return [shlex.split(text) for text in found]


@every_command
def test_every_command_with_arguments_or_choices_shows_examples(words: tuple[str, ...]) -> None:
    if words not in {("doctor",), ("plugins",), ("data",)}:
        assert examples(words)
    for example in examples(words):
        assert tuple(example[: len(words)]) == words


@every_command
def test_every_example_is_one_that_lopore_takes(words: tuple[str, ...]) -> None:
    for example in examples(words):
        named = max((known for known in COMMANDS if tuple(example[: len(known)]) == known), key=len)
        found = COMMANDS[named]
        assert not isinstance(found, click.Group), example
        context = click.Context(found)
        found.make_parser(context).parse_args(args=example[len(named) :])
