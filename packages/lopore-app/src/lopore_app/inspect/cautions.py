"""Reasons to trust a call less: what the record and the film themselves say, and nothing beyond."""

from __future__ import annotations

from collections.abc import Iterator

from lopore.reading.radiograph import Radiograph
from lopore.record.model import ModelRecord
from lopore_app.session import Answer, Film, Scored

MAGNIFIED = 2.0
SHRUNK = 8.0
SQUEEZED = 1.5


def cautions(record: ModelRecord, film: Film, answer: Answer, scored: Scored) -> list[str]:
    """One sentence each, the gravest first."""
    return [
        *_training(record),
        *_decision(answer),
        *_appearance(record, scored),
        *_film(record, film.full, answer),
        *_chain(record, answer),
    ]


def _training(record: ModelRecord) -> Iterator[str]:
    if record.leaks.leaks:
        yield (
            f"Trained on a split that leaks ({record.leaks.leaks} found): "
            "the model's score is too good and proves nothing."
        )
    elif record.leaks.split_kind != "grouped":
        yield f"Trained on a {record.leaks.split_kind} split: parts of one film may lie on both sides of it."


def _decision(answer: Answer) -> Iterator[str]:
    decision = answer.prediction.decision
    if not decision.decided:
        yield f"The model abstains: its best score {decision.score:.2f} is under {decision.threshold:.2f}."


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


def _film(record: ModelRecord, film: Radiograph, answer: Answer) -> Iterator[str]:
    height, width = answer.enhanced.pixels.shape[:2]
    rows, columns = record.preprocessing.size
    down, across = height / rows, width / columns
    if max(down, across) < 1 / MAGNIFIED:
        yield (f"The film is small: {width} x {height} px are magnified to {columns} x {rows}; that adds no detail.")
    if max(down, across) > SHRUNK:
        yield (
            f"The film is large: shrunk {max(down, across):.0f} times to {columns} x {rows} px, small defects vanish; "
            "cut out the weld."
        )
    uneven = max(down / across, across / down)
    if record.preprocessing.resize == "stretch" and uneven > SQUEEZED:
        yield f"The film's shape is not the network's: it is squeezed {uneven:.1f} to 1."
    if film.pixels.dtype.itemsize * 8 < record.preprocessing.depth:
        yield f"The film has 8 bits, the model was made for {record.preprocessing.depth}."
    if film.polarity == "detector":
        yield "The file says that brighter is more radiation (detector); a model trained on films sees it reversed."


def _chain(record: ModelRecord, answer: Answer) -> Iterator[str]:
    steps = [str(step["name"]) for step in answer.prediction.chain]
    if steps:
        own = [str(step["name"]) for step in record.preprocessing.enhance]
        yield f"Enhanced otherwise than in training, which had {', '.join(own) or 'no such step'}."
