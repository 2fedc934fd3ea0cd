"""``lopore train``: one config to a published model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lopore.messages import counted

from .scores import score_lines

if TYPE_CHECKING:
    from lopore.config.experiment import Experiment
    from lopore.record.model import Threshold
    from lopore.training.run import TrainResult


_IN_QUOTES = "put text that looks like a date or holds ':' or '[' in quotes, such as --set 'licence=\"CC: BY\"'"


class _Train(click.Command):
    """Takes options alone; a config named without its option is told so."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            config = next((word for word in given if word.endswith((".yaml", ".yml"))), None)
            if config is None or "unexpected extra" not in error.message:
                raise
            raise click.UsageError(f"{config} stands without its option; say --config {config}", ctx) from None


@click.command(name="train", cls=_Train)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Experiment as YAML; the options below stand over what it says.",
)
@click.option("--resume", metavar="RUN", help="Go on with a run, by name or folder; its own config is used.")
@click.option("--epochs", type=int, metavar="N", help="Times through the training films.")
@click.option("--batch-size", type=int, metavar="N", help="Films a step.")
@click.option("--learning-rate", type=float, metavar="RATE", help="Largest learning rate, such as 0.001.")
@click.option("--seed", type=int, metavar="N", help="Seed of weights, order and augmentation.")
@click.option("--device", metavar="DEVICE", help="Where it trains: auto, cpu, cuda, cuda:1 or mps.")
@click.option("--deterministic", is_flag=True, help="Equal runs give equal weights, at some cost in speed.")
@click.option("--name", metavar="NAME", help="Name of the experiment and of the model's folder.")
@click.option(
    "--run-name",
    metavar="NAME",
    show_default="that of the experiment, date and time",
    help="Name of the run's folder below checkpoints/.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    show_default="models, or where the run to go on with lies",
    help="Folder that gets checkpoints/RUN and final/NAME/VERSION.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any key of the config, such as training.loss.name=focal; may be given again.",
)
@click.option("--allow-leaks", is_flag=True, help="Train although the split leaks; the model carries the mark.")
@click.option("--cross-validate", is_flag=True, help="Train every fold and pool their answers.")
@click.option("--publish", is_flag=True, help="With --cross-validate: the folds become one model, one ONNX file.")
@click.option(
    "--folds",
    type=int,
    metavar="N",
    show_default="those of the manifest, else 5",
    help="Cross-validate over so many new folds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(config: Path | None, resume: str | None, out: Path | None, as_json: bool, **options: Any) -> None:
    """Train a model from one config, or cross-validate it.

    The last lines say what it scored on films that it never saw, and where everything was saved. Ctrl-C stops a run at
    any time; --resume goes on from its last epoch and ends as if it had never stopped.

    \b
    Examples:
      lopore train --config configs/first.yaml
      lopore train --config configs/first.yaml --set preprocessing.size=512
      lopore train --resume first-20260101-120000
      lopore train --config configs/first.yaml --cross-validate
    """
    if not as_json:  # before anything is imported: the frameworks take seconds
        click.echo(f"reading {config or resume or 'the config'}", err=True)
    from lopore.progress import Progress
    from lopore.training.run import train

    out = out or _home_of(resume)
    experiment = _experiment(config, resume, out, options)
    result = train(
        experiment,
        out=out,
        resume=resume,
        run_name=options["run_name"],
        allow_leaks=options["allow_leaks"],
        cross_validation=options["cross_validate"] or options["folds"] is not None,
        folds=options["folds"],
        publish_folds=options["publish"],
        progress=Progress(quiet=as_json),
    )
    if result.first:
        click.echo(json.dumps(_as_data(result), indent=2) if as_json else _as_text(result))
    if result.failed:
        raise SystemExit(1)


def _home_of(resume: str | None) -> Path:
    """The folder of models that a run's own folder belongs to; ``models`` for a new run and one that is named."""
    from lopore.training.run_folder import CONFIG

    folder = Path(resume or "")
    if resume and (folder / CONFIG).is_file() and folder.absolute().parent.name == "checkpoints":
        return folder.parent.parent
    return Path("models")


def _experiment(config: Path | None, resume: str | None, out: Path, options: dict[str, Any]) -> Experiment:
    from lopore.config.experiment import load_experiment
    from lopore.errors import ConfigError
    from lopore.training.run_folder import CONFIG, find_run

    if config is None and resume is None:
        raise ConfigError("name a config with --config FILE, or a run to go on with by --resume RUN")
    path = config if config is not None else find_run(resume or "", out) / CONFIG
    return load_experiment(path, _overrides(options))


def _overrides(options: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys of the config from the command line; values of --set are read as YAML."""
    from lopore.config.yaml_loader import parse_yaml
    from lopore.errors import ConfigError
    from lopore.messages import plain

    keys = {
        "epochs": "training.epochs",
        "batch_size": "training.batch_size",
        "learning_rate": "training.optimizer.learning_rate",
        "seed": "seed",
        "device": "training.device",
        "name": "name",
    }
    found = {dotted: options[key] for key, dotted in keys.items() if options[key] is not None}
    if options["deterministic"]:
        found["training.deterministic"] = True
    for text in options["settings"]:
        key, separator, value = text.partition("=")
        if not separator or not all(part.strip() for part in key.split(".")):
            raise ConfigError(f"--set {plain(text, 60)!r} is not KEY=VALUE, such as training.loss.name=focal")
        try:
            found[key.strip()] = parse_yaml(value, source="--set")
        except ConfigError:
            shown, where = plain(value, 60), plain(key, 60)
            raise ConfigError(f"--set {where}: {shown!r} is no YAML value; {_IN_QUOTES}") from None
    return found


def _as_data(result: TrainResult) -> dict[str, Any]:
    return {
        "model": str(result.model_folder) if result.model_folder else None,
        "run": str(result.run_folder),
        "files": [str(path) for path in result.files],
        "metrics": result.metrics.model_dump(mode="json") if result.metrics else None,
        "failed": list(result.failed),
        "notes": list(result.notes),
    }


def _as_text(result: TrainResult) -> str:
    lines = []
    if result.metrics:
        metrics = result.metrics
        stood = f"{counted(metrics.images, 'image')} of {counted(metrics.groups, 'group')}"
        if metrics.images:
            lines.append(f"scores on {metrics.split}: {stood}, 95 % intervals")
            lines += [f"  {line}" for line in score_lines(metrics.overall)]
        if metrics.pixels is not None and metrics.pixels.mean_dice is not None:
            pixels = metrics.pixels
            lines.append(f"  by pixels          mean dice {pixels.mean_dice:.3f}, mean iou {pixels.mean_iou:.3f}")
        lines += [f"  note: {note}" for note in metrics.notes]
        lines += _thresholds(metrics.threshold)
    lines.append(f"run   {result.run_folder}")
    if result.model_folder:
        lines.append(f"model {result.model_folder}")
        lines += [f"  {path}" for path in result.files]
    lines += [f"failed: {line}" for line in result.failed]
    return "\n".join(lines)


def _thresholds(point: Threshold) -> list[str]:
    if not point.value and not point.per_class:
        return [f"  decision by the {point.rule}"]
    values = point.per_class or {"": point.value}
    scores = ", ".join(f"{name} {value:.4g}".strip() for name, value in values.items())
    return [f"  threshold {scores} ({point.rule}{', chosen on ' + point.chosen_on if point.chosen_on else ''})"]
