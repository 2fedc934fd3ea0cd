"""``lopore models``: the models that are found, one a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .show import MOST_LETTERS

if TYPE_CHECKING:
    from lopore.record.folder import BrokenModel, ModelFolder


@click.command(name="models")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a model, one a line.")
def command(as_json: bool) -> None:
    """List models, with format, score and leaks.

    Models are looked for in ./models/final, in the folders of the path list LOPORE_MODELS and in installed packages of
    models such as lopore-weld. A model that cannot be
    used is listed with its reason. The exit status is 1 where no model is found.

    \b
    Examples:
      lopore models
      lopore models --json
    """
    from lopore.errors import ModelError
    from lopore.messages import plain, terminal_json
    from lopore.models.catalogue import find_models, model_roots
    from lopore.record.folder import BrokenModel

    found = list(find_models())
    for item in found:
        if as_json:
            click.echo(terminal_json(json.dumps(_facts(item), ensure_ascii=False)))
        elif isinstance(item, BrokenModel):
            click.echo(plain(f"unusable: {item.reason}", MOST_LETTERS), err=True)
        else:
            click.echo(plain(_line(item), MOST_LETTERS))
    if not found:
        roots = ", ".join(str(root.absolute()) for root in model_roots())
        raise ModelError(
            f"no model in {roots}; train one, pip install lopore-weld, go to the project's folder, or set LOPORE_MODELS"
        )


def _line(folder: ModelFolder) -> str:
    from lopore.metrics.score_names import score_name

    record = folder.record
    main = record.main_score
    score = f"{score_name(main[0])} {main[1].value:.3f} on {record.metrics_split}" if main else "not scored"
    leaky = "  LEAKY TRAINING" if record.leaks.leaks else ""
    return f"{folder.title}  {record.framework}/{record.backbone}  {', '.join(record.formats)}  {score}{leaky}"


def _facts(item: ModelFolder | BrokenModel) -> dict[str, Any]:
    from lopore.record.folder import BrokenModel

    if isinstance(item, BrokenModel):
        return {"path": str(item.path), "problem": item.reason}
    record = item.record
    return {
        "model": item.title,
        "path": str(item.path),
        "backbone": f"{record.framework}/{record.backbone}",
        "task": record.task,
        "classes": list(record.classes),
        "formats": list(record.formats),
        "metrics_split": record.metrics_split,
        "metrics": {name: interval.model_dump() for name, interval in record.metrics.items()},
        "leaks": record.leaks.leaks,
        "created": record.created,
    }
