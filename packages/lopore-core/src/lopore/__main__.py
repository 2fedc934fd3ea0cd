"""``python -m lopore``."""

from .cli import run

run()
