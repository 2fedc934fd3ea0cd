"""Options that several commands share, so that one name means one thing in all of them."""

from __future__ import annotations

import re
from pathlib import Path

import click

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def _device(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """A word that can name a device; a predictor that takes no notice of devices would let any pass."""
    if not _DEVICE.fullmatch(value):
        raise click.BadParameter(f"{value[:60]!r} is no device; choose auto, cpu, cuda, cuda:1 or mps", ctx, param)
    return value


model_option = click.option(
    "--model",
    "model_name",
    metavar="MODEL",
    required=True,
    help="NAME, NAME/VERSION, a model's folder or an .onnx file; `lopore show` lists what is found.",
)
manifest_option = click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default="the manifest that the model was trained on",
    help="Films with their truth, as `lopore data index` writes them.",
)
split_option = click.option(
    "--split",
    type=click.Choice(["train", "val", "test", "all"]),
    default="test",
    show_default=True,
    help="Split that is scored; only films of `test` were never seen by the training.",
)
runtime_option = click.option(
    "--runtime",
    metavar="NAME",
    show_default="the preferred one that is installed",
    help="Predictor or format that answers, such as onnxruntime or pth.",
)
device_option = click.option(
    "--device",
    callback=_device,
    metavar="DEVICE",
    default="auto",
    show_default=True,
    help="Where the network runs: auto, cpu, cuda, cuda:1 or mps.",
)
shard_option = click.option(
    "--shard",
    metavar="I/N",
    help="Only the I-th of N blocks of the files: one job of many; `lopore jobs merge` puts them together.",
)
page_option = click.option("--page", type=click.IntRange(1), metavar="N", help="Page of a multi-page file, from 1.")
