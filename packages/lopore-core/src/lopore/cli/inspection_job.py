"""Films inspected one after the other by ``lopore inspect``: printed, or each into its folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lopore.messages import counted, terminal_json

if TYPE_CHECKING:
    from lopore.indications import FilmInspection, InspectionOptions, Profile
    from lopore.models.opening import OpenModel
    from lopore.preprocessing.enhancement_chain import Chain
    from lopore.progress import Progress
    from lopore.reading.film_source import FilmSource


WORK = ".work"
"""Folder below --out that holds the maps of films in work."""


class InspectionJob:
    """One model and one set of options over many films."""

    def __init__(
        self,
        model: OpenModel,
        options: InspectionOptions,
        profile: Profile | None,
        chain: Chain | None,
        asked: Mapping[str, Any],
        progress: Progress,
    ) -> None:
        self._model, self._options, self._profile, self._chain = model, options, profile, chain
        self._asked, self._progress, self._notes = asked, progress, set[str]()

    def film(self, path: Path, name: str) -> None:
        """Inspect one film, write or print it."""
        from lopore.reading.windows import open_film

        with open_film(path, page=self._asked["page"], mm_per_pixel=self._options.mm_per_pixel) as source:
            out: Path | None = self._asked["out"]
            found = self._inspect(source, None) if out is None else self._into(out, name, source)
        if self._asked["as_json"]:
            click.echo(terminal_json(found.model_dump_json()))
        else:
            _print(found)

    def _inspect(self, source: FilmSource, work: Path | None) -> FilmInspection:
        from lopore.indications import inspect_film

        stages: dict[str, Any] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = self._progress.stage(f"{source.name}: {stage}")
            stages[stage](done, total)

        found = inspect_film(
            self._model, source, profile=self._profile, options=self._options, chain=self._chain, work_folder=work,
            progress=advance,
        )  # fmt: skip
        self._progress.wipe()
        return found

    def _into(self, out: Path, name: str, source: FilmSource) -> FilmInspection:
        from lopore.errors import LoporeError
        from lopore.indications.inspect_film import used_model
        from lopore.indications.inspection_folder import is_done, read_inspection, write_inspection

        folder, work = out / name, out / WORK / name
        earlier = read_inspection(folder)
        if earlier is not None:
            if is_done(earlier, used_model(self._model, self._options), source, self._options, self._profile):
                self._progress.line(f"{source.name} is done in {folder}")
                return earlier
            raise LoporeError(f"{source.name}: {folder} holds another inspection; name another --out, or remove it")
        found = self._inspect(source, work)
        self._notes.update(write_inspection(folder, found, source, found.map, pdf=self._asked["pdf"]))
        shutil.rmtree(work, ignore_errors=True)
        return found

    def finish(self, out: Path) -> None:
        """The table of all films in the folder, and what was to be said once."""
        from lopore.indications.inspection_folder import write_summary

        if not out.is_dir():
            return
        self._tidy(out)
        click.echo(f"table of all films: {write_summary(out)}", err=True)
        for note in sorted(self._notes):
            click.echo(f"note: {note}", err=True)

    def end_of_shard(self, out: Path, shard: tuple[int, int], films: int, failed: Sequence[str]) -> None:
        """What `lopore jobs merge` asks for; the table of all films is its work."""
        from lopore.indications.merge_folders import write_shard

        self._tidy(out)
        click.echo(f"shard {shard[0]} of {shard[1]} is written: {write_shard(out, shard, films, failed)}", err=True)

    def _tidy(self, out: Path) -> None:
        with suppress(OSError):  # another shard works there, or it is not there
            (out / WORK).rmdir()


def _print(found: FilmInspection) -> None:
    """A film's answer for a person: the verdict, the largest indications, what to take care of."""
    from lopore.messages import plain, score_text

    verdict = f", {found.verdict.answer}" if found.verdict else ""
    click.echo(f"{plain(found.film.name)}: {counted(len(found.indications), 'indication')}{verdict}")
    for rule in found.verdict.rules if found.verdict else ():
        if rule.answer != "holds":
            marks = "".join(f" #{number}" for number in rule.indications[:10])
            click.echo(f"  {rule.answer}: {plain(rule.rule)}: {plain(rule.reason, 300)}{marks}")
    for mark in found.indications[:20]:
        size = (
            f"{mark.length_mm:.2f} x {mark.width_mm:.2f} mm"
            if mark.length_mm is not None and mark.width_mm is not None
            else f"{mark.length_px:.0f} x {mark.width_px:.0f} px"
        )
        position = f"({mark.centre[0]:.0f}, {mark.centre[1]:.0f})"
        click.echo(
            f"  #{mark.id:<4} {plain(mark.class_name, 30):<20} {score_text(mark.peak, 2)}  {size:<20} at {position} px"
        )
    if len(found.indications) > 20:
        click.echo(f"  and {len(found.indications) - 20} more; --out writes all")
    if found.set_aside:
        click.echo(f"  {counted(len(found.set_aside), 'mark')} set aside")
    for doubt in found.doubts:
        click.echo(f"  doubt: {plain(doubt.text, 400)}")
    for note in found.notes:
        click.echo(f"  note: {plain(note, 300)}")
