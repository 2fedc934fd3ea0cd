"""Write the tables of docs/configuration.md from the config models; ``--check`` only compares.

What a key means is the description of its field; fields that have none are told here, each once.
"""

from __future__ import annotations

import argparse
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lopore.config.augmentation import Augmentation
from lopore.config.experiment import Experiment
from lopore.contracts import StepParams

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN, END = "<!-- config reference: begin -->", "<!-- config reference: end -->"

MEANING = {
    "name": "Name of the experiment; the model folder is `models/final/NAME/VERSION`.",
    "task": "`binary`: one class against all others. `multiclass`: one class an image. `multilabel`: any number of "
    "classes an image. `segmentation`: a class a pixel, from masks. `anomaly`: whatever is unlike sound images, which "
    "are all that it learns from.",
    "seed": "Seed of weights, order of images, augmentation and bootstrap.",
    "augmentation": "`none`, or the steps below.",
    "preprocessing.channels": "1 reads grey, 3 reads colour. Pretrained colour weights are folded for a grey network.",
    "preprocessing.depth": "Bits a pixel that the network takes.",
    "preprocessing.window.mode": "Which grey values of a deep film fill the network's range: `full` range of the "
    "file's type, `percentile` of the film's own values, `fixed` grey values, DICOM `tags` (percentile where a file "
    "has none).",
    "preprocessing.enhance": "Enhancement chain: a list of steps such as `{name: clahe, clip_limit: 2}`, as "
    "`lopore enhance --list` names them.",
    "preprocessing.resize": "`stretch` both sides; `letterbox` keeps the shape and fills with the film's median grey; "
    "`crop` keeps the shape and takes the middle.",
    "preprocessing.mean": "Mean of each channel, pixels in 0..1. Default: that of the pretrained weights, else 0.5.",
    "preprocessing.std": "Standard deviation of each channel. Default: that of the pretrained weights, else 0.25.",
    "model.pretrained_sha256": "Checked where `model.pretrained` is a file.",
    "model.dropout": "Share of the features that is left out before the head, in training only.",
    "training.epochs": "Times through the training side.",
    "training.batch_size": "Images a batch.",
    "training.loss.label_smoothing": "Share of the truth that is spread over all classes.",
    "training.optimizer.name": "AdamW, or SGD with momentum.",
    "training.optimizer.learning_rate": "Largest learning rate.",
    "training.optimizer.weight_decay": "Decay of the weights.",
    "training.optimizer.momentum": "Of SGD.",
    "training.optimizer.clip_norm": "Longest gradient; longer ones are shortened. `null` is off.",
    "training.schedule.name": "How the learning rate moves.",
    "training.schedule.warmup_epochs": "Epochs in which it rises to its value; fractions count.",
    "training.schedule.plateau_patience": "`plateau`: epochs without a better validation score before the rate falls.",
    "training.schedule.plateau_factor": "`plateau`: what it is multiplied with then.",
    "training.early_stopping": "`null` trains all epochs; else a mapping with the two keys below.",
    "training.early_stopping.patience": "Epochs without a better score.",
    "training.early_stopping.min_delta": "By how much a score must pass the best one to count as better.",
    "training.precision": "`auto` measures two steps of each kind that the device has and logs the choice.",
    "training.compile": "`torch.compile`, or XLA with `trainer: tf`; pays for long runs on GPUs.",
    "training.deterministic": "Equal runs give equal weights; some speed is lost.",
    "training.device": "`auto` takes a GPU where there is one. `trainer: tf` also takes `all` and `cuda:0,cuda:1`.",
    "training.threads": "CPU threads of the framework. Default: the cores allowed.",
    "training.keep_checkpoints": "Newest checkpoints that stay on disk.",
    "training.threshold.rule": "How the operating point is chosen on validation films (binary, multi-label, "
    "segmentation): the best F1, the highest threshold that keeps a recall, or a fixed value. `multiclass` answers "
    "with the largest score. `anomaly` has `false-alarms` by default, which needs no image with a defect.",
}


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The config sections among the alternatives of a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType):
        return [model for part in get_args(annotation) for model in models_in(part)]
    return []


def keys(model: type[BaseModel] = Experiment, at: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every dotted key with its field, sections before what is in them; augmentation steps come from ``step_rows``."""
    for name, field in model.model_fields.items():
        dotted = f"{at}.{name}".lstrip(".")
        sections = models_in(field.annotation)
        if not sections or dotted == "augmentation" or (not field.is_required() and field.default is None):
            yield dotted, field
        if sections and dotted != "augmentation":
            yield from keys(sections[0], dotted)


def default_of(field: FieldInfo) -> str:
    """The default as YAML writes it."""
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def allowed(field: FieldInfo) -> str:
    """Choices or bounds."""
    choices = [
        str(value) for part in _parts(field.annotation) if get_origin(part) is Literal for value in get_args(part)
    ]
    text = ", ".join(f"`{choice}`" for choice in choices)
    signs = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}"}
    bounds = [
        sign.format(f"{getattr(item, name):g}" if getattr(item, name) < 1e6 else getattr(item, name))
        for item in field.metadata
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]
    if any(part is bool for part in _parts(field.annotation)):
        text = "`true`, `false`"
    return ", ".join(filter(None, (text, *bounds)))


def _parts(annotation: Any) -> list[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        return [inner for part in get_args(annotation) for inner in _parts(part)]
    return [annotation]


def meaning(dotted: str, field: FieldInfo) -> str:
    """The field's description, or the line above; ValueError where there is none, or both."""
    if bool(field.description) == (dotted in MEANING):
        raise ValueError(f"{dotted} needs exactly one meaning: a description of its field or a line in MEANING")
    text = field.description or MEANING[dotted]
    return (text if text.endswith(".") else f"{text}.").replace("|", "\\|")


def experiment_table() -> list[str]:
    """Rows of every key outside augmentation."""
    found = dict(keys())
    unknown = MEANING.keys() - found.keys()
    if unknown:
        raise ValueError(f"MEANING names keys that do not exist: {', '.join(sorted(unknown))}")
    rows = [
        f"| `{key}` | {default_of(field)} | {allowed(field)} | {meaning(key, field)} |" for key, field in found.items()
    ]
    return ["| key | default | allowed | meaning |", "|---|---|---|---|", *rows]


def step_rows() -> Iterator[str]:
    """Rows of every augmentation step and its settings."""
    for name, field in Augmentation.model_fields.items():
        if not models_in(field.annotation):
            yield f"| `augmentation.{name}` | `[]` |  | {field.description} |"
            continue
        step = models_in(field.annotation)[0]
        told = " ".join((step.__doc__ or "").split())
        yield f"| `augmentation.{name}` | off | `true`, `false`, or its settings | {told} |"
        for setting, inner in step.model_fields.items():
            told = inner.description or StepParams.model_fields[setting].description or ""
            yield f"| `augmentation.{name}.{setting}` | {default_of(inner)} | {allowed(inner)} | {told}. |"


def render() -> str:
    """Both tables as Markdown, between the markers of the page."""
    head = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    return "\n".join([BEGIN, "", *experiment_table(), "", "### Augmentation", "", *head, *step_rows(), "", END])


def filled(page: str) -> str:
    """The page with its tables made anew."""
    before, rest = page.split(BEGIN)
    return before + render() + rest.split(END)[1]


def main() -> None:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 where the page is out of date")
    page = PAGE.read_text(encoding="utf-8")
    if parser.parse_args().check:
        raise SystemExit(int(filled(page) != page))
    PAGE.write_text(filled(page), encoding="utf-8")


if __name__ == "__main__":
    main()
