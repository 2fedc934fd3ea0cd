"""The command ``lopore``: one sub-command a file, found when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module

import click

COMMANDS = (
    "doctor", "plugins", "data", "enhance", "train", "eval", "predict", "explain", "export", "inspect", "app"
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

    def invoke(self, ctx: click.Context) -> object:
        from ..errors import LoporeError

        try:
            return super().invoke(ctx)
        except LoporeError as error:
            if ctx.params.get("debug"):
                raise
            raise OneLine(str(error), error.exit_code) from None
        except MemoryError:
            raise OneLine("out of memory; lower the batch size, the picture size or data.cache_mb", 1) from None
        except OSError as error:
            if ctx.params.get("debug") or isinstance(error, BrokenPipeError):
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise OneLine(f"{where}{error.strerror or error}; mend that and run the command again", 1) from None


class OneLine(click.ClickException):
    """A user's mistake: its text on one line of standard error, no traceback."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(" ".join(message.split()))
        self.exit_code = exit_code

    def show(self, file: object = None) -> None:
        click.echo(f"lopore: {self.format_message()}", err=True)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="lopore-core", prog_name="lopore")
@click.option("--debug", is_flag=True, help="Show the traceback of an error instead of one line.")
def main(debug: bool) -> None:
    """Find weld defects in radiographs: train, evaluate, explain, export and try models.

    \b
    First steps:
      lopore doctor                        what is installed and what is missing
      lopore data synth films              make labelled radiographs
      lopore data index films/labels.csv   describe a set of images
      lopore train --config FILE           train a model
      lopore app                           try it in the browser
    """


def run() -> None:
    """Entry point for ``python -m lopore``."""
    sys.exit(main())
