"""What was predicted in this session and what the reviewer said of it; bounded, and nothing of it on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from lopore.data.manifest import MAX_LABEL
from lopore.errors import ConfigError
from lopore.inference.predict import Prediction
from lopore.inference.segment import SegmentationPrediction
from lopore.models.opening import OpenModel
from lopore_app.outlines import Outline

Verdict = Literal["open", "accept", "reject", "relabel"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
MOST_ENTRIES = 2000
MOST_BYTES = 256 << 20
MAX_NOTE = 2000
_STATE = "records"


@dataclass(frozen=True)
class Review:
    """What the reviewer said: ``open`` until then. label: the right class, for ``relabel`` alone."""

    verdict: Verdict = "open"
    label: str = ""
    note: str = ""
    when: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One prediction of this session.

    film: the file's name as it came, to be shown as plain text alone. chain: what ran before the model's own steps.
    model: ``NAME/VERSION``. model_path: where it lies, to open it again; it leaves with no download.
    fingerprints: of record, weights, preprocessing and training data. rule: how the threshold was chosen.
    outlines: around what a segmentation model found, on the original film.
    content: the upload, so that its pictures can be made again; None where it was dropped to bound the memory.
    """

    film: str
    sha256: str
    prediction: Prediction
    chain: tuple[Mapping[str, object], ...] = ()
    model: str
    model_path: str = ""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    rule: str = ""
    explainer: str | None = None
    explained_class: str | None = None
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    outlines: tuple[Outline, ...] = field(default=(), repr=False)
    content: bytes | None = field(default=None, repr=False)
    when: str = ""
    review: Review = Review()

    @classmethod
    def of(
        cls,
        model: OpenModel,
        prediction: Prediction,
        *,
        film: str,
        content: bytes | None = None,
        explainer: str | None = None,
        explained_class: str | None = None,
        milliseconds: Mapping[str, float] | None = None,
        outlines: tuple[Outline, ...] = (),
    ) -> Entry:
        """The entry of a prediction that ``model`` just made; ``content`` is kept, not copied."""
        record = model.record
        own = prediction.decision.threshold in {record.threshold.value, *record.threshold.per_class.values()}
        return cls(
            film=film,
            sha256=prediction.sha256,
            prediction=prediction,
            chain=prediction.chain,
            model=model.folder.title,
            model_path=str(model.folder.path.resolve()),
            fingerprints=fingerprints(model),
            versions=dict(record.versions),
            rule=record.threshold.rule if own else "set by the reviewer",
            explainer=explainer,
            explained_class=explained_class if explainer else None,
            milliseconds=dict(milliseconds or {}),
            outlines=outlines,
            content=content,
            when=_now(),
        )

    @property
    def key(self) -> str:
        """16 hex digits of film, page, model, chain, threshold and rule: equal for the same question asked again."""
        asked: list[object] = [
            self.sha256,
            self.prediction.page,
            self.model,
            dict(self.fingerprints),
            [dict(step) for step in self.chain],
            self.prediction.decision.threshold,
        ]
        if isinstance(self.prediction, SegmentationPrediction):
            asked.append(self.prediction.rule.model_dump(mode="json"))
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.prediction.scores)


def fingerprints(model: OpenModel) -> dict[str, str]:
    """What identifies a model in a log: sha256 of its record and of the weights that answered, and its inputs'."""
    record = model.record
    weights = next((file.sha256 for file in record.files if file.format == model.format), "")
    found = {
        "record": hashlib.sha256(record.to_json().encode()).hexdigest(),
        "weights": weights,
        "preprocessing": record.preprocessing_fingerprint,
        "training_data": record.data_fingerprint,
        "split": record.split_fingerprint,
    }
    return {name: value for name, value in found.items() if value}


def keep(state: MutableMapping[Any, Any], entry: Entry) -> str:
    """Put an entry at the end of the session's records; returns its key.

    The same question asked again keeps its review, its first time and, where this call explains nothing, the
    explainer it had. Over ``MOST_ENTRIES`` the oldest without a review goes first; over ``MOST_BYTES`` of uploads the
    oldest lose their pictures, not their records.
    """
    table = _table(state)
    key = entry.key
    known = table.pop(key, None)
    if known is not None:
        entry = replace(entry, review=known.review, when=known.when, content=entry.content or known.content)
        if entry.explainer is None:
            entry = replace(entry, explainer=known.explainer, explained_class=known.explained_class)
    table[key] = entry
    _bound(table)
    return key


def entries(state: MutableMapping[Any, Any]) -> tuple[Entry, ...]:
    """All records, the newest last."""
    return tuple(_table(state).values())


def newest(found: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """For each film and model the last answer alone, and every answer that has a review."""
    last = {(entry.sha256, entry.prediction.page, entry.model): entry.key for entry in found}
    kept = set(last.values())
    return tuple(entry for entry in found if entry.key in kept or entry.review.verdict != "open")


def review(state: MutableMapping[Any, Any], key: str, verdict: str, label: str = "", note: str = "") -> Entry:
    """Write down what the reviewer said of one entry; returns the entry as it now is.

    label: the right class (several joined by ``|``), asked for ``relabel`` and dropped for the others.
    Raises ConfigError for an unknown entry or verdict, or a relabel without a label.
    """
    table = _table(state)
    if key not in table:
        raise ConfigError(f"no record '{key[:40]}' in this session; it holds {len(table)}, reload the page")
    word = next((one for one in VERDICTS if one == verdict), None)
    if word is None:
        raise ConfigError(f"no verdict '{verdict[:40]}'; allowed are {', '.join(VERDICTS)}")
    label = label.strip()
    if word == "relabel" and (not label or len(label) > MAX_LABEL or not label.isprintable()):
        raise ConfigError(
            f"the right label has {len(label)} characters; name the right class in 1 to {MAX_LABEL} printable ones"
        )
    said = Review(word, label if word == "relabel" else "", note.strip()[:MAX_NOTE], _now())
    entry = table[key]
    if (said.verdict, said.label, said.note) != (entry.review.verdict, entry.review.label, entry.review.note):
        table[key] = replace(entry, review=said)
    return table[key]


def forget(state: MutableMapping[Any, Any]) -> None:
    """Drop all records of this session."""
    state.pop(_STATE, None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _table(state: MutableMapping[Any, Any]) -> dict[str, Entry]:
    if _STATE not in state:
        state[_STATE] = {}
    table: dict[str, Entry] = state[_STATE]
    return table


def _bound(table: dict[str, Entry]) -> None:
    while len(table) > MOST_ENTRIES:
        oldest = next((key for key, entry in table.items() if entry.review.verdict == "open"), next(iter(table)))
        del table[oldest]
    pictured: set[str] = set()
    spent = 0
    for key, entry in reversed(list(table.items())):
        if entry.content is None or entry.sha256 in pictured:
            continue
        if spent + len(entry.content) > MOST_BYTES:
            table[key] = replace(entry, content=None)
            continue
        spent += len(entry.content)
        pictured.add(entry.sha256)
