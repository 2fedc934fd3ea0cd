"""Reasons to trust an answer less: one list for the command line, the app, the report and the log.

A doubt says what the model's record and the film themselves state, and nothing beyond.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from lopore.arrays import ANOMALY
from lopore.data.appearance import Appearance
from lopore.data.class_names import is_sound
from lopore.data.likeness import distance_of
from lopore.messages import plain, told_apart
from lopore.record.abstention import UNSURE

from .decisions import Decision

if TYPE_CHECKING:
    from lopore.preprocessing.geometry import Geometry
    from lopore.reading.radiograph import Radiograph
    from lopore.record.model import ModelRecord

MAGNIFIED, SHRUNK, SQUEEZED = 2.0, 8.0, 1.5
"""Factors between film and network input from which on a doubt is said."""

Kind = Literal["training", "decision", "appearance", "size", "depth", "polarity", "enhancement"]


class Doubt(BaseModel):
    """One reason in one sentence. blocks: the film cannot be judged by this model, whatever its scores say."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    text: str
    blocks: bool = False


def doubts_about(
    record: ModelRecord,
    film: Radiograph,
    decision: Decision,
    *,
    geometry: Geometry,
    appearance: Appearance | None = None,
    chain: Sequence[dict[str, Any]] = (),
    scores: dict[str, float] | None = None,
    feature_distance: float | None = None,
) -> tuple[Doubt, ...]:
    """Every doubt about the answer to one film, the gravest first.

    film: as it was read, pixels may be left out. geometry: of the network's input on the film. appearance: of the
    network's input; None leaves the comparison with the training films out. scores: by class, to name the class that
    was nearly called. feature_distance: of the network's input to the training images, see ``data.feature_likeness``.
    """
    found = [
        *doubts_about_training(record),
        *_unsure(record, decision, scores or {}),
        *_decision(record, decision, scores or {}),
        *unlike_training(record, appearance),
        *_features_apart(record, feature_distance),
        *_size(record, geometry),
        *source_doubts(record, film.source.file_depth, film.polarity),
        *_enhancement(record, chain),
    ]
    return tuple(sorted(found, key=lambda doubt: not doubt.blocks))


def judged(doubts: Sequence[Doubt]) -> bool:
    """Whether the film can be judged: no doubt blocks."""
    return not any(doubt.blocks for doubt in doubts)


def doubts_about_training(record: ModelRecord) -> Iterator[Doubt]:
    """What the record itself says against every answer of the model."""
    if record.leaks.leaks:
        yield Doubt(
            kind="training",
            text=f"Trained on a split that leaks ({record.leaks.leaks} found): the model's score is too good and "
            "proves nothing.",
        )
    elif record.leaks.split_kind != "grouped":
        yield Doubt(
            kind="training",
            text=f"Trained on a {record.leaks.split_kind} split: parts of one film may lie in both splits.",
        )


def _unsure(record: ModelRecord, decision: Decision, scores: dict[str, float]) -> Iterator[Doubt]:
    """Left to a person: no class, several, or another one than was answered is possible (``record.abstention``)."""
    if record.abstention is None or set(scores) != set(record.classes):
        return
    possible = record.abstention.possible(record.classes, [scores[name] for name in record.classes])
    if possible == decision.labels:
        return
    named = " or ".join(plain(name, 60) for name in possible)
    held = f"it may be {named}" if possible else "it looks like no class that was learned"
    share = f"with {record.abstention.coverage:.0%} coverage"
    yield Doubt(kind="decision", text=f"{UNSURE[0].upper()}{UNSURE[1:]}: {share} {held}.", blocks=True)


def _decision(record: ModelRecord, decision: Decision, scores: dict[str, float]) -> Iterator[Doubt]:
    if not decision.decided:
        score, threshold = told_apart(decision.score, decision.threshold)
        yield Doubt(
            kind="decision",
            text=f"The model abstains: its best score {score} is under {threshold}.",
            blocks=True,
        )
    elif record.task == ANOMALY and decision.labels:
        yield Doubt(
            kind="decision",
            text="Unlike the sound images that it learned from: the model names no kind of defect, and a letter or "
            "scratch may be meant.",
        )
    elif record.task == "binary" and decision.score < 0.5:
        called = decision.labels[0]
        other = next(name for name in record.classes if name != called)
        sound = is_sound(called) or called != record.positive
        yield Doubt(
            kind="decision",
            text=f"'{plain(called, 60)}' has the lower score, {decision.score:.3g}; '{plain(other, 60)}' scores "
            f"{scores.get(other, 1 - decision.score):.3g}, and the threshold is {decision.threshold:.3g}.",
            blocks=sound,
        )


_STATISTICS = (
    ("mean", "mean grey", ("darker", "brighter")),
    ("std", "contrast", ("flatter", "harsher")),
    ("sharpness", "sharpness", ("less sharp", "sharper or grainier")),
    ("grey_range", "grey range", ("of a narrower grey range", "of a wider grey range")),
    ("cnr", "contrast to noise", ("noisier", "less noisy")),
)


