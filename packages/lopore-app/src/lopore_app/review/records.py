"""What was predicted in this session and what the reviewer said of it; bounded, and nothing of it on disk.

No Streamlit in here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from lopore.audit.facts import model_fingerprints
from lopore.data.class_names import MAX_LABEL
from lopore.errors import ConfigError
from lopore.inference.predict import Prediction
from lopore.inference.segment import SegmentationPrediction
from lopore.models.opening import OpenModel
from lopore_app.viewer.outlines import Outline

Verdict = Literal["open", "accept", "reject", "relabel"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
MOST_ENTRIES = 2000
MOST_BYTES = 256 << 20
MAX_NOTE = 2000
_STATE, _FAILED = "records", "unanswered"


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
    outlines: around what a segmentation model found, on the original film. doubts: what the page said against the call.
    tone: found, sound, or unjudged where the film cannot be judged.
    content: the upload, so that its images can be made again; None where it was dropped to bound the memory.
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
    doubts: tuple[str, ...] = ()
    tone: str = ""
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
        doubts: tuple[str, ...] = (),
        tone: str = "",
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
            fingerprints=model_fingerprints(model),
            versions=dict(record.versions),
            rule=record.threshold.rule if own else "set by the reviewer",
            explainer=explainer,
            explained_class=explained_class if explainer else None,
            milliseconds=dict(milliseconds or {}),
            outlines=outlines,
            doubts=doubts,
            tone=tone,
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
    def call(self) -> tuple[object, ...]:
        """What a verdict belongs to: the film and what was called on it, never the settings that led there."""
        return self.sha256, self.prediction.page, self.prediction.decision.labels

    @property
    def call_text(self) -> str:
        """The call in words, or that the film cannot be judged."""
        return "cannot be judged" if self.tone == "unjudged" else self.prediction.decision.text.replace("_", " ")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.prediction.scores)


def keep(state: MutableMapping[Any, Any], entry: Entry) -> str:
    """Put an entry at the end of the session's records; returns its key.

    The same call on the same film keeps its review, whatever the settings; the same question asked again also keeps its
    first time and, where it explains nothing, the explainer it had. Over ``MOST_ENTRIES`` the oldest without a review
    goes first; over ``MOST_BYTES`` of uploads the oldest lose their images, not their records.
    """
    table = _table(state)
    key = entry.key
    entry = with_what_is_known(entry, tuple(table.values()))
    table.pop(key, None)
    table[key] = entry
    state.get(_FAILED, {}).pop((entry.sha256, entry.prediction.page, entry.model), None)
    _bound(table)
    return key


def with_what_is_known(entry: Entry, table: Sequence[Entry]) -> Entry:
    """An entry with the review of the same call, and with time and explainer of the same question, from a table."""
    said = next((one.review for one in table if one.call == entry.call and one.review.verdict != "open"), None)
    if said is not None:
        entry = replace(entry, review=said)
    key = entry.key
    known = next((one for one in table if one.key == key), None)
    if known is None:
        return entry
    entry = replace(entry, review=known.review, when=known.when, content=entry.content or known.content)
    if entry.explainer is None:
        entry = replace(entry, explainer=known.explainer, explained_class=known.explained_class)
    return entry


@dataclass(frozen=True)
class Unanswered:
    """A file of this session that got no answer. model: ``NAME/VERSION``, empty without one. reason: one line."""

    film: str
    sha256: str
    page: int
    model: str
    reason: str
    when: str = field(default_factory=lambda: _now())


def keep_unanswered(state: MutableMapping[Any, Any], one: Unanswered) -> None:
    """Write down that a file got no answer; an answer by the same model takes it out again."""
    table: dict[tuple[str, int, str], Unanswered] = state.setdefault(_FAILED, {})
    key = one.sha256, one.page, one.model
    if key not in table or table[key].reason != one.reason:
        table[key] = one
    while len(table) > MOST_ENTRIES:
        del table[next(iter(table))]


def unanswered(state: MutableMapping[Any, Any]) -> tuple[Unanswered, ...]:
    """Files without an answer, in the order they came."""
    return tuple(state.get(_FAILED, {}).values())


def entries(state: MutableMapping[Any, Any]) -> tuple[Entry, ...]:
    """All records, the newest last."""
    return tuple(_table(state).values())


def newest(found: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """For each film the last answer alone."""
    last = {(entry.sha256, entry.prediction.page): entry.key for entry in found}
    newest_keys = set(last.values())
    return tuple(entry for entry in found if entry.key in newest_keys)


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
        for other, one in table.items():  # the same call under other settings is the same call
            if one.call == entry.call:
                table[other] = replace(one, review=said)
    return table[key]


def forget(state: MutableMapping[Any, Any]) -> None:
    """Drop all records of this session."""
    state.pop(_STATE, None)
    state.pop(_FAILED, None)


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
    drawn_image: set[str] = set()
    spent = 0
    for key, entry in reversed(list(table.items())):
        if entry.content is None or entry.sha256 in drawn_image:
            continue
        if spent + len(entry.content) > MOST_BYTES:
            table[key] = replace(entry, content=None)
            continue
        spent += len(entry.content)
        drawn_image.add(entry.sha256)
