"""The command ``lopore``: one sub-command a file, found when it is asked for."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

COMMANDS = (
    "doctor", "plugins", "data", "enhance", "train", "eval", "predict", "explain", "export", "convert", "inspect",
    "app", "check-plugin", "new-plugin",
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

    def invoke(self, ctx: click.Context) -> object:
        from lopore.errors import LoporeError

        try:
            return super().invoke(ctx)
        except LoporeError as error:
            if ctx.params.get("debug"):
                raise
            raise OneLine(str(error)) from None
        except MemoryError:
            raise OneLine("out of memory; lower the batch size, the picture size or data.cache_mb") from None
        except OSError as error:
            if ctx.params.get("debug") or isinstance(error, BrokenPipeError):
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise OneLine(f"{where}{error.strerror or error}; mend that and run the command again") from None
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            text = f"{type(error).__name__}: {error}"[:500]
            raise OneLine(f"unexpected {text}; `lopore --debug ...` shows where, please report it") from error


class OneLine(click.ClickException):
    """A user's mistake: its text on one line of standard error, no traceback."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in line))

    def show(self, file: object = None) -> None:
        click.echo(f"lopore: {self.format_message()}", err=True)


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
    # Pydantic reads the entry points of all distributions: one garbled list would end every command.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def run() -> None:
    """Entry point for ``python -m lopore``."""
    sys.exit(main())
