"""The command ``lopore``: one sub-command a file, found when it is asked for."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import Any

import click

COMMANDS = (
    "doctor", "plugins", "models", "show", "data", "film", "enhance", "train", "sweep", "runs", "eval", "report",
    "compare", "pod", "predict", "inspect", "explain", "export", "convert", "app", "serve", "jobs", "records",
    "check-plugin", "new-plugin",
)  # fmt: skip


class LazyGroup(click.Group):
    """Imports a sub-command's module when it is used; errors of the user's making become one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f".{cmd_name.replace('-', '_')}", __name__)
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command '{args[0][:60]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as error:
            raise _misused(error) from None

    def invoke(self, ctx: click.Context) -> object:
        debug = bool(ctx.params.get("debug"))
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _misused(error) from None
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise
        except (KeyboardInterrupt, click.Abort):
            if debug:
                raise
            raise Stopped from None
        except Exception as error:
            if debug:
                raise
            raise OneLine(_message_of(error)) from error


class OneLine(click.ClickException):
    """A user's mistake: its text on one line of standard error, no traceback."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in line))

    def show(self, file: object = None) -> None:
        click.echo(f"lopore: {self.format_message()}", err=True)


class Misused(OneLine):
    """An option or argument that is wrong."""

    exit_code = 2


class Stopped(OneLine):
    """Ctrl-C; the status is 128 + SIGINT, as POSIX shells have it."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped by Ctrl-C")

    def show(self, file: object = None) -> None:
        if sys.stderr.isatty():
            click.echo(err=True)  # the terminal has written ^C
        super().show()


def _misused(error: click.UsageError) -> click.ClickException:
    """One line for an option or argument that is wrong; the whole help where there was none at all."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    path = error.ctx.command_path if error.ctx else "lopore"
    root = error.ctx.find_root().command_path if error.ctx else "lopore"
    where = f"lopore{path.removeprefix(root)}"  # `python -m lopore` has another name for itself
    said = error.format_message().rstrip(". ")
    return Misused(f"{said}{'' if said.endswith('?') else ';'} `{where} --help` shows what it takes")


def _message_of(error: Exception) -> str:
    """What went wrong and what to do next; of an error that nobody foresaw, how to find its place."""
    from lopore.errors import LoporeError, memory_is_short

    if isinstance(error, LoporeError):
        return str(error)
    if memory_is_short(error):
        return "out of memory; lower the batch size, the image size or data.cache_mb"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; mend that and run the command again"
    if isinstance(error, ModuleNotFoundError) and error.name:
        from .doctor import missing

        if way_out := missing(error.name):
            return way_out
    return f"unexpected {type(error).__name__}: {error}"[:500] + "; `lopore --debug ...` shows where, please report it"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="lopore-core", prog_name="lopore")
@click.option("--debug", is_flag=True, help="Show the traceback of an error instead of one line.")
def main(debug: bool) -> None:
    """Find weld defects in radiographs: train, evaluate, explain, export and try models.

    \b
    First steps, in an empty folder:
      lopore doctor                        what is installed, what is missing
      lopore data init                     folders and a first config
      lopore data synth data/raw           made films, where you have none yet
      lopore data index data/raw/labels.csv --out data/processed/films.csv
      lopore data split data/processed/films.csv --out data/splits/films.csv
      lopore train --config configs/first.yaml
      lopore eval first                    a report with scores and mistakes
      lopore app                           the model in the browser

    With films of your own: folders data/raw/CLASS/, and `lopore data index data/raw`. A mistake gives one line that
    says what to do.
    """
    # A terminal or file of another encoding (Windows, Latin-1) gets \\u1234 for a letter that it lacks, not an error.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    # Pydantic reads the entry points of all distributions: one garbled list would end every command.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def run() -> None:
    """Entry point for ``python -m lopore``."""
    sys.exit(main())
