"""``lopore report``: one page on a model, with its card and its facts as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import device_option, manifest_option, runtime_option, split_option

if TYPE_CHECKING:
    from lopore.evaluation.model_facts import ModelFacts
    from lopore.evaluation.results import Evaluation
    from lopore.models.opening import OpenModel
    from lopore.record.folder import ModelFolder


@click.command(name="report")
@click.argument("model_name", metavar="MODEL")
@manifest_option
@split_option
@click.option(
    "--pod", type=click.Path(path_type=Path), metavar="FILE", help="Result of `lopore pod --out`, its pod.json."
)
@click.option(
    "--contract",
    type=click.FloatRange(0.5, 1, max_open=True),
    metavar="RECALL",
    help="Recall to be proven, as in eval.",
)
@click.option(
    "--confidence", type=click.FloatRange(0.5, 1, max_open=True), metavar="SHARE", default=0.95, show_default=True,
    help="Confidence of the contract.",
)  # fmt: skip
@click.option(
    "--mistakes",
    "images",
    metavar="N",
    type=click.IntRange(0, 200),
    default=6,
    show_default=True,
    help="Mistakes shown of each kind.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER", show_default="reports/NAME-VERSION-report",
    help="Folder for the report.",
)  # fmt: skip
@runtime_option
@device_option
def command(
    model_name: str, manifest: Path | None, split: str, pod: Path | None, contract: float | None, confidence: float,
    images: int, out: Path | None, runtime: str | None, device: str,
) -> None:  # fmt: skip
    """Write a report on a model that a person reads in five minutes.

    It tells data, split and leaks, figures with intervals, operating point, calibration, probability of detection,
    mistakes and limits of use. Writes report.html (one file, no network), report.pdf where a browser is installed,
    report.json with the same facts, and CARD.md, a model card.

    \b
    Examples:
      lopore report weld
      lopore report weld --contract 0.95 --pod pod/pod.json
    """
    from lopore.evaluation.model_facts import facts_of
    from lopore.models.catalogue import locate_model

    from .doctor import require
    from .inputs import check_out_folder

    for module in ("matplotlib", "scipy"):
        require(module)
    folder = locate_model(model_name)
    target = out or Path("reports") / f"{folder.record.name}-{folder.record.version}-report"
    check_out_folder(target)
    model, found = _evaluated(folder, manifest, split, runtime, device)
    facts = facts_of(found, model.record, split=split, contract=contract, confidence=confidence, pod=pod)
    _write(target, model, found, facts, images)


def _write(target: Path, model: OpenModel, found: Evaluation, facts: ModelFacts, images: int) -> None:
    from lopore.atomic_files import atomic_write_text
    from lopore.evaluation.model_card import model_card
    from lopore.evaluation.report.model_page import model_page
    from lopore.indications.print_pdf import print_pdf

    texts = {
        "report.html": model_page(model, found, facts, images=images),
        "report.json": facts.model_dump_json(indent=2) + "\n",
        "CARD.md": model_card(facts),
    }
    for name, text in texts.items():
        atomic_write_text(target / name, text)
        click.echo(str(target / name))
    reason = print_pdf(target / "report.html", target / "report.pdf")
    click.echo(f"note: {reason}" if reason else str(target / "report.pdf"), err=bool(reason))


def _evaluated(
    folder: ModelFolder, manifest: Path | None, split: str, runtime: str | None, device: str
) -> tuple[OpenModel, Evaluation]:
    from lopore.evaluation.evaluate import evaluate
    from lopore.evaluation.training_manifest import training_manifest
    from lopore.models.opening import open_model
    from lopore.progress import Progress

    films = training_manifest(folder, manifest)
    model = open_model(folder, runtime=runtime, device=device)
    return model, evaluate(model, films, split=split, progress=Progress().stage("predicting"))