TITLES_OF_STATISTICS = {name: title for name, title, _ in _STATISTICS}


def unlike_training(record: ModelRecord, seen: Appearance | None) -> Iterator[Doubt]:
    """What tells an image, or a film by the middle of its tiles, from those of training, by the record's bounds."""
    if seen is None:
        return
    rate = "" if record.likeness is None else f" {record.likeness.rate_text}"
    named = False
    for name, title, words in _STATISTICS:
        value = getattr(seen, name)
        # A record of another version or an outsider's may lack some of the statistics.
        low, high = record.training_grey.get(f"{name}_low"), record.training_grey.get(f"{name}_high")
        if low is None or high is None or low <= value <= high:
            continue
        word, named = words[0] if value < low else words[1], True
        here, least, most = told_apart(value, low, high)
        yield Doubt(
            kind="appearance",
            text=f"Unlike the training films: {word} ({title} {here}, theirs {least} to {most}).{rate}",
            blocks=True,
        )
    far = None if record.likeness is None else distance_of(record.likeness, seen)
    if record.likeness is not None and far is not None and far > record.likeness.distance_high and not named:
        here, most = told_apart(far, record.likeness.distance_high)
        yield Doubt(
            kind="appearance",
            text="Unlike the training films: grey level, contrast, sharpness and noise do not go together as theirs do "
            f"(distance {here}, theirs up to {most}).{rate}",
            blocks=True,
        )


def _features_apart(record: ModelRecord, distance: float | None) -> Iterator[Doubt]:
    """What the network makes of an image against what it makes of the training images."""
    known = record.feature_likeness
    if known is None or distance is None or distance <= known.distance_high:
        return
    here, most = told_apart(distance, known.distance_high)
    yield Doubt(
        kind="appearance",
        text=f"Unlike the training films: the network's features lie far from theirs (distance {here}, theirs up to "
        f"{most}). {known.rate_text}",
        blocks=True,
    )


def _size(record: ModelRecord, geometry: Geometry) -> Iterator[Doubt]:
    """How the film's own pixels became those of the network's input."""
    height, width = geometry.original
    rows, columns = geometry.size
    move = geometry.to_original
    across, down = math.hypot(move.xx, move.yx), math.hypot(move.xy, move.yy)
    sizes = f"{width} x {height} px"
    if max(down, across) < 1 / MAGNIFIED:
        yield Doubt(
            kind="size",
            text=f"The film is small: {sizes} are magnified to {columns} x {rows}; that adds no detail.",
            blocks=True,
        )
    if max(down, across) > SHRUNK:
        yield Doubt(
            kind="size",
            text=f"The film is large: {sizes} are shrunk {max(down, across):.0f} times to {columns} x {rows}, small "
            "defects vanish; cut out the weld.",
            blocks=True,
        )
    uneven = max(down / across, across / down)
    if record.preprocessing.resize == "stretch" and uneven > SQUEEZED:
        yield Doubt(
            kind="size", text=f"The film's shape is not the network's: it is squeezed {uneven:.1f} to 1.", blocks=True
        )


def source_doubts(record: ModelRecord, file_depth: int, polarity: str) -> Iterator[Doubt]:
    """Depth and polarity against those of the training films; a record that states neither is compared with itself."""
    depth, known = 16 if file_depth > 8 else 8, record.training_depths
    if known and str(depth) not in known:
        yield Doubt(
            kind="depth", text=f"The film has {depth} bits; the training films had {' or '.join(sorted(known))}."
        )
    elif not known and depth < record.preprocessing.depth:
        yield Doubt(kind="depth", text=f"The film has 8 bits; the model was made for {record.preprocessing.depth}.")
    theirs = {name for name in record.training_polarities if name != "unknown"}
    if polarity != "unknown" and theirs and polarity not in theirs:
        yield Doubt(
            kind="polarity",
            text=f"On this film brighter means {_MEANS[polarity]} radiation, on the training films "
            f"{_MEANS[min(theirs)]}: the model sees it reversed.",
            blocks=True,
        )
    elif polarity == "detector" and not record.training_polarities:
        yield Doubt(
            kind="polarity",
            text="On this film brighter means more radiation (detector); a model trained on films sees it reversed, "
            "and the record does not say what this one was trained on.",
            blocks=True,
        )


_MEANS = {"film": "less", "detector": "more"}


def _enhancement(record: ModelRecord, chain: Sequence[dict[str, Any]]) -> Iterator[Doubt]:
    steps = [str(step["name"]) for step in chain]
    if steps:
        own = [str(step["name"]) for step in record.preprocessing.enhance]
        yield Doubt(
            kind="enhancement",
            text=f"Enhanced otherwise than in training, which had {', '.join(own) or 'no such step'}.",
        )
