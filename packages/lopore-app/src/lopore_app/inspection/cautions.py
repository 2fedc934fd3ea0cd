"""Reasons to trust a call less: what the record and the film themselves say, and nothing beyond.

No Streamlit in here.
"""

from __future__ import annotations

from collections.abc import Iterator

from lopore.inference.decisions import Decision
from lopore.record.model import ModelRecord
from lopore_app.inspection.films import Doubt, Scored
from lopore_app.wording import apart

MAGNIFIED = 2.0
SHRUNK = 8.0
SQUEEZED = 1.5


def doubts(record: ModelRecord, scored: Scored, decision: Decision) -> tuple[Doubt, ...]:
    """Reasons to doubt this call, the gravest first."""
    return (
        *(Doubt(text) for text in _training(record)),
        *(Doubt(text, blocks=True) for text in _decision(decision)),
        *(Doubt(text, blocks=True) for text in _appearance(record, scored)),
        *_film(record, scored),
        *(Doubt(text) for text in _chain(record, scored)),
    )


def _training(record: ModelRecord) -> Iterator[str]:
    if record.leaks.leaks:
        yield (
            f"Trained on a split that leaks ({record.leaks.leaks} found): "
            "the model's score is too good and proves nothing."
        )
    elif record.leaks.split_kind != "grouped":
        yield f"Trained on a {record.leaks.split_kind} split: parts of one film may lie on both sides of it."


def _decision(decision: Decision) -> Iterator[str]:
    if not decision.decided:
        score, limit = apart(decision.score, decision.threshold)
        yield f"The model abstains: its best score {score} is under {limit}."


def _appearance(record: ModelRecord, scored: Scored) -> Iterator[str]:
    seen = scored.appearance
    for name, value, title, words in (
        ("mean", seen.mean, "mean grey", ("darker", "brighter")),
        ("std", seen.std, "contrast", ("flatter", "harsher")),
        ("sharpness", seen.sharpness, "sharpness", ("less sharp", "sharper or grainier")),
    ):
        # A record of another version or an outsider's may lack some of the statistics.
        low, high = record.training_grey.get(f"{name}_low"), record.training_grey.get(f"{name}_high")
        if low is not None and high is not None and not low <= value <= high:
            word = words[0] if value < low else words[1]
            yield (
                f"Unlike the training films: {word} than 99 % of them "
                f"({title} {value:.2f}, theirs {low:.2f} to {high:.2f})."
            )


def _film(record: ModelRecord, scored: Scored) -> Iterator[Doubt]:
    height, width = scored.shape
    rows, columns = record.preprocessing.size
    down, across = height / rows, width / columns
    if max(down, across) < 1 / MAGNIFIED:
        yield Doubt(
            f"The film is small: {width} x {height} px are magnified to {columns} x {rows}; that adds no detail.", True
        )
    if max(down, across) > SHRUNK:
        yield Doubt(
            f"The film is large: shrunk {max(down, across):.0f} times to {columns} x {rows} px, small defects vanish; "
            "cut out the weld.",
            True,
        )
    uneven = max(down / across, across / down)
    if record.preprocessing.resize == "stretch" and uneven > SQUEEZED:
        yield Doubt(f"The film's shape is not the network's: it is squeezed {uneven:.1f} to 1.", True)
    if scored.film.pixels.dtype.itemsize * 8 < record.preprocessing.depth:
        yield Doubt(f"The film has 8 bits, the model was made for {record.preprocessing.depth}.")
    if scored.film.polarity == "detector":
        yield Doubt(
            "The file says that brighter is more radiation (detector); a model trained on films sees it reversed.", True
        )


def _chain(record: ModelRecord, scored: Scored) -> Iterator[str]:
    if scored.chain.steps:
        own = [str(step["name"]) for step in record.preprocessing.enhance]
        yield f"Enhanced otherwise than in training, which had {', '.join(own) or 'no such step'}."
