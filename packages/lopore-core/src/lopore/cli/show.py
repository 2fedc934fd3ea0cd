"""``lopore show``: what a model folder or ONNX file says of itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from lopore.messages import counted, terminal_json

from .scores import score_lines

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord

MOST_BYTES, MOST_LETTERS = 4 << 20, 1000
"""Of a metrics.json that is read, and of a line that is shown: both may come from anyone."""


@click.command(name="show")
@click.argument("model_name", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="Print the whole record.")
def command(model_name: str, as_json: bool) -> None:
    """Show a model's record and check its files.

    MODEL is NAME, NAME/VERSION, a model's folder or an .onnx file. `lopore models` lists what there is.

    \b
    Examples:
      lopore show weld
      lopore show weld --json
    """
    from lopore.models.catalogue import locate_model

    folder = locate_model(model_name)
    if as_json:
        click.echo(terminal_json(folder.record.to_json()), nl=False)
        return
    click.echo(_summary(folder))
    _check_files(folder)


def _check_files(folder: ModelFolder) -> None:
    """ModelError for the first file that is not as published, after all of them were listed."""
    from lopore.errors import ModelError
    from lopore.messages import plain

    problems = [plain(problem, MOST_LETTERS) for _, problem in folder.damaged_files()]
    if not problems:
        count = counted(len(folder.record.files), "file")
        click.echo(f"files       sha256 of the record and of {count} is as published")
        return
    for problem in problems[:-1]:
        click.echo(f"files       {problem}")
    raise ModelError(problems[-1])


def _summary(folder: ModelFolder) -> str:
    from lopore.messages import plain

    record = folder.record
    plan = record.preprocessing
    leaks = "no leak found" if record.leaks.clean else f"{record.leaks.leaks} LEAKING PAIRS: scores cannot be trusted"
    scores = score_lines(record.metrics)
    colour = "grey" if plan.channels == 1 else "colour"
    exact = "exact Grad-CAM in exports"
    heat_maps = exact if record.explanation.exact_cam else record.explanation.reason or "no exact Grad-CAM in exports"
    rows = {
        "model": f"{folder.title} ({folder.path})",
        "network": f"{record.framework}/{record.backbone}, {record.task}",
        "classes": ", ".join(record.classes),
        "input": f"{plan.size[0]} x {plan.size[1]} px, {colour}, {plan.depth} bit, {plan.resize}",
        "enhance": ", ".join(str(step["name"]) for step in plan.enhance) or "nothing",
        "decision": _decision(record),
        "calibration": record.calibration.text if record.calibration else "none",
        "scores": "\n".join([f"on {record.metrics_split}{_tested(folder)}", *scores]) if scores else "none",
        "split": f"{record.leaks.split_kind}, {leaks}",
        "heat maps": heat_maps,
        "formats": ", ".join(record.formats) or "none",
        "licence": record.licence or "not stated",
        "trained": f"{record.created} with {', '.join(f'{k} {v}' for k, v in sorted(record.versions.items()))}",
        "checks": f"preprocessing {record.preprocessing_fingerprint}",
    }
    origin = record.architecture.get("converted_from")
    if isinstance(origin, dict):
        source = f"{plain(origin.get('model'), 150)} ({plain(origin.get('framework'), 60)})"
        rows["origin"] = f"converted from {source}, whose scores these are"
    shown = {name: "\n".join(plain(line, MOST_LETTERS) for line in text.split("\n")) for name, text in rows.items()}
    return "\n".join(f"{name:<11} {text}".replace("\n", f"\n{'':<12}") for name, text in shown.items())


def _tested(folder: ModelFolder) -> str:
    """On how many images and groups the scores stand, where the folder still has its own metrics.json."""
    from lopore.atomic_files import sha256_of

    metrics_file, listed = folder.path / "metrics.json", {file.path: file.sha256 for file in folder.record.files}
    if metrics_file.name not in listed or not metrics_file.is_file():
        return ""
    small = metrics_file.stat().st_size <= MOST_BYTES
    if small and sha256_of(metrics_file) != listed[metrics_file.name]:
        return ""
    images, groups = _counts_in(metrics_file.read_bytes()) if small else (0, 0)
    if not images or not groups:
        return f": metrics.json does not say of how many images; `lopore eval {folder.title}` measures again"
    return f": {counted(images, 'image')} of {counted(groups, 'group')}, 95 % intervals"


def _counts_in(metrics_file: bytes) -> tuple[int, int]:
    """Images and groups as a metrics.json states them, 0 for what it does not state."""
    try:
        facts = json.loads(metrics_file)
    except (ValueError, RecursionError):
        return 0, 0
    found = [facts.get(name) if isinstance(facts, dict) else None for name in ("images", "groups")]
    images, groups = (value if type(value) is int and value > 0 else 0 for value in found)
    return images, groups


def _decision(record: ModelRecord) -> str:
    point = record.threshold
    if record.task == "multiclass":
        return "the largest score" + (f", undecided under {point.value:.3f}" if point.value else "")
    limits = ", ".join(f"{name} from {value:.3f}" for name, value in point.per_class.items())
    chosen = f", chosen on {point.chosen_on}" if point.chosen_on else ""
    if not limits:
        limits = f"{record.positive or 'a class'} from {point.value:.3f}"
    return f"{limits} ({point.rule}{chosen})"
