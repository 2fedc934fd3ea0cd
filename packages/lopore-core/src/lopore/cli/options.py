"""Options that several commands share, so that one name means one thing in all of them."""

from __future__ import annotations

import click

model_option = click.option(
    "--model",
    "model_name",
    metavar="MODEL",
    required=True,
    help="NAME, NAME/VERSION, a model's folder or an .onnx file; `lopore inspect` lists what is found.",
)
runtime_option = click.option(
    "--runtime",
    metavar="NAME",
    show_default="the preferred one that is installed",
    help="Predictor or format that answers, such as onnxruntime or pth.",
)
device_option = click.option(
    "--device",
    metavar="DEVICE",
    default="auto",
    show_default=True,
    help="Where the network runs: auto, cpu, cuda, cuda:1 or mps.",
)
page_option = click.option("--page", type=int, metavar="N", help="Page of a multi-page file, from 1.")
