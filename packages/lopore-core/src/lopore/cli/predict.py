"""``lopore predict``: decisions for files, folders and globs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lopore.messages import counted, terminal_json

from .elsewhere import on_option, shards_option
from .options import device_option, model_option, page_option, runtime_option, shard_option
from .rules import FiniteRange, rule_from, rule_options

if TYPE_CHECKING:
    from lopore.inference.answer_journal import AnswerJournal
    from lopore.inference.predict import Failure, Prediction
    from lopore.inference.regions import DetectionRule
    from lopore.models.opening import OpenModel
    from lopore.preprocessing.enhancement_chain import Chain

    from .inputs import Tally


@click.command(name="predict")
@click.argument("images", nargs=-1, type=click.Path(path_type=Path))
@model_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    show_default="the terminal",
    help="A .csv, .json or .jsonl file to write.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--chain",
    "chain_text",
    metavar="STEPS",
    help="Enhance first, by steps or a preset as `lopore enhance` takes them; the model's own chain is applied anyway.",
)
@rule_options
@click.option(
    "--detections",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Segmentation: a .csv to write, a row for each detection.",
)
@click.option(
    "--mm-per-pixel",
    type=FiniteRange(0, 100, min_open=True),
    metavar="MM",
    show_default="what each file states",
    help="Segmentation: size of a pixel, for areas in mm2.",
)
@shard_option
@on_option
@shards_option
@runtime_option
@device_option
@click.option(
    "--threads",
    type=click.IntRange(1),
    metavar="N",
    show_default="the cores allowed",
    help="Threads of the network.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 4096),
    metavar="N",
    show_default="32 of 224 px, fewer of larger",
    help="Films that the network takes at once.",
)
@page_option
def command(
    images: tuple[Path, ...], model_name: str, out: Path | None, as_json: bool, detections: Path | None,
    shard: str | None, on: str | None, shards: int | None, runtime: str | None, device: str, threads: int | None,
    **options: Any,
) -> None:  # fmt: skip
    """Classify radiographs with a trained model.

    IMAGES are files, folders or globs. Files that cannot be read are reported one by one and the rest goes on; the exit
    status is then 1.

    A segmentation model also gives detections, of known place and size. Those too small by --min-area are dropped, and
    then scores and decisions ignore them.

    \b
    Examples:
      lopore predict --model weld films/
      lopore predict --model weld --out predictions.csv "films/*.tif"
      lopore predict --model model.onnx film.png --json
      lopore predict --model weld --out predictions.csv --shard 3/64 films/
    """
    from lopore.models.catalogue import locate_model
    from lopore.models.opening import open_model
    from lopore.preprocessing.enhancement_chain import Chain

    from .inputs import Tally, expand

    _check_tables(out, detections)
    tally, text = Tally(), options.pop("chain_text")
    chain = Chain.from_text(text) if text else None
    if on is not None:
        _elsewhere(expand(images, tally), out, detections)
        return
    model = open_model(locate_model(model_name), runtime=runtime, device=device, threads=threads)
    work = _Work(model, rule=_rule_of(model, options, detected=detections is not None), chain=chain, **options)
    _answer(work, expand(images, tally), tally, out, detections, shard, as_json=as_json)
    tally.finish("predicted")


def _answer(
    work: _Work, paths: Sequence[Path], tally: Tally, out: Path | None, detections: Path | None, shard: str | None, *,
    as_json: bool,
) -> None:  # fmt: skip
    """The films, or a shard's share of them, to standard output or into the tables."""
    from lopore.inference.doubts import doubts_about_training
    from lopore.inference.jobs import parse_shard, part_path, shard_of

    if shard is not None:
        mine = parse_shard(shard)
        paths = shard_of(paths, mine)
        out, detections = (None if table is None else part_path(table, mine) for table in (out, detections))
    for doubt in doubts_about_training(work.model.record):
        click.echo(f"note: {doubt.text}", err=True)
    if out is None and detections is None:
        for prediction in _good(work.answers(paths), tally):
            click.echo(terminal_json(prediction.model_dump_json()) if as_json else _line(prediction))
    else:
        _to_files(work, paths, tally, out, detections, as_json=as_json)


def _elsewhere(paths: Sequence[Path], out: Path | None, detections: Path | None) -> None:
    """The same command as shards on other machines; the tables are those of one run."""
    from lopore.inference.jobs import merge_tables

    from .elsewhere import run_elsewhere

    def merge(count: int) -> None:
        for table in (out, detections):
            for part in merge_tables(table, count) if table is not None else ():
                part.unlink()

    run_elsewhere(click.get_current_context(), len(paths), merge)


def _rule_of(model: OpenModel, options: dict[str, Any], *, detected: bool) -> DetectionRule | None:
    """The rule for detections, where these or a rule for them are asked for; its options are taken out."""
    from lopore.inference.regions import DetectionRule
    from lopore.inference.segment import check_maps

    rule = rule_from(options.pop("min_area"), options.pop("min_area_mm2"), options.pop("opening"))
    rule = rule or (DetectionRule() if detected or options["mm_per_pixel"] else None)
    if rule is not None:
        check_maps(model)
    return rule


