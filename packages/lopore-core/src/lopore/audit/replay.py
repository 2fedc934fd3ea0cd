"""The decision of a record, made again from the same film by the same model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lopore.atomic_files import sha256_of
from lopore.errors import DataError, LoporeError, ModelError
from lopore.messages import plain

from .chain import AuditRecord
from .facts import model_fingerprints
from .trail import AuditTrail

if TYPE_CHECKING:
    from lopore.indications import FilmInspection
    from lopore.inference.predict import Prediction
    from lopore.models.opening import OpenModel

TOLERANCE = 1e-4
"""How far scores may differ between machines; decisions have to be equal."""


@dataclass(frozen=True)
class Replay:
    """same: whether the decision is the recorded one. difference: the largest of a score or peak. reason: in words."""

    record: str
    same: bool
    then: str
    now: str
    difference: float

    def as_data(self) -> dict[str, Any]:
        """As plain data."""
        return {"record": self.record, "same": self.same, "then": self.then, "now": self.now,
                "largest_difference": self.difference}  # fmt: skip


def replay(trail: AuditTrail, record: AuditRecord, films: Sequence[Path]) -> Replay:
    """Decide again. films: files among which the recorded one is found by its sha256.

    Raises DataError for a record without a decision or a film that is not there, ModelError where the model is
    another one than then.
    """
    if record.kind == "verdict" and record.about:
        found = trail.find(record.about)
        return _film_again(found, films, record)
    if record.kind == "indications":
        verdict = next(trail.records(kind="verdict", about=record.id), None)
        return _film_again(record, films, verdict)
    if record.kind != "prediction" or "prediction" not in record.data:
        raise DataError(f"record {record.number} is a {_in_words(record)}; predictions, indications and verdicts of "
                        "files can be made again")  # fmt: skip
    return _image_again(record, films)


def _in_words(record: AuditRecord) -> str:
    return "prediction of bare pixels" if record.kind == "prediction" else record.kind


def _film(sha256: str, name: str, films: Sequence[Path]) -> Path:
    for path in sorted(films, key=lambda one: one.name != name):  # the likely one first
        if path.is_file() and sha256_of(path) == sha256:
            return path
    raise DataError(f"none of {len(films)} files is {plain(name, 120)} (sha256 {sha256[:12]}...); name it with --film")


def _model(data: dict[str, Any]) -> OpenModel:
    from lopore.models.catalogue import locate_model
    from lopore.models.opening import open_model

    then = data["model"]
    model = open_model(locate_model(then["title"]), runtime=then["runtime"])
    now = model_fingerprints(model)
    other = [name for name in now if now[name] != then.get(name)]
    if other:
        model.session.close()
        raise ModelError(
            f"{then['title']} is another model than then ({', '.join(other)} changed); name the folder of the old one "
            "in LOPORE_MODELS"
        )
    return model


def _image_again(record: AuditRecord, films: Sequence[Path]) -> Replay:
    from lopore.inference.decisions import Decision

    then: dict[str, Any] = record.data["prediction"]
    path = _film(then["sha256"], then["source"], films)
    model = _model(record.data)
    try:
        now = _predicted(_with_threshold(model, then["decision"]["threshold"]), path, then)
    finally:
        model.session.close()
    before = Decision.model_validate(then["decision"])
    difference = max(abs(now.scores[name] - value) for name, value in then["scores"].items())
    called = [(one.labels, one.decided, one.threshold) for one in (before, now.decision)]
    same = called[0] == called[1] and difference <= TOLERANCE
    return Replay(record.id, same, before.text, now.decision.text, difference)


def _with_threshold(model: OpenModel, threshold: float) -> OpenModel:
    """The model at the threshold that decided then: a reviewer may have set another one in the app."""
    record = model.record
    if threshold in {record.threshold.value, *record.threshold.per_class.values()}:
        return model
    moved = record.threshold.model_copy(update={"value": threshold, "per_class": {}})
    return replace(model, folder=replace(model.folder, record=record.model_copy(update={"threshold": moved})))


def _predicted(model: OpenModel, path: Path, then: dict[str, Any]) -> Prediction:
    from lopore.inference.predict import Failure, predict_files
    from lopore.inference.regions import DetectionRule
    from lopore.inference.segment import detect_files
    from lopore.preprocessing.enhancement_chain import Chain

    chain = Chain.parse(list(then["chain"])) if then["chain"] else None
    how: dict[str, Any] = {"chain": chain, "page": then["page"]}
    answer: Prediction | Failure
    if "rule" in then:
        answer = next(detect_files(model, [path], DetectionRule.model_validate(then["rule"]), **how))
    else:
        answer = next(predict_files(model, [path], **how))
    if isinstance(answer, Failure):
        raise LoporeError(answer.reason)
    return answer


def _film_again(record: AuditRecord, films: Sequence[Path], verdict: AuditRecord | None) -> Replay:
    from lopore.indications import FilmInspection, Profile, inspect_film
    from lopore.reading.windows import open_film

    then = FilmInspection.model_validate(record.data["inspection"])
    path = _film(then.film.sha256, then.film.name, films)
    profile = Profile.model_validate(verdict.data["profile"]) if verdict is not None else None
    model = _model(record.data)
    try:
        with open_film(path, page=then.film.page, mm_per_pixel=then.options.mm_per_pixel) as source:
            now = inspect_film(model, source, profile=profile, options=then.options)
    finally:
        model.session.close()
    answer = verdict.data["verdict"]["answer"] if verdict is not None else ""
    same = _marks(then) == _marks(now) and (now.verdict.answer if now.verdict else "") == answer
    pairs = zip(then.indications, now.indications, strict=False)
    difference = max((abs(one.peak - other.peak) for one, other in pairs), default=0.0)
    said, says = _said(then, answer), _said(now, now.verdict.answer if now.verdict else "")
    return Replay(record.id, same and difference <= TOLERANCE, said, says, difference)


def _marks(found: FilmInspection) -> list[tuple[Any, ...]]:
    """Class and place of every indication, to the pixel, in an order that a last digit does not change."""
    return sorted((mark.class_name, *(round(value) for value in mark.box)) for mark in found.indications)


def _said(found: FilmInspection, answer: str) -> str:
    return f"{len(found.indications)} indications{f', {answer}' if answer else ''}"
