"""The batch: which films there are, what is known of each, and their thumbnails. No Streamlit in here."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from lopore.arrays import Pixels
from lopore.data.class_names import is_sound
from lopore.errors import LoporeError
from lopore.inference.decisions import Decision
from lopore.inference.doubts import Doubt
from lopore.inference.overlay import for_screen
from lopore.messages import counted, score_text
from lopore.preprocessing.enhancement_chain import Chain
from lopore.preprocessing.resampling import resize_grey
from lopore_app.inspection.films import InspectionResult
from lopore_app.inspection.memory import SMALL
from lopore_app.inspection.session import InspectionSession
from lopore_app.inspection.upload import Upload

ChainOf = Callable[[Upload], Chain]
"""Which steps a film goes through: some belong to one film alone."""
THUMB = (62, 108)
SLICE_SECONDS = 0.12
CANNOT_BE_JUDGED = "cannot be judged"


@dataclass(frozen=True)
class State:
    """What the strip shows of one film. tone: found, sound, unjudged, waiting or broken."""

    text: str
    tone: str


def tone_of(decision: Decision, doubts: Sequence[Doubt] = ()) -> str:
    """found, sound, or unjudged: the model abstains, or a call of no defect cannot be trusted."""
    if not decision.decided:
        return "unjudged"
    if not all(is_sound(label) for label in decision.labels):
        return "found"
    return "unjudged" if any(doubt.blocks for doubt in doubts) else "sound"


def call_text(decision: Decision, doubts: Sequence[Doubt] = ()) -> str:
    """The call for a person: its classes, or that the film cannot be judged. An underscore is a blank."""
    if tone_of(decision, doubts) == "unjudged":
        return CANNOT_BE_JUDGED
    return decision.text.replace("_", " ")


def state_of(session: InspectionSession, upload: Upload, chain: Chain, threshold: float | None) -> State:
    """What is known of a film without computing anything for it, but its decoding where that failed before."""
    if session.broken(upload) is not None:
        return State("cannot be read", "broken")
    if session.model is None:
        return State("", "waiting")
    if not session.answered(upload, chain):
        return State("waiting", "waiting")
    try:
        decision, doubts = session.judged(upload, chain, threshold)
    except LoporeError:
        return State("no answer", "broken")
    return State(f"{score_text(decision.score, 2)} {call_text(decision, doubts)}", tone_of(decision, doubts))


def tally(states: Sequence[State]) -> str:
    """How many films there are, and how many of them have no answer: for good or not yet."""
    broken, late = (sum(state.tone == tone for state in states) for tone in ("broken", "waiting"))
    summary = [counted(len(states), "film")]
    summary += [f"{broken} without an answer"] if broken else []
    summary += [f"{late} waiting"] if late and any(state.text for state in states) else []
    return ", ".join(summary)


def waiting(session: InspectionSession, uploads: Sequence[Upload], chain_of: ChainOf) -> list[Upload]:
    """Films that have no answer yet and may get one."""
    if session.model is None:
        return []
    return [
        upload
        for upload in uploads
        if session.broken(upload) is None and not session.answered(upload, chain_of(upload))
    ]


def answer_some(
    session: InspectionSession, uploads: Sequence[Upload], chain_of: ChainOf, threshold: float | None
) -> Iterator[tuple[Upload, InspectionResult | str]]:
    """Answers, or why there is none, for films that wait: as many as fit in a slice of time."""
    until = time.monotonic() + SLICE_SECONDS
    for upload in waiting(session, uploads, chain_of):
        try:
            answer: InspectionResult | str = session.answer(session.film(upload), chain_of(upload), threshold)
        except LoporeError as error:
            answer = str(error)
        yield upload, answer
        if time.monotonic() > until:
            return


def thumbnails(session: InspectionSession, uploads: Sequence[Upload]) -> dict[str, str]:
    """sha256 -> JPEG in base64, for films that can be read."""
    found = {}
    for upload in uploads:
        try:
            found[upload.sha256] = session.memory.get(
                ("thumbnail", upload.key), partial(_thumbnail_of, session, upload), lambda text: len(text) + SMALL
            )
        except LoporeError:
            continue
    return found


def _thumbnail_of(session: InspectionSession, upload: Upload) -> str:
    return thumbnail(session.film(upload).full.pixels)


def thumbnail(pixels: Pixels) -> str:
    """A JPEG of a few kilobytes in base64; a small image for finding, not for judging."""
    import cv2

    height, width = pixels.shape[:2]
    factor = min(1.0, THUMB[0] * 2 / height, THUMB[1] * 2 / width) if height * width > 4 else 1.0
    # A film is thinned before it is stretched to 8 bits, so that a large one costs no more than it must.
    step = max(1, int(1 / factor) // 3)
    seen = np.ascontiguousarray(for_screen(pixels[::step, ::step])[..., 0])
    size = max(1, round(height * factor)), max(1, round(width * factor))
    small = resize_grey(seen, size)
    return base64.b64encode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 78])[1].tobytes()).decode()