@dataclass(frozen=True)
class _Work:
    """What is done with each file."""

    model: OpenModel
    rule: DetectionRule | None
    chain: Chain | None
    mm_per_pixel: float | None
    page: int | None
    batch_size: int | None

    def answers(self, paths: Sequence[Path]) -> Iterator[Prediction | Failure]:
        """The predictions as they come; with detections where there is a rule."""
        from lopore.inference.predict import predict_files
        from lopore.inference.segment import detect_files

        how: dict[str, Any] = {"chain": self.chain, "page": self.page, "batch_size": self.batch_size}
        if self.rule is None:
            return predict_files(self.model, paths, **how)
        return detect_files(self.model, paths, self.rule, pitch_mm=self.mm_per_pixel, **how)

    def settings(self) -> dict[str, Any]:
        """Whatever changes an answer."""
        from lopore import __version__

        folder = self.model.folder
        weights = [file.sha256 for file in folder.record.files if file.format == self.model.format]
        return {
            "lopore": __version__, "model": folder.title, "weights": weights, "runtime": self.model.predictor.name,
            "threshold": folder.record.threshold.model_dump(), "rule": self.rule and self.rule.model_dump(),
            "chain": self.chain and self.chain.as_data(), "mm_per_pixel": self.mm_per_pixel, "page": self.page,
        }  # fmt: skip


def _to_files(
    work: _Work, paths: Sequence[Path], tally: Tally, out: Path | None, detections: Path | None, *, as_json: bool
) -> None:
    """Answers to ``out`` and detections to their own file, both whole or not at all.

    Answers are kept beside the table as they come, so that the same command goes on after Ctrl-C or a crash.
    """
    from lopore.inference.answer_journal import answer_journal
    from lopore.progress import Progress

    progress = Progress()
    with answer_journal(out or detections or Path(), work.settings()) as journal:
        todo = journal.remaining(paths)
        before = tally.good = len(paths) - len(todo)
        for note in journal.notes:
            progress.line(f"note: {note}")
        if before:
            progress.line(f"going on: {before} of {counted(len(paths), 'answer')} are in {journal.path}")
        try:
            coming = progress.track(work.answers(todo), len(paths), "predicting", before=before)
            for prediction in _good(coming, tally):
                journal.add(prediction)
                if out is None:
                    click.echo(terminal_json(prediction.model_dump_json()) if as_json else _line(prediction))
        except KeyboardInterrupt:
            progress.wipe()
            saved = f"{tally.good} of {counted(len(paths), 'answer')} are kept in {journal.path}"
            progress.line(f"interrupted; {saved}; the same command goes on")
            raise
        _write(journal, paths, out, detections)
    for written in (out, detections):
        if written is not None:
            click.echo(str(written), err=True)


def _write(journal: AnswerJournal, paths: Sequence[Path], out: Path | None, detections: Path | None) -> None:
    from lopore.atomic_files import atomic_text_stream
    from lopore.inference.segment import SegmentationPrediction

    from .prediction_tables import detections_table, write_answers

    if out is not None:
        write_answers(out, journal.answers(paths))
    if detections is not None:
        with atomic_text_stream(detections) as stream:
            note = detections_table(stream)
            for prediction in journal.answers(paths):
                if isinstance(prediction, SegmentationPrediction):
                    note(prediction)


def _good(results: Iterator[Prediction | Failure], tally: Tally) -> Iterator[Prediction]:
    """The predictions; failures are reported as they come."""
    from lopore.inference.predict import Failure

    for result in results:
        if isinstance(result, Failure):
            tally.fail(result.source, result.reason)
            continue
        tally.good += 1
        yield result


def _check_tables(out: Path | None, detections: Path | None) -> None:
    from lopore.errors import ConfigError

    if out is not None and out.suffix.lower() not in (".csv", ".json", ".jsonl"):
        raise ConfigError(f"--out {out} ends in '{out.suffix}'; allowed are .csv, .json, .jsonl")
    if detections is not None and detections.suffix.lower() != ".csv":
        raise ConfigError(f"--detections {detections} ends in '{detections.suffix}'; allowed is .csv")
    if detections is not None and out == detections:
        raise ConfigError(f"--out and --detections both name {out}; give each a file of its own")


def _line(prediction: Prediction) -> str:
    from lopore.messages import plain

    ranked = sorted(prediction.scores.items(), key=lambda item: -item[1])[:3]
    scores = "  ".join(f"{plain(name, 60)} {score:.3f}" for name, score in ranked)
    called = plain(prediction.decision.text) if prediction.judged else "cannot be judged"
    doubts = [f"  doubt: {plain(doubt.text, 400)}" for doubt in prediction.doubts if doubt.kind != "training"]
    return "\n".join([f"{plain(prediction.source, 300)}: {called}  ({scores}){_counted(prediction)}", *doubts])


def _counted(prediction: Prediction) -> str:
    from lopore.inference.segment import SegmentationPrediction

    if not isinstance(prediction, SegmentationPrediction):
        return ""
    dropped = f", {prediction.dropped} dropped" if prediction.dropped else ""
    return f"  {counted(len(prediction.detections), 'detection')}{dropped}"
